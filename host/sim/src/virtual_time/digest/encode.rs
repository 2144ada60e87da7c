//! Encoding of values as words. The encoding is prefix-free, so that no two sequences of values have the same
//! words.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wasmote_mqtt::message::{Message, MessageOrigin, Properties, Qos, Will};
use wasmote_mqtt::time::{Time, nanos};
use wasmote_mqtt::topic::{Topic, TopicFilter};

use super::Digest;

/// A value that can be mixed into a digest.
pub(super) trait Encode {
    fn encode(&self, into: &mut Digest);
}

impl Digest {
    /// A variant as its number, followed by its fields.
    pub(super) fn write_variant(&mut self, variant: u64, fields: &[&dyn Encode]) {
        self.write_word(variant);
        for field in fields {
            field.encode(self);
        }
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
        let Self { is_text, content_type, response_topic, correlation_data, message_expiry, user } = self;
        into.write_variant(
            0,
            &[is_text, content_type, response_topic, correlation_data, message_expiry, user],
        );
    }
}

impl Encode for MessageOrigin {
    fn encode(&self, into: &mut Digest) {
        let Self { from, sequence, sent } = self;
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
