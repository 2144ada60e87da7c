//! Application messages.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::device_id::DeviceId;
use crate::time::WallTime;
use crate::topic::Topic;

/// Quality of service [MQTT-4.3].
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "u8", into = "u8")]
#[schemars(extend("enum" = [0, 1, 2]))]
pub enum Qos {
    /// 0: sent once, lost if the connection is down.
    #[default]
    AtMostOnce,
    /// 1: repeated until acknowledged.
    AtLeastOnce,
    /// 2: exactly once.
    ExactlyOnce,
}

impl From<Qos> for u8 {
    fn from(qos: Qos) -> Self {
        match qos {
            Qos::AtMostOnce => 0,
            Qos::AtLeastOnce => 1,
            Qos::ExactlyOnce => 2,
        }
    }
}

impl TryFrom<u8> for Qos {
    type Error = String;

    fn try_from(level: u8) -> Result<Self, String> {
        match level {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            2 => Ok(Self::ExactlyOnce),
            other => Err(format!("expected QoS 0, 1 or 2, found {other}")),
        }
    }
}

impl fmt::Display for Qos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QoS {}", u8::from(*self))
    }
}

/// MQTT 5 properties of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// Payload format indicator: whether the payload is declared as UTF-8 text.
    pub is_text: bool,
    /// MIME type of the payload.
    pub content_type: Option<String>,
    /// Topic for the answer.
    pub response_topic: Option<Topic>,
    /// Bytes that the answer repeats.
    pub correlation_data: Option<Bytes>,
    /// Seconds after which the broker drops an undelivered copy.
    pub message_expiry: Option<u32>,
    /// User properties in order, without the host's origin property.
    pub user: Vec<(String, String)>,
}

/// Value of a property, for code that treats all properties alike.
#[derive(Clone, Copy, Debug)]
pub enum PropertyValue<'p> {
    /// A flag.
    Flag(bool),
    /// A number, if the property is set.
    Number(Option<u32>),
    /// A text, if the property is set.
    Text(Option<&'p str>),
    /// Bytes, if the property is set.
    Bytes(Option<&'p [u8]>),
    /// Pairs of names and values.
    Pairs(&'p [(String, String)]),
}

impl Properties {
    /// Values of all properties, in the order of their declaration.
    pub fn values(&self) -> [PropertyValue<'_>; 6] {
        let Self { is_text, content_type, response_topic, correlation_data, message_expiry, user } = self;
        [
            PropertyValue::Flag(*is_text),
            PropertyValue::Text(content_type.as_deref()),
            PropertyValue::Text(response_topic.as_ref().map(Topic::as_str)),
            PropertyValue::Bytes(correlation_data.as_deref()),
            PropertyValue::Number(*message_expiry),
            PropertyValue::Pairs(user),
        ]
    }

    fn footprint(&self) -> usize {
        /// The properties without their texts.
        const FIXED: usize = 192;
        /// A user property without its texts.
        const USER: usize = 48;
        let texts = self.values().into_iter().map(|value| match value {
            PropertyValue::Flag(_) | PropertyValue::Number(_) => 0,
            PropertyValue::Text(text) => text.map_or(0, str::len),
            PropertyValue::Bytes(bytes) => bytes.map_or(0, <[u8]>::len),
            PropertyValue::Pairs(pairs) => {
                pairs.iter().map(|(name, value)| USER + name.len() + value.len()).sum()
            }
        });
        FIXED + texts.sum::<usize>()
    }
}

/// Origin of a message. The host adds it to the messages of its devices, so that latency is measured for any
/// payload and partitions know the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageOrigin {
    /// Device that published the message.
    pub from: DeviceId,
    /// Sequence number of the device, from 1. Copies share it.
    pub sequence: u64,
    /// Time of publication by the behaviour, before any fault. It is 1970 if the payload of another client has a time that
    /// cannot be read, so that the message counts as one with an implausible latency.
    pub sent: WallTime,
    /// Time by which the message was published later than its timer was due: a host with too much work calls behaviours
    /// late. Zero if no timer caused the message.
    pub late: Duration,
    /// Whether the payload claims it, as JSON that a behaviour or another program wrote. Its sequence number then need not
    /// be that of the host.
    pub is_claimed: bool,
}

impl MessageOrigin {
    /// Id of the message, as `<device>/<sequence>`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.from, self.sequence)
    }
}

/// An application message, outbound or inbound. Clones share topic and payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Topic name.
    pub topic: Topic,
    /// Payload, opaque to the host.
    pub payload: Bytes,
    /// Outbound: QoS of the publication. Inbound: QoS of the delivery.
    pub qos: Qos,
    /// Outbound: the broker is to retain the message. Inbound: the broker had retained it before the
    /// subscription.
    pub retain: bool,
    /// MQTT 5 properties; `None` if the message has none.
    pub properties: Option<Box<Properties>>,
    /// Origin of the message; `None` on messages of other clients, and where the protocol cannot carry it.
    pub origin: Option<Arc<MessageOrigin>>,
}

impl Message {
    /// A message at QoS 0, not retained, without properties.
    pub fn new(topic: Topic, payload: impl Into<Bytes>) -> Self {
        Self {
            topic,
            payload: payload.into(),
            qos: Qos::default(),
            retain: false,
            properties: None,
            origin: None,
        }
    }

    /// Estimate of the memory that the message takes, in bytes.
    pub fn footprint(&self) -> usize {
        /// A message without its texts, with the entry of a store.
        const FIXED: usize = 256;
        FIXED
            + self.topic.as_str().len()
            + self.payload.len()
            + self.properties.as_deref().map_or(0, Properties::footprint)
    }

    /// Copies the payload, so that a message that is stored does not keep the buffer that it was read from, with the
    /// bytes of other packets.
    pub fn detach_payload(&mut self) {
        if !self.payload.is_empty() {
            self.payload = Bytes::copy_from_slice(&self.payload);
        }
    }

    /// Origin that the host gave to the message, rather than one that its payload claims.
    pub fn proven_origin(&self) -> Option<&Arc<MessageOrigin>> {
        self.origin.as_ref().filter(|origin| !origin.is_claimed)
    }

    /// The same message at another QoS.
    pub fn with_qos(self, qos: Qos) -> Self {
        Self { qos, ..self }
    }

    /// The same message, retained or not.
    pub fn with_retain(self, retain: bool) -> Self {
        Self { retain, ..self }
    }
}

/// Message that the broker publishes when a connection ends without DISCONNECT [MQTT-3.1.2-8].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// The message itself.
    pub message: Message,
    /// Seconds between the end of the connection and the will; MQTT 5 only [MQTT-3.1.3-9].
    pub delay: u32,
}
