//! Writes the guest interface as a package in the layout of a local registry of `wkg`: `NAMESPACE/NAME/VERSION.wasm`.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use wit_parser::Resolve;

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: wit_package FOLDER")?);
    println!("{}", write(&out)?.display());
    Ok(())
}

/// Writes the package below a folder. Returns its file.
pub fn write(out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit"))?;
    let name = &resolve.packages[package].name;
    let version = name.version.as_ref().ok_or("the package has no version")?;
    let file = out.join(&name.namespace).join(&name.name).join(format!("{version}.wasm"));
    let encoded = wit_component::encode(&resolve, package)?;
    fs::create_dir_all(file.parent().unwrap_or(out))?;
    fs::write(&file, encoded)?;
    Ok(file)
}
