//! Properties of messages, in both directions (section 3.3.2.3 of MQTT 5).
//!
//! The property type of `mqtt5-protocol` is a map of vectors of owned strings. PUBLISH is the most frequent
//! packet and does not use it for sending: with it, encoding an origin took more than a dozen allocations. So
//! [`fields`] lists the properties of a message, for their bytes and for their length.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use mqtt5_protocol::encoding::{encode_variable_int, variable_int_len};
use mqtt5_protocol::{Properties, PropertyId, PropertyValue};

use crate::broker::packet::Publish;
use crate::broker::reason::CloseReason;
use crate::message::{self, Message, MessageOrigin, Will};
use crate::origin;
use crate::topic::Topic;

/// Packet that properties belong to; each packet allows its own set [MQTT-2.2.2].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PropertyContext {
    Publish,
    /// PUBLISH from a broker.
    Delivery,
    Will,
}

/// Decoded properties of a message.
#[derive(Debug, Default)]
pub(super) struct MessageProperties {
    properties: message::Properties,
    origin: Option<Arc<MessageOrigin>>,
}

impl MessageProperties {
    pub(super) fn apply_to(self, message: Message) -> Message {
        let some = self.properties != message::Properties::default();
        Message { properties: some.then(|| Box::new(self.properties)), origin: self.origin, ..message }
    }
}

pub(super) fn decode(
    properties: &Properties,
    context: PropertyContext,
) -> Result<MessageProperties, CloseReason> {
    use PropertyId as Id;
    use PropertyValue as Value;
    let mut decoded = MessageProperties::default();
    for (id, value) in properties.iter() {
        let own = &mut decoded.properties;
        match (id, value) {
            (Id::PayloadFormatIndicator, Value::Byte(form @ 0..=1)) => own.is_text = *form == 1,
            (Id::MessageExpiryInterval, Value::FourByteInteger(seconds)) => {
                own.message_expiry = Some(*seconds);
            }
            (Id::ContentType, Value::Utf8String(text)) => own.content_type = Some(text.clone()),
            // [MQTT-3.3.2-14]
            (Id::ResponseTopic, Value::Utf8String(name)) => {
                own.response_topic = Some(Topic::new(name.as_str()).map_err(|_| CloseReason::ProtocolError)?);
            }
            (Id::CorrelationData, Value::BinaryData(data)) => own.correlation_data = Some(data.clone()),
            (Id::UserProperty, Value::Utf8StringPair(name, value)) => {
                match origin::from_property(name, value).filter(|_| decoded.origin.is_none()) {
                    Some(origin) => decoded.origin = Some(origin),
                    None => own.user.push((name.clone(), value.clone())),
                }
            }
            (Id::WillDelayInterval, _) if context == PropertyContext::Will => {}
            // Only a broker may send it [MQTT-3.3.4-6]; devices do not use it.
            (Id::SubscriptionIdentifier, _) if context == PropertyContext::Delivery => {}
            _ => return Err(CloseReason::ProtocolError),
        }
    }
    Ok(decoded)
}

/// Value of a property that is sent.
#[derive(Clone, Copy)]
enum Field<'a> {
    Byte(u8),
    FourBytes(u32),
    /// A string or binary data.
    Binary(&'a [u8]),
    Pair(&'a str, &'a str),
}

/// Size of a property identifier.
const ID_LEN: usize = 1;
/// Size of the length prefix of strings and binary data.
const LENGTH_PREFIX: usize = 2;
/// Maximum length of strings and binary data [MQTT-1.5.4].
const MAX_BINARY: usize = u16::MAX as usize;

impl Field<'_> {
    /// Encoded size, with the identifier.
    fn len(self) -> usize {
        ID_LEN
            + match self {
                Self::Byte(_) => 1,
                Self::FourBytes(_) => 4,
                Self::Binary(bytes) => LENGTH_PREFIX + bytes.len(),
                Self::Pair(name, value) => LENGTH_PREFIX + name.len() + LENGTH_PREFIX + value.len(),
            }
    }

    /// True if no string is longer than 65,535 bytes, the largest length prefix.
    fn fits(self) -> bool {
        match self {
            Self::Byte(_) | Self::FourBytes(_) => true,
            Self::Binary(bytes) => bytes.len() <= MAX_BINARY,
            Self::Pair(name, value) => name.len().max(value.len()) <= MAX_BINARY,
        }
    }

    fn put(self, id: PropertyId, out: &mut BytesMut) {
        put_id(id, out);
        match self {
            Self::Byte(byte) => out.put_u8(byte),
            Self::FourBytes(number) => out.put_u32(number),
            Self::Binary(bytes) => put_binary(bytes, out),
            Self::Pair(name, value) => {
                put_binary(name.as_bytes(), out);
                put_binary(value.as_bytes(), out);
            }
        }
    }
}

/// The properties of a message in the order in which they are sent.
fn fields(properties: &message::Properties) -> impl Iterator<Item = (PropertyId, Field<'_>)> {
    let message::Properties { is_text, content_type, response_topic, correlation_data, message_expiry, user } =
        properties;
    let response_topic = response_topic.as_ref().map(Topic::as_str);
    let single = [
        (PropertyId::PayloadFormatIndicator, is_text.then_some(Field::Byte(1))),
        (PropertyId::MessageExpiryInterval, message_expiry.map(Field::FourBytes)),
        (PropertyId::ContentType, content_type.as_deref().map(|text| Field::Binary(text.as_bytes()))),
        (PropertyId::ResponseTopic, response_topic.map(|topic| Field::Binary(topic.as_bytes()))),
        (PropertyId::CorrelationData, correlation_data.as_deref().map(Field::Binary)),
    ];
    let pairs = user.iter().map(|(name, value)| (PropertyId::UserProperty, Field::Pair(name, value)));
    single.into_iter().filter_map(|(id, field)| Some((id, field?))).chain(pairs)
}

/// Encoded length of the properties of a message in bytes, without the origin and without the length prefix.
pub fn properties_len(properties: &message::Properties) -> usize {
    fields(properties).map(|(_, field)| field.len()).sum()
}

/// Encoder of the properties of a PUBLISH packet or of a will, with their length prefix.
pub(super) struct PropertyEncoder<'a> {
    will_delay: Option<u32>,
    properties: Option<&'a message::Properties>,
    origin: Option<&'a MessageOrigin>,
    subscription_ids: &'a [u32],
    /// Total length in bytes, without the prefix.
    length: u32,
}

impl<'a> PropertyEncoder<'a> {
    /// Properties of a message; `None` if one exceeds the limits of MQTT [MQTT-1.5.4].
    pub(super) fn new(publish: &'a Publish) -> Option<Self> {
        let Publish { message, subscription_ids, .. } = publish;
        let (properties, origin) = (message.properties.as_deref(), message.origin.as_deref());
        Self { will_delay: None, properties, origin, subscription_ids, length: 0 }.measured()
    }

    /// Properties of a will, with the same limits. It has no origin, since the broker decides when it is sent.
    pub(super) fn of_will(will: &'a Will) -> Option<Self> {
        let properties = will.message.properties.as_deref();
        let will_delay = Some(will.delay).filter(|delay| *delay > 0);
        Self { will_delay, properties, origin: None, subscription_ids: &[], length: 0 }.measured()
    }

    /// The encoder with its length; `None` if a part is too long.
    fn measured(self) -> Option<Self> {
        if !self.properties.is_none_or(|properties| fields(properties).all(|(_, field)| field.fits())) {
            return None;
        }
        let origin_len = |origin| {
            let value_len = origin::encoded_len(origin);
            let pair_len = ID_LEN + LENGTH_PREFIX + origin::PROPERTY.len() + LENGTH_PREFIX + value_len;
            (value_len <= MAX_BINARY).then_some(pair_len)
        };
        let subscription_ids_len = self.subscription_ids.iter().map(|id| ID_LEN + variable_int_len(*id));
        let length = self.will_delay.map_or(0, |delay| Field::FourBytes(delay).len())
            + self.properties.map_or(0, properties_len)
            + self.origin.map_or(Some(0), origin_len)?
            + subscription_ids_len.sum::<usize>();
        Some(Self { length: u32::try_from(length).ok()?, ..self })
    }

    /// Encoded size, with the length prefix.
    pub(super) fn len(&self) -> usize {
        variable_int_len(self.length) + self.length as usize
    }

    /// Appends the properties to `out`.
    pub(super) fn encode(&self, out: &mut BytesMut) -> mqtt5_protocol::Result<()> {
        encode_variable_int(out, self.length)?;
        if let Some(delay) = self.will_delay {
            Field::FourBytes(delay).put(PropertyId::WillDelayInterval, out);
        }
        for (id, field) in self.properties.into_iter().flat_map(fields) {
            field.put(id, out);
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

fn put_id(id: PropertyId, out: &mut BytesMut) {
    out.put_u8(id as u8);
}

fn put_binary(bytes: &[u8], out: &mut BytesMut) {
    put_length(bytes.len(), out);
    out.put_slice(bytes);
}

/// Appends a length, which [`PropertyEncoder::measured`] has validated.
fn put_length(length: usize, out: &mut BytesMut) {
    out.put_u16(length as u16);
}
