//! Puts the built-in behaviours into the binary, so that one file runs anywhere.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const NAMES: [&str; 4] = ["heartbeat", "sensor", "routing", "aggregator"];

fn main() -> io::Result<()> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let built = manifest.join("../../behaviours/built");
    println!("cargo::rerun-if-changed={}", built.display());
    let mut table = String::from("&[\n");
    let mut missing = Vec::new();
    for name in NAMES {
        let file = built.join(name).with_extension("wasm");
        println!("cargo::rerun-if-changed={}", file.display());
        if !file.is_file() {
            missing.push(name);
        }
        let _ = writeln!(table, "    ({name:?}, include_bytes!({:?})),", absolute(&file));
    }
    table.push_str("]\n");
    if !missing.is_empty() {
        let names = missing.join(", ");
        println!("cargo::error=the built-in behaviours are not built yet ({names}): run `make behaviours`");
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("builtins.rs"), table)
}

fn absolute(file: &Path) -> PathBuf {
    file.canonicalize().unwrap_or_else(|_| file.to_owned())
}
