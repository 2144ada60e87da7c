//! Digest of the history of a run.
//!
//! Every step is mixed into the digest with its time, so two runs with the same digest went through the same
//! steps at the same times in the same order. The mixing is fast and spreads well, but it is not a
//! cryptographic hash: it detects accidental differences, not forgeries.
//!
//! The encoding of a step is written field by field, so that it depends on no names and no formatting. A new
//! kind of step does not compile without an encoding. A change of the encoding changes [`Digest::VERSION`],
//! which is mixed in first.
//!
//! * `encode`: encoding of values as words. `trace_event`: encoding of steps, with `inputs`, `notices`,
//!   `packets` and `faults` for their contents.

mod encode;
mod faults;
mod inputs;
mod notices;
mod packets;
mod trace_event;

use std::fmt;

use super::observer::{Observer, TraceEvent};
use crate::device::Now;

/// Observer that computes the digest of all steps so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    lanes: [u64; 2],
    steps: u64,
}

/// Odd numbers without a pattern: the fractional parts of the square roots of 2, 3 and 5.
const KEYS: [u64; 3] = [0x6a09_e667_f3bc_c909, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b];

impl Default for Digest {
    fn default() -> Self {
        let mut digest = Self { lanes: [KEYS[0], KEYS[1]], steps: 0 };
        digest.write_word(Self::VERSION);
        digest
    }
}

impl Digest {
    /// Version of the encoding. Digests of different versions cannot be compared.
    pub const VERSION: u64 = 2;

    /// The digest as a number.
    pub fn value(&self) -> u128 {
        let [left, right] = self.lanes.map(|lane| fold(lane ^ self.steps, KEYS[2]));
        u128::from(left) << 64 | u128::from(right)
    }

    /// Number of steps in the digest.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    fn write_word(&mut self, word: u64) {
        let [left, right] = self.lanes;
        self.lanes = [fold(left ^ word, KEYS[1]) ^ right, fold(right.rotate_left(32) ^ word, KEYS[2]) ^ left];
    }

    /// Bytes with their length prefix, so that no two sequences of strings have the same words.
    fn write_bytes(&mut self, bytes: &[u8]) {
        self.write_word(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_word(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.write_word(u64::from_le_bytes(last));
        }
    }
}

/// Product of two numbers, folded to half its length, so that every input bit affects every output bit.
fn fold(word: u64, key: u64) -> u64 {
    let wide = u128::from(word) * u128::from(key);
    wide as u64 ^ (wide >> 64) as u64
}

impl Observer for Digest {
    fn observe(&mut self, at: Now, event: &TraceEvent<'_>) {
        self.steps += 1;
        self.write_word(at.run.as_nanos());
        self.trace_event(event);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.value())
    }
}

#[cfg(test)]
mod tests;
