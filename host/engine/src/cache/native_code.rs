//! Machine code of a component, by compilation or by deserialization of a cache file.

use wasmtime::component::Component;

use super::PrecompileError;
use super::artefact::VerifiedCode;
use crate::compiler::{self, Compiler};
use crate::error::{EngineError, LoadError, root_cause};

/// Converts an error of the compiler, which distinguishes a feature that is switched off from a damaged file only in its
/// text.
fn unusable(error: wasmtime::Error) -> LoadError {
    let detail = root_cause(&error);
    match unsupported_feature(&detail) {
        Some(feature) => LoadError::UnsupportedFeature { feature, detail },
        None => LoadError::Damaged { detail },
    }
}

/// Names of features, by words of the validator. The first match counts.
const FEATURES: [(&str, &str); 21] = [
    ("relaxed SIMD", "relaxed SIMD"),
    ("relaxed-simd", "relaxed SIMD"),
    ("exception", "exceptions"),
    ("shared-everything-threads", "threads"),
    ("threading", "threads"),
    ("threads", "threads"),
    ("stack switching", "stack switching"),
    ("continuation", "stack switching"),
    ("stack-switching", "stack switching"),
    ("memory64", "memory64 (64-bit memories)"),
    ("cm64", "memory64 (64-bit memories)"),
    ("64-bit", "memory64 (64-bit memories)"),
    ("async", "async (component model)"),
    ("error-context", "error-context (component model)"),
    ("component model", "an optional feature of the component model"),
    ("custom page sizes", "custom page sizes"),
    ("custom descriptors", "custom descriptors"),
    ("wide arithmetic", "wide arithmetic"),
    ("function-references", "typed function references (part of GC)"),
    ("function references", "typed function references (part of GC)"),
    ("gc", "GC (garbage-collected types)"),
];

/// The feature that an error of the validator names as switched off.
fn unsupported_feature(detail: &str) -> Option<&'static str> {
    const SWITCHED_OFF: [&str; 10] = [
        "not enabled",
        "must be enabled",
        "to be enabled",
        "feature required",
        "requires the",
        "require the",
        "not supported",
        "without the",
        "is disabled",
        "are disabled",
    ];
    if !SWITCHED_OFF.iter().any(|words| detail.contains(words)) {
        return None;
    }
    let lower = detail.to_lowercase();
    FEATURES.iter().find(|(words, _)| lower.contains(&words.to_lowercase())).map(|(_, feature)| *feature)
}

pub(super) fn compile(compiler: &Compiler, bytes: &[u8]) -> Result<Component, LoadError> {
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
