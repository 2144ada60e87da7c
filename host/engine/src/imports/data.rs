//! `data`: tables of recorded data.

use std::sync::Arc;

use wasmote_sim::context::LogLevel;
use wasmote_sim::data::{self as model, Table as ModelTable};

use crate::bindings::wasmote::device::data::{Batch, Host as Data, Purpose, Row, Table};
use crate::cost::{self, PER_ENTRY};
use crate::host::Host;

impl Data for Host {
    fn open(&mut self, path: String, purpose: Purpose) -> wasmtime::Result<Result<Table, String>> {
        let table = match self.table(&path, purpose)? {
            Ok(table) => table,
            Err(problem) => return Ok(Err(problem)),
        };
        let columns = table.columns().to_vec();
        self.charge_bytes(&cost::DATA, columns.iter().map(String::len).sum())?;
        // The text of a table in the configuration is read for it.
        self.charge_bytes(&cost::DATA, usize::try_from(table.memory_bytes()).unwrap_or(usize::MAX))?;
        self.charge_units(&cost::DATA, PER_ENTRY * columns.len() as u64)?;
        let (has_times, rows, length) = (table.has_times(), table.rows(), table.length());
        Ok(Ok(Table { columns, has_times, rows, length }))
    }

    fn read(
        &mut self,
        path: String,
        purpose: Purpose,
        position: u64,
        count: u32,
    ) -> wasmtime::Result<Result<Batch, String>> {
        let table = match self.table(&path, purpose)? {
            Ok(table) => table,
            Err(problem) => return Ok(Err(problem)),
        };
        let model::Batch { rows, next, bytes } = match table.read(position, count) {
            Ok(batch) => batch,
            Err(problem) => return self.failed(problem),
        };
        self.charge_bytes(&cost::DATA, usize::try_from(bytes).unwrap_or(usize::MAX))?;
        let cells = rows.iter().flat_map(|row| &row.cells);
        let (count, bytes) = cells.fold((0, 0), |(count, bytes), cell| (count + 1, bytes + cell.len()));
        self.charge_bytes(&cost::DATA, bytes)?;
        self.charge_units(&cost::DATA, PER_ENTRY * (rows.len() as u64 + count))?;
        self.warn_of(&table)?;
        let rows = rows
            .into_iter()
            .map(|row| Row { position: row.position, at: row.at, cells: row.cells })
            .collect();
        Ok(Ok(Batch { rows, next }))
    }

    fn seek(&mut self, path: String, purpose: Purpose, at: u64) -> wasmtime::Result<Result<u64, String>> {
        let table = match self.table(&path, purpose)? {
            Ok(table) => table,
            Err(problem) => return Ok(Err(problem)),
        };
        match table.seek(at) {
            Ok((position, bytes)) => {
                self.charge_bytes(&cost::DATA, usize::try_from(bytes).unwrap_or(usize::MAX))?;
                Ok(Ok(position))
            }
            Err(problem) => self.failed(problem),
        }
    }
}

impl Host {
    fn table(&mut self, path: &str, purpose: Purpose) -> wasmtime::Result<Result<Arc<ModelTable>, String>> {
        self.charge(&cost::DATA, path.len())?;
        self.context()?;
        let purpose = match purpose {
            Purpose::Values => model::Purpose::Values,
            Purpose::Records => model::Purpose::Records,
        };
        let table = self.config.table(path, purpose);
        if let Err(problem) = &table {
            self.charge_bytes(&cost::DATA, problem.len())?;
        }
        Ok(table)
    }

    fn failed<T>(&mut self, problem: String) -> wasmtime::Result<Result<T, String>> {
        self.charge_bytes(&cost::DATA, problem.len())?;
        Ok(Err(problem))
    }

    /// Warns once of a file that is gone: its rows are still read.
    fn warn_of(&mut self, table: &ModelTable) -> wasmtime::Result<()> {
        if self.has_warned_of_data {
            return Ok(());
        }
        match table.warning() {
            Some(warning) => {
                self.has_warned_of_data = true;
                self.log(LogLevel::Warn, warning)
            }
            None => Ok(()),
        }
    }
}
