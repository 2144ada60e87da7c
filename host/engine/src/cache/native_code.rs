//! Machine code of a component, by compilation or by deserialization of a cache file.

use wasmtime::component::Component;

use super::PrecompileError;
use super::artefact::VerifiedCode;
use crate::compiler::{self, Compiler};
use crate::error::{EngineError, LoadError, root_cause};

/// Converts an error of the compiler, which distinguishes a feature that is switched off from a damaged file only in
/// its text.
fn unusable(error: wasmtime::Error) -> LoadError {
    LoadError::from_validator(root_cause(&error))
}

pub(crate) fn compile(compiler: &Compiler, bytes: &[u8]) -> Result<Component, LoadError> {
    Component::from_binary(&compiler.wasmtime, bytes).map_err(unusable)
}

/// Compiles for all processors of this architecture, without the optional features of this one.
pub(super) fn compile_portably(bytes: &[u8]) -> Result<Vec<u8>, PrecompileError> {
    let mut config = compiler::optimising_config();
    if cfg!(target_os = "linux") {
        let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        config.target(&target).map_err(|error| EngineError(format!("{error:#}")))?;
    }
    let engine = wasmtime::Engine::new(&config).map_err(|error| EngineError(format!("{error:#}")))?;
    Ok(engine.precompile_component(bytes).map_err(unusable)?)
}

/// Loads machine code that [`verify`](super::artefact::verify) has accepted.
#[allow(unsafe_code, reason = "wasmtime cannot check machine code; this is the only place that loads it")]
pub(super) fn deserialize(compiler: &Compiler, code: &VerifiedCode) -> wasmtime::Result<Component> {
    // SAFETY: wasmtime requires the unmodified output of `serialize` or `precompile_component`. A
    // `VerifiedCode` comes only from `artefact::verify`, which accepts only `TrustedBytes`: the content of a
    // file that, when it was opened, belonged to this user (or to root, who owns this program as well), in a
    // directory of the same owner, both closed to writes by other users. This program writes only the output
    // of these two functions there, together with its SHA-256, which has been compared. wasmtime detects
    // code of another version or with other settings and returns an error.
    unsafe { Component::deserialize(&compiler.wasmtime, code.bytes()) }
}
