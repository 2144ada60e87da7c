//! A file to which whole lines go: who kills the program leaves no half of one.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// So many bytes wait in memory before they are written.
const HELD: usize = 1 << 16;

/// Holds lines until there are enough of them.
pub(super) struct Lines {
    file: File,
    held: Vec<u8>,
}

impl Lines {
    /// Begin a file.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::create(path)?, held: Vec::new() })
    }

    /// Write all lines that are whole.
    fn pass_on(&mut self) -> io::Result<()> {
        let whole = self.held.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.file.write_all(&self.held[..whole])?;
        self.held.drain(..whole);
        Ok(())
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= HELD && bytes.ends_with(b"\n") {
            self.pass_on()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_on()
    }
}

/// Whoever fails in the middle still leaves what was seen.
impl Drop for Lines {
    fn drop(&mut self) {
        let _ = self.pass_on();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_half_of_a_line_is_ever_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let mut lines = Lines::create(&path).unwrap();
        for number in 0..20_000 {
            write!(lines, "{{\"line\":").unwrap();
            writeln!(lines, "{number}}}").unwrap();
        }
        write!(lines, "half").unwrap();
        let so_far = std::fs::read_to_string(&path).unwrap();
        assert!(so_far.len() > HELD && so_far.ends_with("}\n"));
        drop(lines);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().last(), Some("{\"line\":19999}"));
    }
}
