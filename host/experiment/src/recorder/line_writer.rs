//! Buffered file writer that writes only whole lines, so that neither a killed process nor a full disk leaves a partial line.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// Number of buffered bytes at which lines are written.
const BUFFER_SIZE: usize = 1 << 16;

/// Writer that buffers lines up to `BUFFER_SIZE`.
pub(super) struct LineWriter {
    file: File,
    /// Length of the whole lines in the file.
    length: u64,
    buffer: Vec<u8>,
}

impl LineWriter {
    /// Creates the file.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::create(path)?, length: 0, buffer: Vec::new() })
    }

    /// Writes all complete lines of the buffer.
    fn write_whole_lines(&mut self) -> io::Result<()> {
        let whole = self.buffer.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        append(&mut self.file, &mut self.length, &self.buffer[..whole])?;
        self.buffer.drain(..whole);
        Ok(())
    }
}

/// Appends lines to a file of this length. A write that fails midway, as on a full disk, is undone.
pub(crate) fn append(file: &mut File, length: &mut u64, lines: &[u8]) -> io::Result<()> {
    if let Err(problem) = file.write_all(lines) {
        // A shorter file needs no space, so this works on a full disk. If it fails, the first error is the one to report.
        let _ = file.set_len(*length);
        let _ = file.seek(SeekFrom::Start(*length));
        return Err(problem);
    }
    *length += lines.len() as u64;
    Ok(())
}

impl Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_SIZE && bytes.ends_with(b"\n") {
            self.write_whole_lines()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_whole_lines()
    }
}

/// A run that fails midway still writes its buffered lines.
impl Drop for LineWriter {
    fn drop(&mut self) {
        let _ = self.write_whole_lines();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_never_has_a_partial_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let mut lines = LineWriter::create(&path).unwrap();
        for number in 0..20_000 {
            write!(lines, "{{\"line\":").unwrap();
            writeln!(lines, "{number}}}").unwrap();
        }
        write!(lines, "half").unwrap();
        let partial = std::fs::read_to_string(&path).unwrap();
        assert!(partial.len() > BUFFER_SIZE && partial.ends_with("}\n"));
        drop(lines);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().last(), Some("{\"line\":19999}"));
    }
}
