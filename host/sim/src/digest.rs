//! Incremental digest of values, with the encoding of the basic ones.
//!
//! Each value becomes 64-bit words that also encode where it ends, so that no two sequences of values give
//! the same words. The digest is fast and spreads well, but it is not a cryptographic hash: it finds
//! accidents, not forgeries. A type defines its own words with [`Encode`], next to its definition. A change
//! of a type's words requires a new [`Digest::VERSION`], which is written before everything else.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wasmote_mqtt::message::{Message, MessageOrigin, Properties, PropertyValue, Qos, Will};
use wasmote_mqtt::time::{Time, nanos};
use wasmote_mqtt::topic::{Topic, TopicFilter};

/// Digest of everything written so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    lanes: [u64; 2],
    steps: u64,
}

/// Odd numbers without a pattern: the fractional parts of the square roots of 2, 3 and 5.
const KEYS: [u64; 3] = [0x6a09_e667_f3bc_c909, 0xbb67_ae85_84ca_a73b, 0x3c6e_f372_fe94_f82b];

/// A value that can be written to a digest.
pub(crate) trait Encode {
    /// Writes the value as words.
    fn encode(&self, into: &mut Digest);
}

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

    /// Number of trace events that were written.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Counts one more trace event.
    pub(crate) fn count_step(&mut self) {
        self.steps += 1;
    }

    pub(crate) fn write_word(&mut self, word: u64) {
        let [left, right] = self.lanes;
        self.lanes = [fold(left ^ word, KEYS[1]) ^ right, fold(right.rotate_left(32) ^ word, KEYS[2]) ^ left];
    }

    /// Writes the length and then the bytes, so that no two sequences of texts give the same words.
    pub(crate) fn write_bytes(&mut self, bytes: &[u8]) {
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

    /// Writes a variant's number and its fields.
    pub(crate) fn write_variant(&mut self, variant: u64, fields: &[&dyn Encode]) {
        self.write_word(variant);
        for field in fields {
            field.encode(self);
        }
    }
}

/// The product of two numbers, folded into half its length, so that every bit of one reaches all.
fn fold(word: u64, key: u64) -> u64 {
    let wide = u128::from(word) * u128::from(key);
    wide as u64 ^ (wide >> 64) as u64
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.value())
    }
}

macro_rules! whole_numbers {
    ($($type:ty),+) => {
        $(impl Encode for $type {
            fn encode(&self, into: &mut Digest) {
                into.write_word(u64::from(*self));
            }
        })+
    };
}

whole_numbers!(u64, u32, u16, u8, bool);

/// All bits, including the sign of zero.
impl Encode for f64 {
    fn encode(&self, into: &mut Digest) {
        into.write_word(self.to_bits());
    }
}

impl Encode for i64 {
    fn encode(&self, into: &mut Digest) {
        into.write_word(self.cast_unsigned());
    }
}

impl Encode for str {
    fn encode(&self, into: &mut Digest) {
        into.write_bytes(self.as_bytes());
    }
}

impl Encode for &str {
    fn encode(&self, into: &mut Digest) {
        into.write_bytes(self.as_bytes());
    }
}

impl Encode for String {
    fn encode(&self, into: &mut Digest) {
        into.write_bytes(self.as_bytes());
    }
}

impl Encode for Arc<str> {
    fn encode(&self, into: &mut Digest) {
        into.write_bytes(self.as_bytes());
    }
}

impl Encode for Bytes {
    fn encode(&self, into: &mut Digest) {
        into.write_bytes(self);
    }
}

impl Encode for &[u8] {
    fn encode(&self, into: &mut Digest) {
        into.write_bytes(self);
    }
}

impl Encode for Duration {
    fn encode(&self, into: &mut Digest) {
        into.write_word(nanos(*self));
    }
}

impl Encode for Time {
    fn encode(&self, into: &mut Digest) {
        into.write_word(self.as_nanos());
    }
}

impl Encode for Topic {
    fn encode(&self, into: &mut Digest) {
        into.write_bytes(self.as_str().as_bytes());
    }
}

impl Encode for TopicFilter {
    fn encode(&self, into: &mut Digest) {
        into.write_bytes(self.as_str().as_bytes());
    }
}

impl Encode for Qos {
    fn encode(&self, into: &mut Digest) {
        into.write_word(u64::from(u8::from(*self)));
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, into: &mut Digest) {
        match self {
            None => into.write_word(0),
            Some(value) => into.write_variant(1, &[value]),
        }
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, into: &mut Digest) {
        self.as_slice().encode(into);
    }
}

impl<T: Encode> Encode for [T] {
    fn encode(&self, into: &mut Digest) {
        into.write_word(self.len() as u64);
        self.iter().for_each(|value| value.encode(into));
    }
}

impl<A: Encode, B: Encode> Encode for (A, B) {
    fn encode(&self, into: &mut Digest) {
        self.0.encode(into);
        self.1.encode(into);
    }
}

impl Encode for Message {
    fn encode(&self, into: &mut Digest) {
        into.write_bytes(self.topic.as_str().as_bytes());
        into.write_bytes(&self.payload);
        into.write_word(u64::from(u8::from(self.qos)) << 1 | u64::from(self.retain));
        match &self.properties {
            None => into.write_word(0),
            Some(properties) => into.write_variant(1, &[&**properties]),
        }
        match &self.origin {
            None => into.write_word(0),
            Some(origin) => into.write_variant(1, &[&**origin]),
        }
    }
}

impl Encode for Properties {
    fn encode(&self, into: &mut Digest) {
        let values = self.values();
        into.write_variant(0, &values.each_ref().map(|value| value as &dyn Encode));
    }
}

impl Encode for PropertyValue<'_> {
    fn encode(&self, into: &mut Digest) {
        match self {
            PropertyValue::Flag(flag) => flag.encode(into),
            PropertyValue::Number(number) => number.encode(into),
            PropertyValue::Text(text) => text.encode(into),
            PropertyValue::Bytes(bytes) => bytes.encode(into),
            PropertyValue::Pairs(pairs) => pairs.encode(into),
        }
    }
}

impl Encode for MessageOrigin {
    fn encode(&self, into: &mut Digest) {
        // The delay of the host is no property of the model, and neither is where the origin was read.
        let Self { from, sequence, sent, late: _, is_claimed: _ } = self;
        into.write_bytes(from.as_str().as_bytes());
        into.write_word(*sequence);
        into.write_word(sent.as_nanos());
    }
}

impl Encode for Will {
    fn encode(&self, into: &mut Digest) {
        let Self { message, delay } = self;
        into.write_variant(0, &[message, delay]);
    }
}
