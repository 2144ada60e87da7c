//! What a published message says about itself, as bytes (section 3.3.2.3 of MQTT 5).
//!
//! The codec's own properties are a map of vectors of owned texts. Of all packets, the one that there are most of
//! has to do without: from there it took more than a dozen allocations to write a stamp.

use std::fmt::Write as _;

use bytes::{BufMut, BytesMut};
use mqtt5_protocol::PropertyId;
use mqtt5_protocol::encoding::{encode_variable_int, variable_int_len};
use wasmote_sim::broker::packet::Publish;
use wasmote_sim::message::{Properties, Stamp};

use crate::stamp;

/// The properties of a PUBLISH packet, with their length before them.
pub(in crate::wire) struct Written<'a> {
    own: Option<&'a Properties>,
    stamp: Option<&'a Stamp>,
    subscription_ids: &'a [u32],
    /// Of them all, in bytes.
    length: u32,
}

/// The property itself is named by one byte.
const NAMED: usize = 1;
/// Text and data have their length in two bytes before them.
const MEASURED: usize = 2;

impl<'a> Written<'a> {
    /// Those of a message; `None` if MQTT has no room for them [MQTT-1.5.4].
    pub(in crate::wire) fn of(publish: &'a Publish) -> Option<Self> {
        let Publish { message, subscription_ids, .. } = publish;
        let (own, stamp) = (message.properties.as_deref(), message.stamp.as_deref());
        let stamped = stamp.map(|stamp| pair(stamp::STAMP.len(), stamp::length(stamp)));
        let identified = subscription_ids.iter().map(|id| NAMED + variable_int_len(*id));
        let parts = [own.map_or(Some(0), length_of_own), stamped.unwrap_or(Some(0)), Some(identified.sum())];
        let length = parts.into_iter().sum::<Option<usize>>()?;
        Some(Self { own, stamp, subscription_ids, length: u32::try_from(length).ok()? })
    }

    /// Bytes that they take, with their length.
    pub(in crate::wire) fn len(&self) -> usize {
        variable_int_len(self.length) + self.length as usize
    }

    /// Write them behind what is there.
    pub(in crate::wire) fn put(&self, out: &mut BytesMut) -> mqtt5_protocol::Result<()> {
        encode_variable_int(out, self.length)?;
        if let Some(own) = self.own {
            put_own(own, out);
        }
        if let Some(stamp) = self.stamp {
            name(PropertyId::UserProperty, out);
            put_data(stamp::STAMP.as_bytes(), out);
            put_length(stamp::length(stamp), out);
            // Memory takes all that is written to it.
            let _ = write!(out, "{}", stamp::shown(stamp));
        }
        for id in self.subscription_ids {
            name(PropertyId::SubscriptionIdentifier, out);
            encode_variable_int(out, *id)?;
        }
        Ok(())
    }
}

/// Of a text or of data, with its name; `None` if it is too long.
fn data(length: usize) -> Option<usize> {
    u16::try_from(length).ok().map(|_| NAMED + MEASURED + length)
}

/// Of a user property.
fn pair(name: usize, value: usize) -> Option<usize> {
    u16::try_from(value).ok().and_then(|_| data(name)).map(|named| named + MEASURED + value)
}

fn length_of_own(own: &Properties) -> Option<usize> {
    let Properties { is_text, content_type, response_topic, correlation_data, message_expiry, user } = own;
    let texts = [
        content_type.as_ref().map(String::len),
        response_topic.as_ref().map(|topic| topic.as_str().len()),
        correlation_data.as_ref().map(bytes::Bytes::len),
    ];
    let fixed = if *is_text { NAMED + 1 } else { 0 } + if message_expiry.is_some() { NAMED + 4 } else { 0 };
    let texts = texts.into_iter().flatten().map(data).sum::<Option<usize>>()?;
    let user = user.iter().map(|(name, value)| pair(name.len(), value.len())).sum::<Option<usize>>()?;
    Some(fixed + texts + user)
}

fn put_own(own: &Properties, out: &mut BytesMut) {
    if own.is_text {
        name(PropertyId::PayloadFormatIndicator, out);
        out.put_u8(1);
    }
    if let Some(seconds) = own.message_expiry {
        name(PropertyId::MessageExpiryInterval, out);
        out.put_u32(seconds);
    }
    let texts = [
        (PropertyId::ContentType, own.content_type.as_deref().map(str::as_bytes)),
        (PropertyId::ResponseTopic, own.response_topic.as_ref().map(|topic| topic.as_str().as_bytes())),
        (PropertyId::CorrelationData, own.correlation_data.as_deref()),
    ];
    for (id, bytes) in texts {
        if let Some(bytes) = bytes {
            name(id, out);
            put_data(bytes, out);
        }
    }
    for (key, value) in &own.user {
        name(PropertyId::UserProperty, out);
        put_data(key.as_bytes(), out);
        put_data(value.as_bytes(), out);
    }
}

fn name(id: PropertyId, out: &mut BytesMut) {
    out.put_u8(id as u8);
}

fn put_data(bytes: &[u8], out: &mut BytesMut) {
    put_length(bytes.len(), out);
    out.put_slice(bytes);
}

/// Lengths were checked when they were added up.
fn put_length(length: usize, out: &mut BytesMut) {
    out.put_u16(length as u16);
}
