//! `chain.ndjson`: the digest of the run as it grows.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use wasmote_sim::device::Now;
use wasmote_sim::virtual_time::digest::Digest;
use wasmote_sim::virtual_time::observer::{Observer, Step};

use crate::experiment::latencies::seconds;

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

pub(super) struct Chain {
    digest: Digest,
    file: BufWriter<File>,
}

impl Chain {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let file = BufWriter::new(File::create(folder.join("chain.ndjson"))?);
        Ok(Self { digest: Digest::default(), file })
    }

    pub(super) fn add(&mut self, at: Now, step: &Step<'_>) -> io::Result<()> {
        self.digest.observe(at, step);
        if self.digest.steps().is_multiple_of(APART) { self.checkpoint(at) } else { Ok(()) }
    }

    pub(super) fn steps(&self) -> u64 {
        self.digest.steps()
    }

    pub(super) fn digest(&self) -> String {
        self.digest.to_string()
    }

    fn checkpoint(&mut self, at: Now) -> io::Result<()> {
        let checkpoint =
            Checkpoint { step: self.steps(), t_s: seconds(at.run.as_nanos()), digest: self.digest() };
        serde_json::to_writer(&mut self.file, &checkpoint)?;
        self.file.write_all(b"\n")
    }

    pub(super) fn finish(&mut self, at: Now) -> io::Result<()> {
        if !self.steps().is_multiple_of(APART) || self.steps() == 0 {
            self.checkpoint(at)?;
        }
        self.file.flush()
    }
}
