//! What a component says of itself.

use wasmtime::component::Component;

/// A component's name, size, hash, and what it needs and offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// What users call it.
    pub name: String,
    /// Size of the file.
    pub size_bytes: usize,
    /// SHA-256 of the file, in lower-case hexadecimal.
    pub sha256: String,
    /// Interfaces that it calls, in its own order. What is missing here it cannot do.
    pub imports: Vec<String>,
    /// Interfaces that it offers.
    pub exports: Vec<String>,
}

/// The names on a component's outside.
pub(crate) struct Names {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

pub(crate) fn names(component: &Component, engine: &wasmtime::Engine) -> Names {
    let outside = component.component_type();
    Names {
        imports: outside.imports(engine).map(|(name, _)| name.to_owned()).collect(),
        exports: outside.exports(engine).map(|(name, _)| name.to_owned()).collect(),
    }
}
