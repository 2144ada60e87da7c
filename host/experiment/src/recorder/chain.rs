//! `chain.ndjson`: the digest of a run in virtual time as it grows.

use std::io::{self, Write};
use std::path::Path;

use wasmote_results::{Checkpoint, LineFile, TimeMode, write_line};
use wasmote_sim::device::Now;
use wasmote_sim::virtual_time::digest::Digest;
use wasmote_sim::virtual_time::observer::{Observer, TraceEvent};

use super::line_writer::LineWriter;
use crate::latencies::seconds;

/// Number of steps between two checkpoints.
const CHECKPOINT_INTERVAL: u64 = 1_000;

/// Counts steps. In virtual time it also keeps their digest; in real time no run repeats another exactly, so there is
/// no digest.
pub(super) struct Chain {
    steps: u64,
    digest: Option<(Digest, LineWriter)>,
}

impl Chain {
    /// Creates the file; without a folder, steps are only counted.
    pub(super) fn create(folder: Option<&Path>, time_mode: TimeMode) -> io::Result<Self> {
        let digest = match (time_mode, folder) {
            (TimeMode::Virtual, Some(folder)) => {
                let file = LineWriter::create(&folder.join(Checkpoint::FILE))?;
                Some((Digest::default(), file))
            }
            _ => None,
        };
        Ok(Self { steps: 0, digest })
    }

    pub(super) fn add(&mut self, at: Now, step: &TraceEvent<'_>) -> io::Result<()> {
        self.steps += 1;
        if let Some((digest, _)) = &mut self.digest {
            digest.observe(at, step);
        }
        if self.steps.is_multiple_of(CHECKPOINT_INTERVAL) { self.checkpoint(at) } else { Ok(()) }
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    pub(super) fn digest(&self) -> Option<String> {
        self.digest.as_ref().map(|(digest, _)| digest.to_string())
    }

    fn checkpoint(&mut self, at: Now) -> io::Result<()> {
        let Some((digest, file)) = &mut self.digest else { return Ok(()) };
        let (step, digest) = (self.steps, digest.to_string());
        write_line(file, &Checkpoint { step, t_s: seconds(at.run.as_nanos()), digest })
    }

    pub(super) fn finish(&mut self, at: Now) -> io::Result<()> {
        if !self.steps.is_multiple_of(CHECKPOINT_INTERVAL) || self.steps == 0 {
            self.checkpoint(at)?;
        }
        self.digest.as_mut().map_or(Ok(()), |(_, file)| file.flush())
    }
}
