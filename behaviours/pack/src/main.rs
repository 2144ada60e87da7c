//! `wasmote-pack in.wasm -o out.wasm`: converts a core WebAssembly module into a component.
//!
//! The module must describe its world in a `component-type` section, which `export!` of the SDK generates.
//! The component is validated before it is written, and an existing file is replaced atomically.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wasmparser::{BinaryReader, Encoding, Parser, Payload};
use wit_component::ComponentEncoder;

const USAGE: &str = "usage: wasmote-pack IN.wasm -o OUT.wasm";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["-h" | "--help"] => {
            println!("Turn a core WebAssembly module that describes its world into a component.\n\n{USAGE}");
            ExitCode::SUCCESS
        }
        [input, "-o", output] | ["-o", output, input] => match run(Path::new(input), Path::new(output)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => {
                eprintln!("wasmote-pack: {reason}");
                ExitCode::FAILURE
            }
        },
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run(input: &Path, output: &Path) -> Result<(), String> {
    let with_path = |path: &Path, reason: &dyn Display| format!("{}: {reason}", path.display());
    let module = std::fs::read(input).map_err(|error| with_path(input, &error))?;
    let component = pack(&module).map_err(|reason| with_path(input, &reason))?;
    let mut partial = PathBuf::from(output);
    partial.set_extension("wasm.partial");
    std::fs::write(&partial, component)
        .and_then(|()| std::fs::rename(&partial, output))
        .map_err(|error| with_path(output, &error))
}

/// Converts a core module into a component.
fn pack(module: &[u8]) -> Result<Vec<u8>, String> {
    check(module)?;
    let component = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.encode())
        .map_err(|error| format!("{error:#}"))?;
    without_names(&component)
}

/// Removes the outermost custom sections, which only name parts of the component for debugging.
fn without_names(component: &[u8]) -> Result<Vec<u8>, String> {
    const HEADER: usize = 8;
    const CUSTOM: u8 = 0;
    let damaged = |error: wasmparser::BinaryReaderError| error.to_string();
    let mut kept = component.get(..HEADER).unwrap_or_default().to_vec();
    let mut reader = BinaryReader::new(component.get(HEADER..).unwrap_or_default(), 0);
    while !reader.eof() {
        let start = reader.current_position();
        let id = reader.read_u8().map_err(damaged)?;
        let size = reader.read_var_u32().map_err(damaged)?;
        reader.read_bytes(size as usize).map_err(damaged)?;
        if id != CUSTOM {
            kept.extend_from_slice(&component[HEADER + start..HEADER + reader.current_position()]);
        }
    }
    Ok(kept)
}

fn check(module: &[u8]) -> Result<(), String> {
    let mut has_world = false;
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(|error| format!("no WebAssembly, or damaged: {error}"))? {
            Payload::Version { encoding: Encoding::Component, .. } => {
                return Err("this is a component already".into());
            }
            Payload::CustomSection(section) => has_world |= section.name().starts_with("component-type"),
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.map_err(|error| error.to_string())?;
                    if import.module.starts_with("wasi_snapshot_preview1") {
                        return Err("it imports WASI; build it for wasm32-unknown-unknown".into());
                    }
                }
            }
            _ => {}
        }
    }
    if has_world {
        Ok(())
    } else {
        Err("it does not describe its world: is `wasmote_sdk::export!` missing?".into())
    }
}

#[cfg(test)]
mod tests {
    use super::pack;

    #[test]
    fn invalid_input_is_described() {
        let refusal = |bytes: &[u8]| pack(bytes).unwrap_err();
        assert!(refusal(b"hello").starts_with("no WebAssembly, or damaged"));
        assert!(refusal(b"\0asm\x01\0\0\0\x01").starts_with("no WebAssembly, or damaged"));
        assert_eq!(refusal(b"\0asm\x0d\0\x01\0"), "this is a component already");
        assert!(refusal(b"\0asm\x01\0\0\0").contains("export!"));
    }
}
