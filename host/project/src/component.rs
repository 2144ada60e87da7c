//! Conversion of a core module into a component.

use wasmparser::{BinaryReader, BinaryReaderError, Encoding, Parser, Payload};
use wit_component::ComponentEncoder;

/// Reason why an artefact is no component and cannot become one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    /// The file is not WebAssembly.
    #[error("it is no WebAssembly, or damaged: {0}")]
    NotWasm(String),
    /// A core module for WASI preview 1.
    #[error(
        "it is a core module for WASI preview 1 (it imports `{0}`), which has no description of components; build it for \
         `wasm32-unknown-unknown` or `wasm32-wasip2`"
    )]
    Preview1(String),
    /// A core module without a description of its world.
    #[error(
        "it is a core module that does not describe its world, so it cannot become a component: does the code export the \
         world, as by `wasmote_sdk::export!`, or include the file that the generator of bindings wrote for it?"
    )]
    NoWorld,
    /// The module does not fit the world that it describes.
    #[error("it cannot become a component: {0}")]
    Unencodable(String),
}

/// The component of an artefact: itself, or for a core module the component made from it.
pub fn component(artefact: Vec<u8>) -> Result<Vec<u8>, ComponentError> {
    if is_component(&artefact)? {
        return Ok(artefact);
    }
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(&artefact)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| ComponentError::Unencodable(format!("{error:#}")))?;
    without_names(&encoded).map_err(|error| ComponentError::Unencodable(error.to_string()))
}

/// Whether it is a component. An error for all but components and core modules that can become one.
fn is_component(artefact: &[u8]) -> Result<bool, ComponentError> {
    let mut has_world = false;
    for payload in Parser::new(0).parse_all(artefact) {
        match payload.map_err(|error| ComponentError::NotWasm(error.to_string()))? {
            Payload::Version { encoding: Encoding::Component, .. } => return Ok(true),
            Payload::CustomSection(section) => has_world |= section.name().starts_with("component-type"),
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.map_err(|error| ComponentError::NotWasm(error.to_string()))?;
                    if import.module.starts_with("wasi_snapshot_preview1") {
                        return Err(ComponentError::Preview1(import.module.to_owned()));
                    }
                }
            }
            _ => {}
        }
    }
    if has_world { Ok(false) } else { Err(ComponentError::NoWorld) }
}

/// Removes the outermost custom sections, which only name parts of the component for debugging.
fn without_names(component: &[u8]) -> Result<Vec<u8>, BinaryReaderError> {
    const HEADER: usize = 8;
    const CUSTOM: u8 = 0;
    let (header, sections) = component.split_at(HEADER.min(component.len()));
    let mut kept = header.to_vec();
    let mut reader = BinaryReader::new(sections, 0);
    while !reader.eof() {
        let start = reader.current_position();
        let id = reader.read_u8()?;
        let size = reader.read_var_u32()?;
        reader.read_bytes(size as usize)?;
        if id != CUSTOM {
            kept.extend_from_slice(&sections[start..reader.current_position()]);
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_become_a_component_says_why() {
        let problem = |bytes: &[u8]| component(bytes.to_vec()).unwrap_err().to_string();
        assert!(problem(b"hello").starts_with("it is no WebAssembly, or damaged"));
        assert!(problem(b"\0asm\x01\0\0\0\x01").starts_with("it is no WebAssembly, or damaged"));
        assert!(problem(b"\0asm\x01\0\0\0").contains("does not describe its world"));
        // A module with one type, and one import of WASI preview 1.
        let preview1 =
            [&b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x1e\x01\x16wasi_snapshot_preview1\x03abc\0\0"[..]]
                .concat();
        assert!(problem(&preview1).contains("WASI preview 1 (it imports `wasi_snapshot_preview1`)"));
    }

    #[test]
    fn a_component_stays_as_it_is() {
        let empty = b"\0asm\x0d\0\x01\0".to_vec();
        assert_eq!(component(empty.clone()), Ok(empty));
    }
}
