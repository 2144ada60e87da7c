//! Lines of a table, read in blocks.

use std::fmt;

/// Bytes of one block.
const BLOCK_BYTES: usize = 8 << 10;

/// Longest line.
const MAX_LINE_BYTES: usize = 256 << 10;

/// Text of a table, in a file or in memory.
pub trait Content: Send + Sync {
    /// Reads bytes at an offset. Returns their number, which is 0 at the end. The error is a text for the user, such as that
    /// the file has changed.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<usize, String>;

    /// Bytes in memory.
    fn memory_bytes(&self) -> u64 {
        0
    }

    /// A warning, such as that the file is gone.
    fn warning(&self) -> Option<String> {
        None
    }
}

/// Text in memory.
pub struct Memory(pub Box<[u8]>);

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} bytes)", self.0.len())
    }
}

impl Content for Memory {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<usize, String> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        let read = rest.len().min(bytes.len());
        bytes[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn memory_bytes(&self) -> u64 {
        self.0.len() as u64
    }
}

/// One line.
pub(super) struct Line<'l> {
    /// Its byte offset.
    pub(super) start: u64,
    bytes: &'l [u8],
}

impl<'l> Line<'l> {
    /// The text without spaces around it.
    pub(super) fn text(&self) -> Result<&'l str, String> {
        let text = str::from_utf8(self.bytes).map_err(|error| {
            format!("it is no text in UTF-8, from byte {} on", self.start + error.valid_up_to() as u64)
        })?;
        Ok(text.trim_ascii())
    }
}

/// Reader of lines.
pub(super) struct Lines<'c> {
    content: &'c dyn Content,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were taken.
    taken: usize,
    /// Offset of the end of the buffer.
    end: u64,
    is_ended: bool,
}

impl<'c> Lines<'c> {
    pub(super) fn new(content: &'c dyn Content, offset: u64) -> Self {
        Self { content, buffer: Vec::new(), taken: 0, end: offset, is_ended: false }
    }

    /// Offset of the next line.
    pub(super) fn offset(&self) -> u64 {
        self.end - (self.buffer.len() - self.taken) as u64
    }

    /// Skips a byte order mark.
    pub(super) fn skip_byte_order_mark(&mut self) -> Result<(), String> {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        while self.buffer.len() < MARK.len() && self.fill()? {}
        if self.buffer.starts_with(MARK) {
            self.taken = MARK.len();
        }
        Ok(())
    }

    /// Skips empty lines. False at the end.
    pub(super) fn skip_empty(&mut self) -> Result<bool, String> {
        loop {
            let rest = &self.buffer[self.taken..];
            match rest.iter().position(|byte| !byte.is_ascii_whitespace()) {
                Some(found) => {
                    // The start of its line.
                    let before = rest[..found].iter().rposition(|byte| *byte == b'\n');
                    self.taken += before.map_or(0, |newline| newline + 1);
                    return Ok(true);
                }
                None if !self.fill()? => return Ok(false),
                None => {}
            }
        }
    }

    pub(super) fn next_line(&mut self) -> Result<Option<Line<'_>>, String> {
        let mut searched = self.taken;
        let end = loop {
            if let Some(found) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                break searched + found;
            }
            let waiting = self.buffer.len() - self.taken;
            if waiting > MAX_LINE_BYTES {
                return Err(format!(
                    "a line has more than {} KiB, from byte {} on",
                    MAX_LINE_BYTES >> 10,
                    self.offset()
                ));
            }
            if !self.fill()? {
                if waiting == 0 {
                    return Ok(None);
                }
                break self.buffer.len();
            }
            searched = self.taken + waiting;
        };
        let start = self.offset();
        let line = self.taken..end;
        self.taken = (end + 1).min(self.buffer.len());
        Ok(Some(Line { start, bytes: &self.buffer[line] }))
    }

    /// Reads the next block. False at the end.
    fn fill(&mut self) -> Result<bool, String> {
        if self.is_ended {
            return Ok(false);
        }
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let before = self.buffer.len();
        self.buffer.resize(before + BLOCK_BYTES, 0);
        let read = self.content.read_at(self.end, &mut self.buffer[before..])?;
        self.buffer.truncate(before + read);
        self.end += read as u64;
        self.is_ended = read == 0;
        Ok(read > 0)
    }
}
