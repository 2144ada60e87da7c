//! Received and outgoing messages.

use crate::json::{self, Value};

pub use crate::bindings::wasmote::device::types::{Message, MessageProperties, Qos, UserProperty};

impl Message {
    /// The payload as text; `None` if it is not UTF-8.
    pub fn text(&self) -> Option<&str> {
        str::from_utf8(&self.payload).ok()
    }

    /// The payload as JSON.
    pub fn json(&self) -> Result<Value, json::ParseError> {
        json::parse(&self.payload)
    }

    /// Topic for the response (MQTT 5).
    pub fn response_topic(&self) -> Option<&str> {
        self.properties.as_ref()?.response_topic.as_deref()
    }

    /// Data that the response must repeat (MQTT 5).
    pub fn correlation_data(&self) -> Option<&[u8]> {
        self.properties.as_ref()?.correlation_data.as_deref()
    }
}

/// No properties.
impl Default for MessageProperties {
    fn default() -> Self {
        MessageProperties {
            content_type: None,
            response_topic: None,
            correlation_data: None,
            message_expiry: None,
            user_properties: Vec::new(),
        }
    }
}

/// A message to publish, with QoS 0 and not retained by default.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Topic of the message.
    pub topic: String,
    /// Payload of the message.
    pub payload: Vec<u8>,
    /// Delivery guarantee.
    pub qos: Qos,
    /// True if the broker retains it for later subscribers.
    pub retain: bool,
    /// MQTT 5 properties. With any of them set, publishing fails on MQTT 3.1.1.
    pub properties: Option<MessageProperties>,
}

impl Outgoing {
    /// A message with any payload.
    pub fn new(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Outgoing {
            topic: topic.into(),
            payload: payload.into(),
            qos: Qos::AtMostOnce,
            retain: false,
            properties: None,
        }
    }

    /// A message with a JSON payload.
    pub fn json(topic: impl Into<String>, value: &Value) -> Self {
        Outgoing::new(topic, value.to_bytes())
    }

    /// Sets the QoS.
    pub fn qos(mut self, qos: Qos) -> Self {
        self.qos = qos;
        self
    }

    /// Sets the retain flag.
    pub fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    /// Sets the correlation data of a request (MQTT 5), if there is any.
    pub fn correlated(mut self, data: Option<&[u8]>) -> Self {
        if let Some(data) = data {
            let correlation_data = Some(data.to_vec());
            self.properties = Some(MessageProperties { correlation_data, ..MessageProperties::default() });
        }
        self
    }
}
