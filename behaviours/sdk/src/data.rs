//! Recorded data: tables in CSV or NDJSON that the configuration names, read row by row.
//!
//! The host has checked the whole table, and all devices share it, so a device holds only the rows that it has read:
//!
//! ```
//! # use wasmote_sdk::{bench, data::{Purpose, Recording}};
//! # let device = bench::device_with(1, r#"{"data": "time,flow\n0,1.5\n10,2"}"#);
//! let recording = Recording::open(&device.config(), "data", Purpose::Records)?;
//! let batch = recording.read(&device.config(), 0, 100)?;
//! assert_eq!(batch.rows[1].cells, ["10", "2"]);
//! # Ok::<(), String>(())
//! ```

use crate::Config;
use crate::bindings::wasmote::device::data::Table;
use crate::host::imports;

pub use crate::bindings::wasmote::device::data::{Batch, Purpose, Row};

imports! {
    data::open => fn open_table(host, path: &str, purpose: Purpose) -> Result<Table, String> {
        let table = host.config().table(path, purpose_from_wit(purpose))?;
        Ok(Table {
            columns: table.columns().to_vec(),
            has_times: table.has_times(),
            rows: table.rows(),
            length: table.length(),
        })
    }
    data::read => fn read_rows(host, path: &str, purpose: Purpose, position: u64, count: u32) -> Result<Batch, String> {
        let batch = host.config().table(path, purpose_from_wit(purpose))?.read(position, count)?;
        let rows = batch.rows.into_iter().map(|row| Row { position: row.position, at: row.at, cells: row.cells });
        Ok(Batch { rows: rows.collect(), next: batch.next })
    }
    data::seek => fn seek_row(host, path: &str, purpose: Purpose, at: u64) -> Result<u64, String> {
        Ok(host.config().table(path, purpose_from_wit(purpose))?.seek(at)?.0)
    }
}

#[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
fn purpose_from_wit(purpose: Purpose) -> wasmote_sim::data::Purpose {
    match purpose {
        Purpose::Values => wasmote_sim::data::Purpose::Values,
        Purpose::Records => wasmote_sim::data::Purpose::Records,
    }
}

/// A table of the configuration.
#[derive(Clone, Debug)]
pub struct Recording {
    path: String,
    purpose: Purpose,
    /// Names of the columns; their numbers from 1 without a header.
    pub columns: Vec<String>,
    /// Whether its rows have times.
    pub has_times: bool,
    /// Number of rows, at least one.
    pub rows: u64,
    /// Time of the last row, in nanoseconds.
    pub length: u64,
}

impl Recording {
    /// Opens the table at this path of the configuration. The error names the field, and the line of the table.
    pub fn open(config: &Config, path: &str, purpose: Purpose) -> Result<Self, String> {
        let table = config.host().open_table(path, purpose)?;
        Ok(Recording {
            path: path.into(),
            purpose,
            columns: table.columns,
            has_times: table.has_times,
            rows: table.rows,
            length: table.length,
        })
    }

    /// Reads up to `count` rows from a position on: 0 for the first row, or a position that was returned before.
    pub fn read(&self, config: &Config, position: u64, count: u32) -> Result<Batch, String> {
        config.host().read_rows(&self.path, self.purpose, position, count)
    }

    /// Position of the last row that is not later than this time in nanoseconds, or of the first row if all are later.
    pub fn seek(&self, config: &Config, at: u64) -> Result<u64, String> {
        config.host().seek_row(&self.path, self.purpose, at)
    }
}
