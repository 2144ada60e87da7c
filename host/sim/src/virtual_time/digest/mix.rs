//! Values as words. Each value says itself where it ends, so that no two sequences of values give the same
//! words.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Digest;
use crate::message::{Message, Properties, Qos, Stamp, Will};
use crate::time::{Time, nanos};
use crate::topic::{Topic, TopicFilter};

/// Something that can be mixed into a digest.
pub(super) trait Mix {
    fn mix(&self, into: &mut Digest);
}

impl Digest {
    /// A variant by its number, and what it holds.
    pub(super) fn put(&mut self, variant: u64, parts: &[&dyn Mix]) {
        self.word(variant);
        for part in parts {
            part.mix(self);
        }
    }
}

macro_rules! whole_numbers {
    ($($type:ty),+) => {
        $(impl Mix for $type {
            fn mix(&self, into: &mut Digest) {
                into.word(u64::from(*self));
            }
        })+
    };
}

whole_numbers!(u64, u32, u16, u8, bool);

/// The bits say all of it, the sign of zero included.
impl Mix for f64 {
    fn mix(&self, into: &mut Digest) {
        into.word(self.to_bits());
    }
}

impl Mix for i64 {
    fn mix(&self, into: &mut Digest) {
        into.word(self.cast_unsigned());
    }
}

impl Mix for str {
    fn mix(&self, into: &mut Digest) {
        into.bytes(self.as_bytes());
    }
}

impl Mix for &str {
    fn mix(&self, into: &mut Digest) {
        into.bytes(self.as_bytes());
    }
}

impl Mix for String {
    fn mix(&self, into: &mut Digest) {
        into.bytes(self.as_bytes());
    }
}

impl Mix for Arc<str> {
    fn mix(&self, into: &mut Digest) {
        into.bytes(self.as_bytes());
    }
}

impl Mix for Bytes {
    fn mix(&self, into: &mut Digest) {
        into.bytes(self);
    }
}

impl Mix for Duration {
    fn mix(&self, into: &mut Digest) {
        into.word(nanos(*self));
    }
}

impl Mix for Time {
    fn mix(&self, into: &mut Digest) {
        into.word(self.as_nanos());
    }
}

impl Mix for Topic {
    fn mix(&self, into: &mut Digest) {
        into.bytes(self.as_str().as_bytes());
    }
}

impl Mix for TopicFilter {
    fn mix(&self, into: &mut Digest) {
        into.bytes(self.as_str().as_bytes());
    }
}

impl Mix for Qos {
    fn mix(&self, into: &mut Digest) {
        into.word(u64::from(u8::from(*self)));
    }
}

impl<T: Mix> Mix for Option<T> {
    fn mix(&self, into: &mut Digest) {
        match self {
            None => into.word(0),
            Some(value) => into.put(1, &[value]),
        }
    }
}

impl<T: Mix> Mix for Vec<T> {
    fn mix(&self, into: &mut Digest) {
        into.word(self.len() as u64);
        self.iter().for_each(|value| value.mix(into));
    }
}

impl<A: Mix, B: Mix> Mix for (A, B) {
    fn mix(&self, into: &mut Digest) {
        self.0.mix(into);
        self.1.mix(into);
    }
}

impl Mix for Message {
    fn mix(&self, into: &mut Digest) {
        into.bytes(self.topic.as_str().as_bytes());
        into.bytes(&self.payload);
        into.word(u64::from(u8::from(self.qos)) << 1 | u64::from(self.retain));
        match &self.properties {
            None => into.word(0),
            Some(properties) => into.put(1, &[&**properties]),
        }
        match &self.stamp {
            None => into.word(0),
            Some(stamp) => into.put(1, &[&**stamp]),
        }
    }
}

impl Mix for Properties {
    fn mix(&self, into: &mut Digest) {
        let Self { is_text, content_type, response_topic, correlation_data, message_expiry, user } = self;
        into.put(0, &[is_text, content_type, response_topic, correlation_data, message_expiry, user]);
    }
}

impl Mix for Stamp {
    fn mix(&self, into: &mut Digest) {
        let Self { from, sequence, sent } = self;
        into.bytes(from.as_str().as_bytes());
        into.word(*sequence);
        into.word(sent.as_nanos());
    }
}

impl Mix for Will {
    fn mix(&self, into: &mut Digest) {
        let Self { message, delay } = self;
        into.put(0, &[message, delay]);
    }
}
