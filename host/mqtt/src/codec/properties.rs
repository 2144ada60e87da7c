//! Properties of messages, in both directions.
//!
//! * `encode`: properties of PUBLISH as bytes.

mod encode;

use mqtt5_protocol::{Properties, PropertyId, PropertyValue};

use crate::broker::reason::CloseReason;
use crate::message::{self, Message, MessageOrigin, Will};
use crate::origin;
use crate::topic::Topic;
pub(super) use encode::PropertyEncoder;

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
    origin: Option<Box<MessageOrigin>>,
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

/// Properties of a will. It has no origin, since the broker decides when it is sent.
pub(super) fn encode_will(will: &Will) -> Properties {
    let mut out = Properties::new();
    if will.delay > 0 {
        out.set_will_delay_interval(will.delay);
    }
    if let Some(own) = will.message.properties.as_deref() {
        put_properties(own, &mut out);
    }
    out
}

fn put_properties(own: &message::Properties, out: &mut Properties) {
    if own.is_text {
        out.set_payload_format_indicator(true);
    }
    if let Some(seconds) = own.message_expiry {
        out.set_message_expiry_interval(seconds);
    }
    if let Some(text) = &own.content_type {
        out.set_content_type(text.clone());
    }
    if let Some(topic) = &own.response_topic {
        out.set_response_topic(topic.to_string());
    }
    if let Some(data) = &own.correlation_data {
        out.set_correlation_data(data.clone());
    }
    for (name, value) in &own.user {
        out.add_user_property(name.clone(), value.clone());
    }
}
