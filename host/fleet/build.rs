//! Build script: embeds the built-in behaviours and fault models in the binary, so that it needs no other files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const BEHAVIOURS: [&str; 5] = ["heartbeat", "sensor", "routing", "aggregator", "replay"];
const FAULT_MODELS: [&str; 1] = ["rain-fade"];

fn main() -> io::Result<()> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let built = manifest.join("../../behaviours/built");
    println!("cargo::rerun-if-changed={}", built.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let missing = embed(&built, &BEHAVIOURS, &out.join("behaviours.rs"))?;
    if !missing.is_empty() {
        println!("cargo::error=the built-in behaviours are not built yet ({missing}): run `make behaviours`");
    }
    // Optional: only runs that name a fault model need it. A test checks that all of them are embedded.
    let missing = embed(&built, &FAULT_MODELS, &out.join("fault_models.rs"))?;
    if !missing.is_empty() {
        println!(
            "cargo::warning=built-in fault models are left out ({missing}): run `make behaviours` for them"
        );
    }
    Ok(())
}

/// Writes the components with these names as a Rust table. Returns the names of components that are missing.
fn embed(built: &Path, names: &[&str], table: &Path) -> io::Result<String> {
    let mut text = String::from("&[\n");
    let mut missing = Vec::new();
    for &name in names {
        let file = built.join(name).with_extension("wasm");
        println!("cargo::rerun-if-changed={}", file.display());
        match file.is_file() {
            true => drop(writeln!(text, "    ({name:?}, include_bytes!({:?})),", absolute(&file))),
            false => missing.push(name),
        }
    }
    fs::write(table, text + "]\n")?;
    Ok(missing.join(", "))
}

fn absolute(file: &Path) -> PathBuf {
    file.canonicalize().unwrap_or_else(|_| file.to_owned())
}
