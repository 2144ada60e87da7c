//! Build script: embeds the templates of projects, the WIT package and the sources of the SDK in the binary, so that
//! `wasmote new` needs no other files, and compiles the adapter for WASI preview 1.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Prefixes of the embedded paths, and their folders relative to this crate.
const SOURCES: [(&str, &str); 4] = [
    ("templates", "templates"),
    ("wit", "../../wit"),
    ("wasi", "../engine/wit"),
    ("sdk", "../../behaviours/sdk/src"),
];

/// Files that a project does not get: the test bench stands on the simulator of this repository.
const LEFT_OUT: [&str; 2] = ["sdk/bench.rs", "sdk/bench/"];

fn main() -> io::Result<()> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut files = Vec::new();
    for (prefix, folder) in SOURCES {
        collect(&manifest.join(folder), prefix, &mut files)?;
    }
    files.retain(|(name, _)| !LEFT_OUT.iter().any(|left_out| name.starts_with(left_out)));
    files.sort();
    let mut table = String::from("&[\n");
    for (name, path) in files {
        let _ = writeln!(table, "    ({name:?}, include_bytes!({:?})),", path.canonicalize()?);
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("files.rs"), table + "]\n")?;
    let adapter = manifest.join("src/preview1.wat");
    println!("cargo::rerun-if-changed={}", adapter.display());
    let adapter = wat::parse_file(adapter).map_err(io::Error::other)?;
    fs::write(out.join("preview1.wasm"), adapter)
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = format!("{prefix}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        match path.is_dir() {
            true => collect(&path, &name, files)?,
            false => files.push((name, path)),
        }
    }
    Ok(())
}
