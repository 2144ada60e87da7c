//! `versions.csv`: behaviour versions of devices, with the times of their changes.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::time::Time;
use wasmote_results::{Row, VersionRow, header, rows};
use wasmote_sim::behaviour::Version;

use super::line_writer::LineWriter;
use crate::latencies::seconds;

/// Writer of the table, which grows during the run.
pub(super) struct VersionLog {
    /// The file; `None` if the run writes no files.
    out: Option<LineWriter>,
    current: BTreeMap<DeviceId, Version>,
}

impl VersionLog {
    pub(super) fn create(folder: Option<&Path>) -> io::Result<Self> {
        let mut out = folder.map(|folder| LineWriter::create(&folder.join(VersionRow::FILE))).transpose()?;
        out.iter_mut().try_for_each(|out| out.write_all(header::<VersionRow>()?.as_bytes()))?;
        Ok(Self { out, current: BTreeMap::new() })
    }

    /// Records that a device has this version from now on.
    pub(super) fn record(&mut self, device: &Identity, version: &Version, at: Time) -> io::Result<()> {
        self.current.insert(device.id.clone(), version.clone());
        let Some(out) = &mut self.out else { return Ok(()) };
        let row = VersionRow {
            device: device.id.to_string(),
            group: device.group.to_string(),
            behaviour: version.name.to_string(),
            sha256: version.sha256.to_string(),
            from_s: seconds(at.as_nanos()),
        };
        out.write_all(rows([row])?.as_bytes())
    }

    /// The present version of a device.
    pub(super) fn current(&self, device: &DeviceId) -> Option<Version> {
        self.current.get(device).cloned()
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.as_mut().map_or(Ok(()), LineWriter::flush)
    }
}
