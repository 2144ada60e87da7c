//! `timeseries.csv` while a run lasts. The table at its end takes the place of it.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use wasmote_mqtt::time::Time;

use super::tables::{self, GroupState};
use super::time_buckets::TimeBuckets;

/// Grows by whole rows. What was under way at the end of an interval arrives in the next one, so that a row is written
/// when that is over.
pub struct PartialTimeseries {
    file: File,
    written: usize,
    until: Time,
}

impl PartialTimeseries {
    /// Begin it.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = File::create(path)?;
        file.write_all(tables::TIME_SERIES_HEADER.as_bytes())?;
        Ok(Self { file, written: 0, until: Time::ZERO })
    }

    /// Write those of these rows that are not there yet.
    pub fn write(&mut self, groups: &[String], buckets: &TimeBuckets, rows: &[GroupState]) -> io::Result<()> {
        let text = tables::time_series_rows(groups, buckets, self.until, &rows[self.written..]);
        self.file.write_all(text.as_bytes())?;
        self.written = rows.len();
        self.until = rows.last().map_or(self.until, GroupState::at);
        Ok(())
    }
}
