//! Errors of loading a component. Each message names the remedy.

use crate::inspection::Role;

/// wasmtime cannot run on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine cannot run on this machine: {0}")]
pub struct EngineError(pub String);

/// Reason why a file is not a usable component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The file is empty.
    #[error("the file is empty")]
    Empty,
    /// The file is not WebAssembly.
    #[error("this is no WebAssembly: it starts with {found} instead of `\\0asm`")]
    NotWasm {
        /// The first bytes.
        found: String,
    },
    /// The file is a core module, not a component.
    #[error(
        "this is a core WebAssembly module, not a component; build it with `cargo component build`, or turn it \
         into a component with `wasm-tools component new`"
    )]
    CoreModule,
    /// The file is truncated or damaged.
    #[error("the file is damaged or incomplete: {detail}")]
    Damaged {
        /// Position and cause, from the validator.
        detail: String,
    },
    /// The component uses a feature of WebAssembly that this host does not support.
    #[error("it uses {feature}, which this host does not support; build it without ({detail})")]
    UnsupportedFeature {
        /// Name of the feature.
        feature: &'static str,
        /// Position and cause, from the validator.
        detail: String,
    },
    /// The component was built for another version of the WIT package.
    #[error(
        "it was built for `{found}`, and this host offers `{offered}`; build it again with this host's `wit` folder"
    )]
    UnsupportedVersion {
        /// The package and version that it imports.
        found: String,
        /// The package and version of this host.
        offered: &'static str,
    },
    /// The component is a fault model, but a behaviour is required.
    #[error(
        "it is a fault model, not a behaviour: name it as `file` of a fault of kind `component`, and give the \
         devices a behaviour"
    )]
    IsFaultModel,
    /// The component is a behaviour, but a fault model is required.
    #[error(
        "it is a behaviour, not a fault model: give it to devices; a fault model targets the world `fault` in \
         `wit/worlds.wit`"
    )]
    IsBehaviour,
    /// The component was built for another WIT world.
    #[error(
        "it does not export `{missing}`, so it is built for another world; it exports {found}. A {role} \
         targets one of the worlds in `wit/worlds.wit`"
    )]
    WrongWorld {
        /// The missing export.
        missing: &'static str,
        /// The required role.
        role: Role,
        /// Exports of the component, as text.
        found: String,
    },
    /// The component has an import that this host does not provide.
    #[error("it imports {found}, which this host does not offer; a {role} may import {offered} and WASI")]
    UnknownImport {
        /// The import, as text.
        found: String,
        /// The role of the component.
        role: Role,
        /// The allowed imports.
        offered: &'static str,
    },
    /// An interface has the right name but other types.
    #[error("its interfaces have other types than this host's: {detail}")]
    TypeMismatch {
        /// The first difference, from the type checker.
        detail: String,
    },
}

/// Innermost cause of an error as text.
pub(crate) fn root_cause(error: &wasmtime::Error) -> String {
    error.chain().last().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Bytes as lowercase hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
