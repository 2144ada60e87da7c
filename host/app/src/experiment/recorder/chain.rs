//! `chain.ndjson`: the digest of a run in virtual time as it grows.

use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use wasmote_sim::device::Now;
use wasmote_sim::virtual_time::digest::Digest;
use wasmote_sim::virtual_time::observer::{Observer, Step};

use super::lines::Lines;
use crate::experiment::latencies::seconds;
use crate::experiment::world::Pace;

/// Steps from one checkpoint to the next.
const APART: u64 = 1_000;

/// The digest after so many steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Steps so far.
    pub step: u64,
    /// The time of the last of them.
    pub t_s: f64,
    /// The digest of all of them.
    pub digest: String,
}

/// Counts steps. In virtual time it keeps their digest; in real time another run would have another one, so
/// there is none.
pub(super) struct Chain {
    steps: u64,
    digest: Option<(Digest, Lines)>,
}

impl Chain {
    pub(super) fn create(folder: &Path, pace: Pace) -> io::Result<Self> {
        let digest = match pace {
            Pace::Virtual => {
                let file = Lines::create(&folder.join("chain.ndjson"))?;
                Some((Digest::default(), file))
            }
            Pace::Real => None,
        };
        Ok(Self { steps: 0, digest })
    }

    pub(super) fn add(&mut self, at: Now, step: &Step<'_>) -> io::Result<()> {
        self.steps += 1;
        if let Some((digest, _)) = &mut self.digest {
            digest.observe(at, step);
        }
        if self.steps.is_multiple_of(APART) { self.checkpoint(at) } else { Ok(()) }
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
        let checkpoint = Checkpoint { step, t_s: seconds(at.run.as_nanos()), digest };
        serde_json::to_writer(&mut *file, &checkpoint)?;
        file.write_all(b"\n")
    }

    pub(super) fn finish(&mut self, at: Now) -> io::Result<()> {
        if !self.steps.is_multiple_of(APART) || self.steps == 0 {
            self.checkpoint(at)?;
        }
        self.digest.as_mut().map_or(Ok(()), |(_, file)| file.flush())
    }
}
