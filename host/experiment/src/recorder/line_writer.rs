//! Buffered file writer that writes only whole lines, so that a killed process leaves no partial line.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Number of buffered bytes at which lines are written.
const BUFFER_SIZE: usize = 1 << 16;

/// Writer that buffers lines up to `BUFFER_SIZE`.
pub(super) struct LineWriter {
    file: File,
    buffer: Vec<u8>,
}

impl LineWriter {
    /// Creates the file.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::create(path)?, buffer: Vec::new() })
    }

    /// Writes all complete lines of the buffer.
    fn write_whole_lines(&mut self) -> io::Result<()> {
        let whole = self.buffer.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.file.write_all(&self.buffer[..whole])?;
        self.buffer.drain(..whole);
        Ok(())
    }
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
