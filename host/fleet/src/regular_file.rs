//! Reads of files that users name.
//!
//! A FIFO blocks the reader until somebody writes to it, and a device file may have no end. Neither is a behaviour, a
//! plan or a fault document, so both are refused without a read.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

/// Opens a file.
///
/// # Errors
/// The file system returned an error, or the path is a FIFO, a socket or a device file.
pub fn open(path: &Path) -> io::Result<File> {
    check(path)?;
    let file = open_without_blocking(path)?;
    // The path may have become another file since the check.
    check_type(&file.metadata()?)?;
    Ok(file)
}

/// Reads a text file, without a byte order mark at its start.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open(path)?.read_to_string(&mut text)?;
    Ok(text_without_bom(text))
}

/// A text without a byte order mark at its start.
pub fn text_without_bom(text: String) -> String {
    match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

/// The mark with which some editors begin a file in UTF-8.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// Bytes of a text, without a byte order mark at its start.
pub fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Returns an error if the path is a FIFO, a socket or a device file.
pub fn check(path: &Path) -> io::Result<()> {
    check_type(&std::fs::metadata(path)?)
}

fn check_type(metadata: &Metadata) -> io::Result<()> {
    match special_type(metadata) {
        None => Ok(()),
        Some(found) => {
            let problem = format!("it is {found}, and a regular file is needed");
            Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
        }
    }
}

#[cfg(unix)]
fn special_type(metadata: &Metadata) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    let found = metadata.file_type();
    match () {
        () if found.is_fifo() => Some("a FIFO (named pipe)"),
        () if found.is_socket() => Some("a socket"),
        () if found.is_char_device() || found.is_block_device() => Some("a device file"),
        () => None,
    }
}

#[cfg(not(unix))]
fn special_type(_: &Metadata) -> Option<&'static str> {
    None
}

#[cfg(unix)]
fn open_without_blocking(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(not(unix))]
fn open_without_blocking(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_skipped_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        for (written, read) in [("\u{feff}a = 1", "a = 1"), ("a\u{feff}", "a\u{feff}"), ("", "")] {
            std::fs::write(&path, written).unwrap();
            assert_eq!(read_text(&path).unwrap(), read);
            assert_eq!(without_bom(written.as_bytes()), read.as_bytes());
        }
    }

    #[test]
    #[cfg(unix)]
    fn special_files_are_refused_without_a_read() {
        use rustix::fs::{CWD, Mode};
        let folder = tempfile::tempdir().unwrap();
        let (fifo, socket) = (folder.path().join("fifo"), folder.path().join("socket"));
        rustix::fs::mkfifoat(CWD, &fifo, Mode::RUSR | Mode::WUSR).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, found) in [
            (fifo.as_path(), "a FIFO (named pipe)"),
            (socket.as_path(), "a socket"),
            (Path::new("/dev/zero"), "a device file"),
        ] {
            let problem = read_text(path).unwrap_err().to_string();
            assert_eq!(problem, format!("it is {found}, and a regular file is needed"));
        }
    }
}
