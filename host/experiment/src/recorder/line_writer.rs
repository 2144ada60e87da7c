//! A file to which whole lines go: who kills the program leaves no half of one.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// So many bytes wait in memory before they are written.
const BUFFER_SIZE: usize = 1 << 16;

/// Holds lines until there are enough of them.
pub(super) struct LineWriter {
    file: File,
    buffer: Vec<u8>,
}

impl LineWriter {
    /// Begin a file.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::create(path)?, buffer: Vec::new() })
    }

    /// Write all lines that are whole.
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

/// Whoever fails in the middle still leaves what was seen.
impl Drop for LineWriter {
    fn drop(&mut self) {
        let _ = self.write_whole_lines();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_half_of_a_line_is_ever_in_the_file() {
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
