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

/// Reads a text file, without a byte order mark at its start.
pub fn read_text(file: &Path) -> Result<String, ReadError> {
    let text =
        fs::read_to_string(file).map_err(|source| ReadError::Io { file: file.to_path_buf(), source })?;
    // Editors and spreadsheets may begin a file with a byte order mark.
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use crate::{OutageRow, read_table};

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_column() {
        let folder = tempfile::tempdir().unwrap();
        let text = "\u{feff}device,group,fault,kind,from_s,to_s\na-0,a,f,silence,1,2\n";
        std::fs::write(folder.path().join("outages.csv"), text).unwrap();
        assert_eq!(read_table::<OutageRow>(folder.path()).unwrap()[0].device, "a-0");
    }
}
