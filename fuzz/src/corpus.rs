//! Corpora: files in `fuzz/corpus/<target>`, in the order of their names.
//!
//! A file whose name begins with [`VALID`] is accepted by its target. Others may be refused. A file `regression-...` once
//! failed.

use std::path::{Path, PathBuf};

/// Beginning of the names of valid inputs.
pub const VALID: &str = "valid";

/// Folder of a target's corpus.
pub fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// Names and contents of a target's inputs.
///
/// # Panics
/// If the folder cannot be read or is empty.
pub fn load(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = folder(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    let named = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), bytes)
    };
    paths.into_iter().map(named).collect()
}
