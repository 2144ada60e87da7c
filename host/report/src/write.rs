//! Atomic writes of files.

use std::fs;
use std::io;
use std::path::Path;

use super::error::Error;

/// Writes a file under a temporary name and renames it, so that it is never incomplete.
pub fn file(file: &Path, text: &str) -> Result<(), Error> {
    let failed = |source| Error::Write { file: file.to_path_buf(), source };
    let mut temporary = file.as_os_str().to_owned();
    temporary.push(".partial");
    fs::write(&temporary, text).map_err(failed)?;
    fs::rename(&temporary, file).map_err(failed)
}

/// Creates a folder and its parents.
pub fn folder(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|source| Error::Write { file: folder.to_path_buf(), source })
}

/// Removes a file. A file that does not exist is no error.
pub fn remove(file: &Path) -> Result<(), Error> {
    match fs::remove_file(file) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::Write { file: file.to_path_buf(), source })
        }
        _ => Ok(()),
    }
}
