//! Conversion of a core module into a component.
//!
//! A module describes its world in a section that a generator of bindings wrote, or it exports the functions of a behaviour or a
//! fault model; then the world comes from the embedded WIT package. Imports of WASI preview 1 are adapted to the part of WASI 0.2
//! that a simulated device has.

use std::path::Path;

use wasmparser::{BinaryReader, BinaryReaderError, Encoding, Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::{Resolve, SourceMap};

use crate::manifest::Kind;
use crate::templates;

/// Name of the module from which programs import WASI preview 1.
const PREVIEW1: &str = "wasi_snapshot_preview1";
/// Core module that implements it.
const ADAPTER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/preview1.wasm"));
/// World of the adapter.
const ADAPTER_WORLD: &str = "package wasmote:preview1;
    world adapter {
        import wasi:cli/stdout@0.2.0;
        import wasi:cli/stderr@0.2.0;
        import wasi:io/streams@0.2.0;
        import wasi:cli/exit@0.2.0;
        import wasi:clocks/wall-clock@0.2.0;
        import wasi:clocks/monotonic-clock@0.2.0;
        import wasi:random/random@0.2.0;
    }";

/// Reason why an artefact is no component and cannot become one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComponentError {
    /// The file is not WebAssembly.
    #[error("it is no WebAssembly, or damaged: {0}")]
    NotWasm(String),
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
    let module = match read(&artefact)? {
        Artefact::Component => return Ok(artefact),
        Artefact::Module(module) => module,
    };
    let unencodable = ComponentError::Unencodable;
    let described = match (module.has_world, module.exports) {
        (true, _) => artefact,
        (false, Some(kind)) => with_world(artefact, kind).map_err(unencodable)?,
        (false, None) => return Err(ComponentError::NoWorld),
    };
    let encoded = encode(&described, module.needs_preview1).map_err(unencodable)?;
    without_names(&encoded).map_err(|error| unencodable(error.to_string()))
}

fn encode(module: &[u8], needs_preview1: bool) -> Result<Vec<u8>, String> {
    let text = |error| format!("{error:#}");
    let mut encoder = ComponentEncoder::default().validate(true).module(module).map_err(text)?;
    if needs_preview1 {
        let mut resolve = embedded("wasi")?;
        let package = resolve.push_source("adapter.wit", ADAPTER_WORLD).map_err(text)?;
        let world = resolve.select_world(&[package], Some("adapter")).map_err(text)?;
        let mut adapter = ADAPTER.to_vec();
        wit_component::embed_component_metadata(&mut adapter, &resolve, world, StringEncoding::UTF8)
            .map_err(text)?;
        encoder = encoder.adapter(PREVIEW1, &adapter).map_err(text)?;
    }
    encoder.encode().map_err(text)
}

/// Adds the description of the world of a behaviour or a fault model.
fn with_world(mut module: Vec<u8>, kind: Kind) -> Result<Vec<u8>, String> {
    let text = |error| format!("{error:#}");
    let name = match kind {
        Kind::Behaviour => "device",
        Kind::FaultModel => "fault",
    };
    let resolve = embedded("wit")?;
    let packages: Vec<_> = resolve.packages.iter().map(|(package, _)| package).collect();
    let world = resolve.select_world(&packages, Some(name)).map_err(text)?;
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .map_err(text)?;
    Ok(module)
}

/// The embedded WIT packages below a folder.
fn embedded(folder: &str) -> Result<Resolve, String> {
    let mut sources = SourceMap::default();
    for (path, bytes) in templates::below(folder) {
        sources.push(Path::new(path), String::from_utf8_lossy(bytes));
    }
    let parsed = sources.parse().map_err(|(_, problem)| problem.to_string())?;
    let mut resolve = Resolve::default();
    resolve.push_group(parsed).map_err(|problem| problem.to_string())?;
    Ok(resolve)
}

/// What an artefact is.
enum Artefact {
    Component,
    Module(Module),
}

/// What a core module imports and exports.
#[derive(Default)]
struct Module {
    /// Whether it describes its world.
    has_world: bool,
    /// Whose functions it exports.
    exports: Option<Kind>,
    needs_preview1: bool,
}

fn read(artefact: &[u8]) -> Result<Artefact, ComponentError> {
    let damaged = |error: BinaryReaderError| ComponentError::NotWasm(error.to_string());
    let mut module = Module::default();
    for payload in Parser::new(0).parse_all(artefact) {
        match payload.map_err(damaged)? {
            Payload::Version { encoding: Encoding::Component, .. } => return Ok(Artefact::Component),
            Payload::CustomSection(section) => {
                module.has_world |= section.name().starts_with("component-type")
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    module.needs_preview1 |= import.map_err(damaged)?.module == PREVIEW1;
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    match export.map_err(damaged)?.name {
                        "wasmote:device/behaviour@0.1.0#start" => module.exports = Some(Kind::Behaviour),
                        "wasmote:device/fault-model@0.1.0#judge" => module.exports = Some(Kind::FaultModel),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(Artefact::Module(module))
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
    }

    #[test]
    fn a_component_stays_as_it_is() {
        let empty = b"\0asm\x0d\0\x01\0".to_vec();
        assert_eq!(component(empty.clone()), Ok(empty));
    }
}
