//! Machine code of a component, by compilation or by deserialization of a cache file.

use wasmtime::component::Component;

use super::PrecompileError;
use super::artefact::VerifiedCode;
use crate::compile_process::{self, ChildCode, CompileProcess, Target};
use crate::compiler::{self, Compiler};
use crate::error::{EngineError, LoadError, root_cause};
use crate::structure::merge_segments;

/// Converts an error of the compiler, which distinguishes a feature that is switched off from a damaged file only in
/// its text.
fn unusable(error: wasmtime::Error) -> LoadError {
    LoadError::from_validator(root_cause(&error))
}

/// Compiles a component, in a child process if there is one.
pub(crate) fn compile(
    process: &CompileProcess,
    compiler: &Compiler,
    bytes: &[u8],
) -> Result<Component, LoadError> {
    let Some(program) = &process.program else {
        return Component::from_binary(&compiler.wasmtime, &merge_segments(bytes)).map_err(unusable);
    };
    let code = compile_process::compile(program, &process.limits, compiler.target, bytes)?;
    // The child is this program and its output is complete, so that memory is the only other thing that can be missing.
    let failed = |error: wasmtime::Error| LoadError::CompileFailed {
        detail: format!("its output cannot be loaded, probably for lack of memory ({})", root_cause(&error)),
    };
    deserialize_from_child(compiler, &code).map_err(failed)
}

/// Compiles for all processors of this architecture, without the optional features of this one.
pub(super) fn compile_portably(process: &CompileProcess, bytes: &[u8]) -> Result<Vec<u8>, PrecompileError> {
    if let Some(program) = &process.program {
        let code = compile_process::compile(program, &process.limits, Target::Portable, bytes)?;
        return Ok(code.bytes().to_vec());
    }
    let engine = compiler::portable_config().and_then(|config| wasmtime::Engine::new(&config));
    let engine = engine.map_err(|error| EngineError(format!("{error:#}")))?;
    Ok(engine.precompile_component(&merge_segments(bytes)).map_err(unusable)?)
}

/// Loads machine code that a child of this process has compiled.
#[allow(
    unsafe_code,
    reason = "wasmtime cannot check machine code; this and `deserialize` are the only places that load it"
)]
fn deserialize_from_child(compiler: &Compiler, code: &ChildCode) -> wasmtime::Result<Component> {
    // SAFETY: wasmtime requires the unmodified output of `serialize` or `precompile_component`. A `ChildCode` comes only
    // from `compile_process::compile`, which reads it from a pipe that it has created for a child that it has started: this
    // program itself, by the link to its own executable, whose only output on this pipe is that of
    // `precompile_component`. No other process has the pipe: the system opens its ends in parent and child alone, and
    // closes them when the child executes anything else. Whoever can interfere with this process or its child by other
    // means (root, or a debugger of the same user) controls this process anyway. wasmtime detects code of another version
    // or with other settings and returns an error.
    unsafe { Component::deserialize(&compiler.wasmtime, code.bytes()) }
}

/// Loads machine code that [`verify`](super::artefact::verify) has accepted.
#[allow(
    unsafe_code,
    reason = "wasmtime cannot check machine code; this and `deserialize_from_child` are the only places that load it"
)]
pub(super) fn deserialize(compiler: &Compiler, code: &VerifiedCode) -> wasmtime::Result<Component> {
    // SAFETY: wasmtime requires the unmodified output of `serialize` or `precompile_component`. A
    // `VerifiedCode` comes only from `artefact::verify`, which accepts only `TrustedBytes`: the content of a
    // file that, when it was opened, belonged to this user (or to root, who owns this program as well), in a
    // directory of the same owner, both closed to writes by other users. This program writes only the output
    // of these two functions there, together with its SHA-256, which has been compared. wasmtime detects
    // code of another version or with other settings and returns an error.
    unsafe { Component::deserialize(&compiler.wasmtime, code.bytes()) }
}
