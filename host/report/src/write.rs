//! Files that are there whole or not at all.

use std::fs;
use std::path::Path;

use super::error::Error;

/// Write a file beside its place and then move it there.
pub fn file(file: &Path, text: &str) -> Result<(), Error> {
    let failed = |source| Error::Write { file: file.to_path_buf(), source };
    let mut temporary = file.as_os_str().to_owned();
    temporary.push(".partial");
    fs::write(&temporary, text).map_err(failed)?;
    fs::rename(&temporary, file).map_err(failed)
}

/// Make a folder, and those above it.
pub fn folder(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|source| Error::Write { file: folder.to_path_buf(), source })
}
