//! Reads of whole files, and atomic writes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::ReadError;

/// Writes a file under a temporary name and renames it, so that it is complete whenever it exists. Creates its folder.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_atomically_with(path, |mut file| file.write_all(bytes))
}

/// Like [`write_atomically`], for files that are too large for memory.
pub fn write_atomically_with(path: &Path, write: impl FnOnce(File) -> io::Result<()>) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    write(File::create(&part)?)?;
    fs::rename(part, path)
}

pub(crate) fn read(file: &Path) -> Result<String, ReadError> {
    fs::read_to_string(file).map_err(|source| ReadError::Io { file: file.to_path_buf(), source })
}
