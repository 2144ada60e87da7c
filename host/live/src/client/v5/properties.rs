//! MQTT 5 properties, between the model's message and the library's packets.

use rumqttc::{LastWillProperties, PublishProperties};
use wasmote_mqtt::message::{Message, Properties, Will};
use wasmote_mqtt::topic::Topic;

use crate::origin;

/// What goes out with a message: its own properties, and the stamp.
pub(super) fn of(message: &Message) -> PublishProperties {
    let mut out = PublishProperties::default();
    if let Some(own) = message.properties.as_deref() {
        out.payload_format_indicator = own.is_text.then_some(1);
        out.content_type.clone_from(&own.content_type);
        out.response_topic = own.response_topic.as_ref().map(Topic::to_string);
        out.correlation_data.clone_from(&own.correlation_data);
        out.message_expiry_interval = own.message_expiry;
        out.user_properties.clone_from(&own.user);
    }
    out.user_properties.extend(message.origin.as_deref().map(origin::to_property));
    out
}

/// What the broker publishes with a will. It has no stamp: the broker decides when it is sent.
pub(super) fn of_will(will: &Will) -> Option<LastWillProperties> {
    let own = will.message.properties.as_deref();
    if own.is_none() && will.delay == 0 {
        return None;
    }
    let own = own.cloned().unwrap_or_default();
    Some(LastWillProperties {
        delay_interval: (will.delay > 0).then_some(will.delay),
        payload_format_indicator: own.is_text.then_some(1),
        message_expiry_interval: own.message_expiry,
        content_type: own.content_type,
        response_topic: own.response_topic.as_ref().map(Topic::to_string),
        correlation_data: own.correlation_data,
        user_properties: own.user,
    })
}

/// Move what came with a message into it.
pub(super) fn take(mut properties: PublishProperties, message: &mut Message) {
    message.origin = origin::extract(&mut properties.user_properties);
    let own = Properties {
        is_text: properties.payload_format_indicator == Some(1),
        content_type: properties.content_type,
        response_topic: properties.response_topic.and_then(|name| Topic::new(name).ok()),
        correlation_data: properties.correlation_data,
        message_expiry: properties.message_expiry_interval,
        user: properties.user_properties,
    };
    if own != Properties::default() {
        message.properties = Some(Box::new(own));
    }
}

/// Bytes of the PUBLISH packet, or a few more: every length is taken at its longest form.
pub(super) fn packet_size(message: &Message, properties: &PublishProperties) -> usize {
    const HEADERS: usize = 64;
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let user = properties.user_properties.iter().map(|(name, value)| 5 + name.len() + value.len());
    HEADERS
        + message.topic.as_str().len()
        + message.payload.len()
        + text(&properties.content_type)
        + text(&properties.response_topic)
        + properties.correlation_data.as_ref().map_or(0, |data| data.len())
        + user.sum::<usize>()
}
