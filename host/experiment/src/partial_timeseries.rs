//! `timeseries.csv` during a run. The complete table replaces it at the end.

use std::fs::File;
use std::io;
use std::path::Path;

use wasmote_mqtt::time::Time;
use wasmote_results::{Row, TimeseriesRow, header, rows};

use super::recorder::line_writer::append;
use super::tables::{self, GroupState};
use super::time_buckets::TimeBuckets;

/// Writer of a table that grows by whole rows. Messages that are in flight at the end of an interval arrive in the
/// next one, so a row is written one interval late.
pub struct PartialTimeseries {
    file: File,
    /// Length of the file.
    length: u64,
    written: usize,
    until: Time,
}

impl PartialTimeseries {
    /// Creates the file in a run's folder.
    pub fn create(folder: &Path) -> io::Result<Self> {
        let mut file = File::create(folder.join(TimeseriesRow::FILE))?;
        let mut length = 0;
        append(&mut file, &mut length, header::<TimeseriesRow>()?.as_bytes())?;
        Ok(Self { file, length, written: 0, until: Time::ZERO })
    }

    /// Appends the rows that are not yet in the file.
    pub fn write(
        &mut self,
        groups: &[String],
        buckets: &TimeBuckets,
        states: &[GroupState],
    ) -> io::Result<()> {
        let new = tables::time_series(groups, buckets, self.until, &states[self.written..]);
        append(&mut self.file, &mut self.length, rows(new)?.as_bytes())?;
        self.written = states.len();
        self.until = states.last().map_or(self.until, GroupState::at);
        Ok(())
    }
}
