//! Recorded data: tables of rows, in CSV or NDJSON, that behaviours read row by row.
//!
//! A table is scanned once, for all devices: every row is checked, and a sparse index finds rows by their times. Devices then
//! read the rows that they need from the file. So a file may have any length, and a device holds a few rows of it.
//!
//! * `format`: how the text of a table is read. `lines`: its lines, from a file or from memory. `scan`: the check of all rows.

mod format;
mod lines;
mod scan;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

pub use format::{Column, Format, Purpose, TimeUnit};
use lines::Lines;
pub use lines::{Content, Memory};
use scan::{Columns, Reader};

/// Maximum number of rows that one read returns.
const MAX_ROWS: u32 = 1_000;

/// Maximum bytes of the lines that one read returns, unless the first one is longer.
const MAX_READ_BYTES: u64 = 64 << 10;

/// Access to files that a configuration names as `{ "$data": "plant.csv" }`.
pub trait DataFiles: fmt::Debug + Send + Sync {
    /// The table in a file. With a pin, the file must have this SHA-256.
    fn table(&self, path: &str, pin: Option<&str>, format: &Format) -> Result<Arc<Table>, String>;
}

/// A scanned table.
pub struct Table {
    content: Arc<dyn Content>,
    format: Format,
    columns: Columns,
    /// Byte offset of the first row.
    start: u64,
    /// Number of rows.
    rows: u64,
    /// Time of the first row since 1970, if times are absolute: other times are relative to it.
    origin: Option<i128>,
    /// Time of the last row, in nanoseconds after the origin.
    length: u64,
    /// Some of the rows, in order.
    index: Vec<IndexEntry>,
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("rows", &self.rows)
            .field("columns", &self.columns.names)
            .finish_non_exhaustive()
    }
}

/// A row of the index.
#[derive(Clone, Copy, Debug)]
struct IndexEntry {
    /// Nanoseconds after the origin.
    at: u64,
    /// Byte offset of its line.
    position: u64,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Position of the row, for [`Table::read`].
    pub position: u64,
    /// Nanoseconds since the first row, or since the start; 0 in a table without times.
    pub at: u64,
    /// Cells as JSON texts: `21.50`, `"open"`, `null`. Of a table of values, only the value.
    pub cells: Vec<String>,
}

/// Rows that were read together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The rows.
    pub rows: Vec<Row>,
    /// Position of the row after them; `None` at the end.
    pub next: Option<u64>,
    /// Bytes of the file that were read for them.
    pub bytes: u64,
}

impl Table {
    /// Scans a table. The error names the line and the column.
    pub fn scan(content: Arc<dyn Content>, format: Format) -> Result<Self, String> {
        scan::scan(content, format)
    }

    /// Names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns.names
    }

    /// Whether its rows have times.
    pub fn has_times(&self) -> bool {
        self.columns.time.is_some()
    }

    /// Number of rows, at least one.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Nanoseconds from the start to the last row.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Bytes of the table, if it is in memory.
    pub fn memory_bytes(&self) -> u64 {
        self.content.memory_bytes()
    }

    /// A warning about its file, such as that it is gone.
    pub fn warning(&self) -> Option<String> {
        self.content.warning()
    }

    /// Reads up to `count` rows from a position on: 0 for the first row, or a position that another read returned.
    pub fn read(&self, position: u64, count: u32) -> Result<Batch, String> {
        let position = self.check_position(position)?;
        let mut lines = Lines::new(&*self.content, position);
        let mut reader = Reader::of(self);
        let mut rows = Vec::new();
        while rows.len() < count.clamp(1, MAX_ROWS) as usize {
            let Some(line) = lines.next_line()? else { break };
            let start = line.start;
            rows.extend(reader.row(line.text()?, start)?);
            if lines.offset() - position >= MAX_READ_BYTES {
                break;
            }
        }
        let end = lines.offset();
        // Empty lines may follow the last row.
        let next = lines.skip_empty()?.then(|| lines.offset());
        Ok(Batch { rows, next, bytes: end - position })
    }

    /// Position of the last row that is not later than this time; of the first row, if all are later. The second number is
    /// the bytes that were read.
    pub fn seek(&self, at: u64) -> Result<(u64, u64), String> {
        let entry = self.index.partition_point(|entry| entry.at <= at).saturating_sub(1);
        let from = self.index.get(entry).map_or(self.start, |entry| entry.position);
        let until = self.index.get(entry + 1).map_or(u64::MAX, |next| next.position);
        let mut lines = Lines::new(&*self.content, from);
        let mut reader = Reader::of(self);
        let mut found = from;
        while lines.offset() < until {
            let Some(line) = lines.next_line()? else { break };
            let start = line.start;
            match reader.time(line.text()?)? {
                Some(time) if time > at => break,
                Some(_) => found = start,
                None => {}
            }
        }
        Ok((found, lines.offset() - from))
    }

    /// A position is the start of a line.
    fn check_position(&self, position: u64) -> Result<u64, String> {
        if position <= self.start {
            return Ok(self.start);
        }
        let mut before = [0];
        let read = self.content.read_at(position - 1, &mut before)?;
        match read == 1 && before[0] == b'\n' {
            true => Ok(position),
            false => Err(format!("{position} is not the position of a row")),
        }
    }
}
