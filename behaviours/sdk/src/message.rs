//! Messages in and out.

use crate::json::{self, Value};

pub use crate::bindings::wasmote::device::types::{Message, MessageProperties, Qos, UserProperty};

impl Message {
    /// The payload as text; None when it is no UTF-8.
    pub fn text(&self) -> Option<&str> {
        str::from_utf8(&self.payload).ok()
    }

    /// The payload as JSON.
    pub fn json(&self) -> Result<Value, json::ParseError> {
        json::parse(&self.payload)
    }

    /// The topic on which the sender expects an answer (MQTT 5).
    pub fn response_topic(&self) -> Option<&str> {
        self.properties.as_ref()?.response_topic.as_deref()
    }

    /// What the answer has to carry back (MQTT 5).
    pub fn correlation_data(&self) -> Option<&[u8]> {
        self.properties.as_ref()?.correlation_data.as_deref()
    }
}

/// A message about to be published: QoS 0 and not retained unless said otherwise.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Where it goes.
    pub topic: String,
    /// What it says.
    pub payload: Vec<u8>,
    /// How hard MQTT tries.
    pub qos: Qos,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
    /// MQTT 5 properties. With any of them set, publishing fails on MQTT 3.1.1.
    pub properties: Option<MessageProperties>,
}

impl Outgoing {
    /// A message of any bytes.
    pub fn new(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Outgoing {
            topic: topic.into(),
            payload: payload.into(),
            qos: Qos::AtMostOnce,
            retain: false,
            properties: None,
        }
    }

    /// A message of JSON.
    pub fn json(topic: impl Into<String>, value: &Value) -> Self {
        Outgoing::new(topic, value.to_bytes())
    }

    /// Publish it with this QoS.
    pub fn qos(mut self, qos: Qos) -> Self {
        self.qos = qos;
        self
    }

    /// Let the broker keep it.
    pub fn retained(mut self) -> Self {
        self.retain = true;
        self
    }

    /// Carry back the request's correlation data (MQTT 5), if there is any.
    pub fn correlated(mut self, data: Option<&[u8]>) -> Self {
        if let Some(data) = data {
            self.properties = Some(MessageProperties {
                content_type: None,
                response_topic: None,
                correlation_data: Some(data.to_vec()),
                message_expiry: None,
                user_properties: Vec::new(),
            });
        }
        self
    }
}
