//! What a message says about itself, both ways.
//!
//! * `written`: on its way out.

mod written;

use mqtt5_protocol::{Properties, PropertyId, PropertyValue};
use wasmote_sim::broker::reason::CloseReason;
use wasmote_sim::message::{self, Message, Stamp, Will};
use wasmote_sim::topic::Topic;

use crate::stamp;
pub(super) use written::Written;

/// Where properties stand, as not all may stand everywhere [MQTT-2.2.2].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Publish,
    /// From a broker.
    Delivery,
    Will,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Said {
    properties: message::Properties,
    stamp: Option<Box<Stamp>>,
}

impl Said {
    pub(super) fn on(self, message: Message) -> Message {
        let some = self.properties != message::Properties::default();
        Message { properties: some.then(|| Box::new(self.properties)), stamp: self.stamp, ..message }
    }
}

pub(super) fn of_message(properties: &Properties, of: Of) -> Result<Said, CloseReason> {
    use PropertyId as Id;
    use PropertyValue as Value;
    let mut said = Said::default();
    for (id, value) in properties.iter() {
        let own = &mut said.properties;
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
                match stamp::from_property(name, value).filter(|_| said.stamp.is_none()) {
                    Some(stamp) => said.stamp = Some(stamp),
                    None => own.user.push((name.clone(), value.clone())),
                }
            }
            (Id::WillDelayInterval, _) if of == Of::Will => {}
            // It is for the broker to send [MQTT-3.3.4-6], and of no interest to a device.
            (Id::SubscriptionIdentifier, _) if of == Of::Delivery => {}
            _ => return Err(CloseReason::ProtocolError),
        }
    }
    Ok(said)
}

/// What the broker publishes with a will. It has no stamp: the broker decides when it is sent.
pub(super) fn of_will(will: &Will) -> Properties {
    let mut out = Properties::new();
    if will.delay > 0 {
        out.set_will_delay_interval(will.delay);
    }
    if let Some(own) = will.message.properties.as_deref() {
        put_own(own, &mut out);
    }
    out
}

fn put_own(own: &message::Properties, out: &mut Properties) {
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
