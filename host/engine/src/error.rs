//! What can be wrong with a component, in words that say what to do.

use crate::inspection::Role;

/// The sandbox could not be set up on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine cannot run on this machine: {0}")]
pub struct EngineError(pub String);

/// Why bytes cannot become a behaviour.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Nothing there.
    #[error("the file is empty")]
    Empty,
    /// Some other kind of file.
    #[error("this is no WebAssembly: it starts with {found} instead of `\\0asm`")]
    NotWasm {
        /// The first bytes.
        found: String,
    },
    /// A module instead of a component.
    #[error(
        "this is a core WebAssembly module, not a component; build it with `cargo component build`, or turn it \
         into a component with `wasm-tools component new`"
    )]
    CoreModule,
    /// The file breaks off or is damaged.
    #[error("the file is damaged or incomplete: {detail}")]
    Damaged {
        /// Where and how, from the validator.
        detail: String,
    },
    /// Built for another version of the interface.
    #[error(
        "it was built for `{found}`, and this host offers `{offered}`; build it again with this host's `wit` folder"
    )]
    UnsupportedVersion {
        /// The package and version it asks for.
        found: String,
        /// What there is.
        offered: &'static str,
    },
    /// A fault model where a behaviour is wanted.
    #[error(
        "it is a fault model, not a behaviour: name it as `file` of a fault of kind `component`, and give the \
         devices a behaviour"
    )]
    IsFaultModel,
    /// A behaviour where a fault model is wanted.
    #[error(
        "it is a behaviour, not a fault model: give it to devices; a fault model targets the world `fault` in \
         `wit/worlds.wit`"
    )]
    IsBehaviour,
    /// It is a component, but not for this host.
    #[error(
        "it does not export `{missing}`, so it is built for another world; it exports {found}. A {role} \
         targets one of the worlds in `wit/worlds.wit`"
    )]
    WrongWorld {
        /// The export that is missing.
        missing: &'static str,
        /// What it would be with it.
        role: Role,
        /// What it exports, in words.
        found: String,
    },
    /// It asks for things that no host here has.
    #[error("it imports {found}, which this host does not offer; a {role} may import {offered} and WASI")]
    UnknownImport {
        /// The import, in words.
        found: String,
        /// What it is.
        role: Role,
        /// What there is.
        offered: &'static str,
    },
    /// The interfaces have the right names and other shapes.
    #[error("its interfaces have other shapes than this host's: {detail}")]
    TypeMismatch {
        /// The first difference, from the type checker.
        detail: String,
    },
}
