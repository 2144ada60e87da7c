//! Random numbers: one seed for the run, and a named stream for every device and purpose.
//!
//! Each purpose has its own stream, so that adding a fault does not shift the draws of others: two runs that
//! differ in one aspect stay comparable in all others. ChaCha8 is used because its output is the same on
//! every platform and in every release, which `StdRng` does not guarantee.

use std::fmt;
use std::str::FromStr;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_mqtt::device_id::{DeviceId, fnv1a};

/// Seed of a run, which is printed so that the run can be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Seed(u64);

impl Seed {
    /// A given seed.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The seed as a number.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// The stream of `device` and `purpose`.
    pub fn stream(self, device: &DeviceId, purpose: &str) -> Stream {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.0.to_le_bytes());
        key[8..16].copy_from_slice(&fnv1a(device.as_str()).to_le_bytes());
        key[16..24].copy_from_slice(&fnv1a(purpose).to_le_bytes());
        key[24..].copy_from_slice(b"wasmote1");
        Stream(ChaCha8Rng::from_seed(key))
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse()
            .map(Self)
            .map_err(|_| format!("expected a whole number from 0 to {}, found `{text}`", u64::MAX))
    }
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in [0, 1), with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
        (self.next_u64() >> 11) as f64 * STEP
    }

    /// True with the given probability: never for 0, always for 1. It always draws one number, so that a
    /// changed probability does not shift later draws.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Uniform in [0, bound), without bias (Lemire's multiplication with rejection, 2019). Zero for a bound
    /// of zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        let threshold = bound.wrapping_neg().checked_rem(bound).unwrap_or(0);
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(bound);
            if wide as u64 >= threshold {
                return (wide >> 64) as u64;
            }
        }
    }

    /// Fills a buffer with random bytes.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        self.0.fill_bytes(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(seed: u64, device: &str, purpose: &str) -> Stream {
        Seed::new(seed).stream(&DeviceId::new(device).unwrap(), purpose)
    }

    #[test]
    fn a_stream_is_the_same_on_every_platform_and_release() {
        // Recorded values: a change breaks every published seed.
        let mut first = stream(7, "heartbeat-0", "guest");
        assert_eq!([first.next_u64(), first.next_u64()], GOLDEN);
    }
    const GOLDEN: [u64; 2] = [16_658_991_290_406_094_456, 1_386_068_682_196_364_443];

    #[test]
    fn seed_device_and_purpose_each_make_another_stream() {
        let base = stream(7, "a", "guest").next_u64();
        assert_eq!(base, stream(7, "a", "guest").next_u64());
        assert_ne!(base, stream(8, "a", "guest").next_u64());
        assert_ne!(base, stream(7, "b", "guest").next_u64());
        assert_ne!(base, stream(7, "a", "fault/loss").next_u64());
    }

    #[test]
    fn below_stays_below_and_reaches_every_value() {
        let mut stream = stream(1, "a", "test");
        let mut seen = [0_u32; 7];
        for _ in 0..7_000 {
            seen[stream.below(7) as usize] += 1;
        }
        // Each of the seven values has an expectation of 1,000 and a standard deviation of 29.
        assert!(seen.iter().all(|&n| (850..1150).contains(&n)), "{seen:?}");
        assert_eq!(stream.below(0), 0);
        assert_eq!(stream.below(1), 0);
    }

    #[test]
    fn certainty_and_impossibility_are_exact() {
        let mut stream = stream(1, "a", "test");
        assert!((0..10_000).all(|_| stream.chance(1.0) && !stream.chance(0.0)));
    }
}
