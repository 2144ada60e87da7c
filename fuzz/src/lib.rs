//! Fuzz targets: functions that take any bytes and check a property of Wasmote.
//!
//! `cargo test --test corpora` runs every target on its corpus and on a fixed number of mutated inputs, which a seed
//! determines. CONTRIBUTING.md describes long runs, with and without libFuzzer.
//!
//! * [`targets`]: the properties, one file for each target. [`reference_broker`]: the broker that the model is compared with.
//! * [`corpus`]: inputs in `fuzz/corpus/<target>`. [`mutate`]: mutations of them. [`input`]: bytes read as choices.
//! * [`campaign`]: runs a target on its corpus and on mutated inputs, and shortens an input that fails.

pub mod campaign;
pub mod corpus;
pub mod input;
pub mod mutate;
pub mod reference_broker;
pub mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// A property that holds for any bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of the target and of its folder in `corpus/`.
    pub name: &'static str,
    /// Checks the property, and panics if it does not hold. True if the input was accepted as valid.
    pub check: fn(&[u8]) -> bool,
    /// Most bytes that one input of up to [`MEASURED_BYTES`] may hold allocated at a time, on the thread of the check.
    pub memory: u64,
    /// Number of mutated inputs in a test without a time.
    pub rounds: u32,
    /// Least share of mutated inputs that the target accepts, in percent. Refused inputs test only the first checks of a
    /// parser.
    pub accepted_percent: u32,
}

/// Length of the inputs that [`Target::memory`] limits.
pub const MEASURED_BYTES: usize = 1024;

impl Target {
    /// Finds a target by its name.
    pub fn find(name: &str) -> Option<&'static Self> {
        targets::ALL.iter().find(|target| target.name == name)
    }

    /// Checks one input and the memory that it takes. True if the input was accepted as valid.
    pub fn run(&self, bytes: &[u8]) -> bool {
        let mut outcome = Ok(false);
        // The counter does not expect that a panic passes through it.
        let used = allocation_counter::measure(|| {
            outcome = catch_unwind(AssertUnwindSafe(|| (self.check)(bytes)));
        })
        .bytes_max;
        let accepted = outcome.unwrap_or_else(|panic| resume_unwind(panic));
        assert!(
            bytes.len() > MEASURED_BYTES || used <= self.memory,
            "{} bytes of input allocated {used} bytes; the limit is {}",
            bytes.len(),
            self.memory
        );
        accepted
    }
}
