//! A number that stands for the whole history of a run.
//!
//! Every step is mixed into it with its time, and each into what came before, so two runs with the same
//! digest went through the same steps at the same times in the same order. The mixing is fast and spreads
//! well, but it is no cryptographic hash: it finds accidents, not forgeries.

mod step;

use std::fmt;

use super::observer::{Observer, Step};
use crate::device::Now;

/// The digest of all steps so far. Make it an observer of the run, and read it at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    lanes: [u64; 2],
    steps: u64,
}

/// Odd numbers without a pattern: the fractional parts of the square roots of 2, 3 and 5.
const KEYS: [u64; 3] = [0x6a09_e667_f3bc_c909, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b];

impl Default for Digest {
    fn default() -> Self {
        Self { lanes: [KEYS[0], KEYS[1]], steps: 0 }
    }
}

impl Digest {
    /// The digest as a number.
    pub fn value(&self) -> u128 {
        let [left, right] = self.lanes.map(|lane| fold(lane ^ self.steps, KEYS[2]));
        u128::from(left) << 64 | u128::from(right)
    }

    /// How many steps it stands for.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    fn word(&mut self, word: u64) {
        let [left, right] = self.lanes;
        self.lanes = [fold(left ^ word, KEYS[1]) ^ right, fold(right.rotate_left(32) ^ word, KEYS[2]) ^ left];
    }

    /// Bytes with their number, so that no two sequences of texts run into the same words.
    fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut last = [0; 8];
            last[..rest.len()].copy_from_slice(rest);
            self.word(u64::from_le_bytes(last));
        }
    }
}

/// The product of two numbers, folded into half its length, so that every bit of one reaches all.
fn fold(word: u64, key: u64) -> u64 {
    let wide = u128::from(word) * u128::from(key);
    wide as u64 ^ (wide >> 64) as u64
}

impl Observer for Digest {
    fn observe(&mut self, at: Now, step: &Step<'_>) {
        self.steps += 1;
        self.word(at.run.as_nanos());
        self.step(step);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> u128 {
        let mut digest = Digest::default();
        for text in texts {
            digest.bytes(text.as_bytes());
        }
        digest.value()
    }

    #[test]
    fn where_a_text_ends_and_in_which_order_texts_come_matters() {
        let different = [
            of(&[]),
            of(&[""]),
            of(&["ab"]),
            of(&["a", "b"]),
            of(&["b", "a"]),
            of(&["ab", ""]),
            of(&["ab\0"]),
        ];
        for (at, one) in different.iter().enumerate() {
            assert!(!different[..at].contains(one), "number {at}");
        }
    }

    #[test]
    fn one_bit_changes_half_of_the_digest() {
        let base = of(&["the quick brown fox"]);
        let flipped = of(&["the quick brown foy"]);
        assert!((40..88).contains(&(base ^ flipped).count_ones()));
    }
}
