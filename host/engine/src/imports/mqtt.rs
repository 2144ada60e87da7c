//! `mqtt`: the MQTT connection of the device.

use wasmote_mqtt::message::{Message, Will as ModelWill};
use wasmote_mqtt::topic::{Topic, TopicFilter};
use wasmote_sim::context::PublishRefusal;

use crate::bindings::wasmote::device::mqtt::{Host as Mqtt, PublishError, SubscribeError, Will};
use crate::bindings::wasmote::device::types::{MessageProperties, Qos};
use crate::convert;
use crate::host::Host;

impl Mqtt for Host {
    fn publish(
        &mut self,
        topic: String,
        payload: Vec<u8>,
        qos: Qos,
        retain: bool,
    ) -> wasmtime::Result<Result<(), PublishError>> {
        Ok(match message(topic, payload, qos, retain) {
            Ok(message) => self.context()?.publish(message).map_err(publish_error),
            Err(error) => Err(error),
        })
    }

    fn publish_with(
        &mut self,
        topic: String,
        payload: Vec<u8>,
        qos: Qos,
        retain: bool,
        properties: MessageProperties,
    ) -> wasmtime::Result<Result<(), PublishError>> {
        let properties = convert::properties_from_wit(properties)
            .map_err(|reason| PublishError::InvalidTopic(format!("response topic: {reason}")));
        let message = message(topic, payload, qos, retain).and_then(|message| {
            let properties = Some(Box::new(properties?));
            Ok(Message { properties, ..message })
        });
        Ok(match message {
            Ok(message) => self.context()?.publish(message).map_err(publish_error),
            Err(error) => Err(error),
        })
    }

    fn subscribe(&mut self, filter: String, qos: Qos) -> wasmtime::Result<Result<(), SubscribeError>> {
        Ok(match TopicFilter::new(filter) {
            Ok(filter) => {
                let result = self.context()?.subscribe(filter, convert::qos_from_wit(qos));
                result.map_err(|full| SubscribeError::TooMany(full.0))
            }
            Err(reason) => Err(SubscribeError::InvalidFilter(reason.to_string())),
        })
    }

    fn unsubscribe(&mut self, filter: String) -> wasmtime::Result<()> {
        if let Ok(filter) = TopicFilter::new(filter) {
            self.context()?.unsubscribe(filter);
        }
        Ok(())
    }

    fn set_will(&mut self, will: Option<Will>) -> wasmtime::Result<Result<(), PublishError>> {
        let will = will.map(|will| {
            let message = message(will.topic, will.payload, will.qos, will.retain)?;
            Ok(ModelWill { message, delay: will.delay })
        });
        Ok(match will.transpose() {
            Ok(will) => self.context()?.set_will(will).map_err(publish_error),
            Err(error) => Err(error),
        })
    }

    fn connected(&mut self) -> wasmtime::Result<bool> {
        Ok(self.context()?.connected())
    }
}

fn message(topic: String, payload: Vec<u8>, qos: Qos, retain: bool) -> Result<Message, PublishError> {
    let topic = Topic::new(topic).map_err(|reason| PublishError::InvalidTopic(reason.to_string()))?;
    Ok(Message::new(topic, payload).with_qos(convert::qos_from_wit(qos)).with_retain(retain))
}

fn publish_error(refused: PublishRefusal) -> PublishError {
    match refused {
        PublishRefusal::PayloadTooLarge(limit) => PublishError::PayloadTooLarge(limit),
        PublishRefusal::RateLimited => PublishError::RateLimited,
        PublishRefusal::NeedsMqtt5 => PublishError::NeedsMqtt5,
    }
}
