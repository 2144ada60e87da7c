//! Application messages.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::device_id::DeviceId;
use crate::time::WallTime;
use crate::topic::Topic;

/// Quality of service [MQTT-4.3].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
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

/// What MQTT 5 lets a message say about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// Whether the payload is said to be text in UTF-8 (payload format indicator).
    pub is_text: bool,
    /// MIME type of the payload.
    pub content_type: Option<String>,
    /// Where an answer is expected.
    pub response_topic: Option<Topic>,
    /// Bytes that the answer carries back.
    pub correlation_data: Option<Bytes>,
    /// Seconds after which the broker drops an undelivered copy.
    pub message_expiry: Option<u32>,
    /// Names and values, in order. The host's own stamp is not among them.
    pub user: Vec<(String, String)>,
}

/// Where and when a message came into being. The host writes it on what its devices publish, so that
/// latency is measured for any payload and a partition knows whom a message comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageOrigin {
    /// The device that published it.
    pub from: DeviceId,
    /// The device's own count of its messages, from 1. Copies share it.
    pub sequence: u64,
    /// When the behaviour published it, before any fault.
    pub sent: WallTime,
}

/// An application message, on its way out or in. Clones share topic and payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it is published.
    pub topic: Topic,
    /// Opaque to the host.
    pub payload: Bytes,
    /// Of the publication on the way out, of the delivery on the way in.
    pub qos: Qos,
    /// Out: to be kept by the broker. In: was kept before the subscription.
    pub retain: bool,
    /// MQTT 5 properties; `None` when there are none.
    pub properties: Option<Box<Properties>>,
    /// `None` on what others published, where it could not be told.
    pub origin: Option<Box<MessageOrigin>>,
}

impl Message {
    /// A plain message: QoS 0, not retained, without properties.
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

    /// The same message at another QoS.
    pub fn with_qos(self, qos: Qos) -> Self {
        Self { qos, ..self }
    }

    /// The same message, retained or not.
    pub fn with_retain(self, retain: bool) -> Self {
        Self { retain, ..self }
    }
}

/// What the broker publishes when a connection ends without a farewell [MQTT-3.1.2-8].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// The message itself.
    pub message: Message,
    /// Seconds between the loss and the will; MQTT 5 only [MQTT-3.1.3-9].
    pub delay: u32,
}
