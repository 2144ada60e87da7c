//! Properties of PUBLISH as bytes (section 3.3.2.3 of MQTT 5).
//!
//! The property type of `mqtt5-protocol` is a map of vectors of owned strings. PUBLISH is the most frequent
//! packet and does not use it: with it, encoding an origin took more than a dozen allocations.

use std::fmt::Write as _;

use bytes::{BufMut, BytesMut};
use mqtt5_protocol::PropertyId;
use mqtt5_protocol::encoding::{encode_variable_int, variable_int_len};

use crate::broker::packet::Publish;
use crate::message::{MessageOrigin, Properties};
use crate::origin;

/// Encoder of the properties of a PUBLISH packet, with their length prefix.
pub(in crate::codec) struct PropertyEncoder<'a> {
    properties: Option<&'a Properties>,
    origin: Option<&'a MessageOrigin>,
    subscription_ids: &'a [u32],
    /// Total length in bytes, without the prefix.
    length: u32,
}

/// Size of a property identifier.
const ID_LEN: usize = 1;
/// Size of the length prefix of strings and binary data.
const LENGTH_PREFIX: usize = 2;

impl<'a> PropertyEncoder<'a> {
    /// Properties of a message; `None` if one exceeds the limits of MQTT [MQTT-1.5.4].
    pub(in crate::codec) fn new(publish: &'a Publish) -> Option<Self> {
        let Publish { message, subscription_ids, .. } = publish;
        let (properties, origin) = (message.properties.as_deref(), message.origin.as_deref());
        let origin_len = origin.map(|origin| pair_len(origin::PROPERTY.len(), origin::encoded_len(origin)));
        let subscription_ids_len = subscription_ids.iter().map(|id| ID_LEN + variable_int_len(*id));
        let parts = [
            properties.map_or(Some(0), properties_len),
            origin_len.unwrap_or(Some(0)),
            Some(subscription_ids_len.sum()),
        ];
        let length = parts.into_iter().sum::<Option<usize>>()?;
        Some(Self { properties, origin, subscription_ids, length: u32::try_from(length).ok()? })
    }

    /// Encoded size, with the length prefix.
    pub(in crate::codec) fn len(&self) -> usize {
        variable_int_len(self.length) + self.length as usize
    }

    /// Appends the properties to `out`.
    pub(in crate::codec) fn encode(&self, out: &mut BytesMut) -> mqtt5_protocol::Result<()> {
        encode_variable_int(out, self.length)?;
        if let Some(properties) = self.properties {
            put_properties(properties, out);
        }
        if let Some(origin) = self.origin {
            put_id(PropertyId::UserProperty, out);
            put_binary(origin::PROPERTY.as_bytes(), out);
            put_length(origin::encoded_len(origin), out);
            // Writing to memory cannot fail.
            let _ = write!(out, "{}", origin::display(origin));
        }
        for id in self.subscription_ids {
            put_id(PropertyId::SubscriptionIdentifier, out);
            encode_variable_int(out, *id)?;
        }
        Ok(())
    }
}

/// Encoded size of a string or binary property; `None` if it is too long.
fn binary_len(length: usize) -> Option<usize> {
    u16::try_from(length).ok().map(|_| ID_LEN + LENGTH_PREFIX + length)
}

/// Encoded size of a user property.
fn pair_len(name: usize, value: usize) -> Option<usize> {
    u16::try_from(value).ok().and_then(|_| binary_len(name)).map(|name_len| name_len + LENGTH_PREFIX + value)
}

fn properties_len(properties: &Properties) -> Option<usize> {
    let Properties { is_text, content_type, response_topic, correlation_data, message_expiry, user } =
        properties;
    let texts = [
        content_type.as_ref().map(String::len),
        response_topic.as_ref().map(|topic| topic.as_str().len()),
        correlation_data.as_ref().map(bytes::Bytes::len),
    ];
    let fixed = if *is_text { ID_LEN + 1 } else { 0 } + if message_expiry.is_some() { ID_LEN + 4 } else { 0 };
    let texts = texts.into_iter().flatten().map(binary_len).sum::<Option<usize>>()?;
    let user = user.iter().map(|(name, value)| pair_len(name.len(), value.len())).sum::<Option<usize>>()?;
    Some(fixed + texts + user)
}

fn put_properties(properties: &Properties, out: &mut BytesMut) {
    if properties.is_text {
        put_id(PropertyId::PayloadFormatIndicator, out);
        out.put_u8(1);
    }
    if let Some(seconds) = properties.message_expiry {
        put_id(PropertyId::MessageExpiryInterval, out);
        out.put_u32(seconds);
    }
    let texts = [
        (PropertyId::ContentType, properties.content_type.as_deref().map(str::as_bytes)),
        (
            PropertyId::ResponseTopic,
            properties.response_topic.as_ref().map(|topic| topic.as_str().as_bytes()),
        ),
        (PropertyId::CorrelationData, properties.correlation_data.as_deref()),
    ];
    for (id, bytes) in texts {
        if let Some(bytes) = bytes {
            put_id(id, out);
            put_binary(bytes, out);
        }
    }
    for (key, value) in &properties.user {
        put_id(PropertyId::UserProperty, out);
        put_binary(key.as_bytes(), out);
        put_binary(value.as_bytes(), out);
    }
}

fn put_id(id: PropertyId, out: &mut BytesMut) {
    out.put_u8(id as u8);
}

fn put_binary(bytes: &[u8], out: &mut BytesMut) {
    put_length(bytes.len(), out);
    out.put_slice(bytes);
}

/// Appends a length, which [`PropertyEncoder::new`] has validated.
fn put_length(length: usize, out: &mut BytesMut) {
    out.put_u16(length as u16);
}
