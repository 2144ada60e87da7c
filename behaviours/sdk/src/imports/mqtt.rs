//! MQTT messages, subscriptions and the will of the device.

use crate::host::imports;
use crate::message::{MessageProperties, Qos};
use crate::{Device, Outgoing};

#[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
use {
    crate::bench::convert,
    wasmote_mqtt::topic::TopicFilter,
    wasmote_sim::context::{PublishRefusal, SubscribeRefusal},
};

pub use crate::bindings::wasmote::device::mqtt::{PublishError, SubscribeError, Will};

imports! {
    mqtt::publish => fn publish(host, topic: &str, payload: &[u8], qos: Qos, retain: bool) -> Result<(), PublishError> {
        let message = convert::message(topic, payload, qos, retain, None).map_err(PublishError::InvalidTopic)?;
        host.context(|context| context.publish(message)).map_err(publish_refused)
    }
    mqtt::publish_with => fn publish_with(
        host, topic: &str, payload: &[u8], qos: Qos, retain: bool, properties: &MessageProperties
    ) -> Result<(), PublishError> {
        let properties = Some(properties.clone());
        let message = convert::message(topic, payload, qos, retain, properties).map_err(PublishError::InvalidTopic)?;
        host.context(|context| context.publish(message)).map_err(publish_refused)
    }
    mqtt::subscribe => fn subscribe(host, filter: &str, qos: Qos) -> Result<(), SubscribeError> {
        let filter = TopicFilter::new(filter).map_err(|error| SubscribeError::InvalidFilter(error.to_string()))?;
        host.context(|context| context.subscribe(filter, convert::qos_from_wit(qos))).map_err(subscribe_refused)
    }
    mqtt::unsubscribe => fn unsubscribe(host, filter: &str) {
        if let Ok(filter) = TopicFilter::new(filter) {
            host.context(|context| context.unsubscribe(filter));
        }
    }
    mqtt::set_will => fn set_will(host, will: Option<&Will>) -> Result<(), PublishError> {
        let will = will.map(|will| {
            let message = convert::message(&will.topic, &will.payload, will.qos, will.retain, None)
                .map_err(PublishError::InvalidTopic)?;
            Ok(wasmote_mqtt::message::Will { message, delay: will.delay })
        });
        let will = will.transpose()?;
        host.context(|context| context.set_will(will)).map_err(publish_refused)
    }
    mqtt::connected => fn connected(host) -> bool {
        host.context(|context| context.connected())
    }
}

#[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
fn publish_refused(refused: PublishRefusal) -> PublishError {
    match refused {
        PublishRefusal::PayloadTooLarge(limit) => PublishError::PayloadTooLarge(limit),
        PublishRefusal::RateLimited => PublishError::RateLimited,
        PublishRefusal::InvalidTopic(reason) => PublishError::InvalidTopic(reason),
        PublishRefusal::NeedsMqtt5 => PublishError::NeedsMqtt5,
    }
}

#[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
fn subscribe_refused(refused: SubscribeRefusal) -> SubscribeError {
    match refused {
        SubscribeRefusal::TooMany(limit) => SubscribeError::TooMany(limit),
        SubscribeRefusal::SameTopic(reason) => SubscribeError::InvalidFilter(reason),
    }
}

impl From<PublishError> for String {
    fn from(reason: PublishError) -> Self {
        match reason {
            PublishError::InvalidTopic(reason) => format!("invalid topic: {reason}"),
            PublishError::PayloadTooLarge(limit) => format!("the payload is larger than {limit} bytes"),
            PublishError::RateLimited => "the publish rate is used up".into(),
            PublishError::NeedsMqtt5 => "properties need MQTT 5".into(),
        }
    }
}

impl From<SubscribeError> for String {
    fn from(reason: SubscribeError) -> Self {
        match reason {
            SubscribeError::InvalidFilter(reason) => format!("invalid topic filter: {reason}"),
            SubscribeError::TooMany(limit) => format!("more than {limit} subscriptions"),
        }
    }
}

/// Messages.
impl Device {
    /// Publishes a message. `Ok` means accepted by the device, not delivered.
    pub fn publish(&mut self, message: &Outgoing) -> Result<(), PublishError> {
        let Outgoing { topic, payload, qos, retain, properties } = message;
        match properties {
            None => self.host().publish(topic, payload, *qos, *retain),
            Some(properties) => self.host().publish_with(topic, payload, *qos, *retain, properties),
        }
    }

    /// Publishes a message, and logs a warning if the host rejects it.
    pub fn send(&mut self, message: &Outgoing) {
        if let Err(reason) = self.publish(message) {
            self.warn(format_args!("{} not published: {}", message.topic, String::from(reason)));
        }
    }

    /// Subscribes to a topic filter. The subscription lasts across reconnects.
    pub fn subscribe(&mut self, filter: &str, qos: Qos) -> Result<(), SubscribeError> {
        self.host().subscribe(filter, qos)
    }

    /// Removes a subscription.
    pub fn unsubscribe(&mut self, filter: &str) {
        self.host().unsubscribe(filter);
    }

    /// Sets the will, which the broker publishes if the connection ends without a DISCONNECT. Call it in
    /// `start`: it takes effect with the next connection. Properties of the message are ignored.
    pub fn set_will(&mut self, message: &Outgoing) -> Result<(), PublishError> {
        let Outgoing { topic, payload, qos, retain, .. } = message.clone();
        self.host().set_will(Some(&Will { topic, payload, qos, retain, delay: 0 }))
    }

    /// Removes the will, from the next connection on.
    pub fn clear_will(&mut self) {
        // Cannot fail: without a will, no topic or payload can be rejected.
        let _ = self.host().set_will(None);
    }

    /// True if the host considers the connection up.
    pub fn connected(&self) -> bool {
        self.host().connected()
    }
}
