//! From a component to code: by compiling it, or by believing bytes.

use wasmtime::component::Component;

use super::PrecompileError;
use super::artefact::VerifiedCode;
use crate::compiler::{self, Compiler};
use crate::component::root_cause;
use crate::error::{EngineError, LoadError};

fn damaged(error: wasmtime::Error) -> LoadError {
    LoadError::Damaged { detail: root_cause(&error) }
}

pub(super) fn compile(compiler: &Compiler, bytes: &[u8]) -> Result<Component, LoadError> {
    Component::from_binary(&compiler.wasmtime, bytes).map_err(damaged)
}

/// For every processor of this machine's kind, not only for those with its features.
pub(super) fn compile_portably(bytes: &[u8]) -> Result<Vec<u8>, PrecompileError> {
    let mut config = compiler::optimising_config();
    if cfg!(target_os = "linux") {
        let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        config.target(&target).map_err(|error| EngineError(format!("{error:#}")))?;
    }
    let engine = wasmtime::Engine::new(&config).map_err(|error| EngineError(format!("{error:#}")))?;
    Ok(engine.precompile_component(bytes).map_err(damaged)?)
}

/// Take code for what it says it is.
#[allow(
    unsafe_code,
    reason = "wasmtime cannot check machine code; this is the one place where it is believed"
)]
pub(super) fn deserialize(compiler: &Compiler, code: &VerifiedCode) -> wasmtime::Result<Component> {
    // SAFETY: wasmtime asks that the bytes are what `serialize` or `precompile_component` made, unchanged. A `VerifiedCode`
    // comes from nowhere but `artefact::verify`, which takes nothing but `TrustedBytes`: the content of a file that,
    // when it was open, belonged to this user (or to root, who owns this program as well), in a folder of the
    // same owner, both closed to writing by anybody else. This program writes nothing there but what these two
    // functions return, with its SHA-256, which was compared. Bytes of another version of wasmtime or for other
    // settings are told from ours by wasmtime itself, which gives an error.
    unsafe { Component::deserialize(&compiler.wasmtime, code.bytes()) }
}
