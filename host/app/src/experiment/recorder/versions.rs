//! `versions.csv`: which version of a behaviour a device has, and from when on.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::time::Time;
use wasmote_sim::behaviour::Version;

use super::line_writer::LineWriter;
use crate::experiment::latencies::seconds;

/// Writes the table as it comes about.
pub(super) struct VersionLog {
    out: LineWriter,
    current: BTreeMap<DeviceId, Version>,
}

impl VersionLog {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let mut out = LineWriter::create(&folder.join("versions.csv"))?;
        writeln!(out, "device,group,behaviour,sha256,from_s")?;
        Ok(Self { out, current: BTreeMap::new() })
    }

    /// From now on a device has this.
    pub(super) fn record(&mut self, device: &Identity, version: &Version, at: Time) -> io::Result<()> {
        self.current.insert(device.id.clone(), version.clone());
        let Version { name, sha256 } = version;
        writeln!(self.out, "{},{},{name},{sha256},{}", device.id, device.group, seconds(at.as_nanos()))
    }

    /// What a device has now.
    pub(super) fn current(&self, device: &DeviceId) -> Option<Version> {
        self.current.get(device).cloned()
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
