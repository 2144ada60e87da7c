//! `versions.csv`: which version of a behaviour a device has, and from when on.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use wasmote_sim::behaviour::Version;
use wasmote_sim::device_id::Identity;
use wasmote_sim::time::Time;

use crate::experiment::latencies::seconds;

/// Writes the table as it comes about.
pub(super) struct Versions(BufWriter<File>);

impl Versions {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let mut out = BufWriter::new(File::create(folder.join("versions.csv"))?);
        writeln!(out, "device,group,behaviour,sha256,from_s")?;
        Ok(Self(out))
    }

    /// From now on a device has this.
    pub(super) fn has(&mut self, device: &Identity, version: &Version, at: Time) -> io::Result<()> {
        let Version { name, sha256 } = version;
        writeln!(self.0, "{},{},{name},{sha256},{}", device.id, device.group, seconds(at.as_nanos()))
    }

    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
