//! `mqtt`: the MQTT connection of the device.

use wasmote_mqtt::message::{Message, Will as ModelWill};
use wasmote_mqtt::topic::{Topic, TopicFilter};
use wasmote_sim::context::{PublishRefusal, SubscribeRefusal};

use crate::bindings::wasmote::device::mqtt::{Host as Mqtt, PublishError, SubscribeError, Will};
use crate::bindings::wasmote::device::types::{MessageProperties, Qos};
use crate::convert;
use crate::cost::{self, ACCEPTED, PER_ENTRY, PER_LAID_OUT_BYTE};
use crate::host::Host;

impl Mqtt for Host {
    fn publish(
        &mut self,
        topic: String,
        payload: Vec<u8>,
        qos: Qos,
        retain: bool,
    ) -> wasmtime::Result<Result<(), PublishError>> {
        self.charge(&cost::MQTT_PUBLISH, topic.len() + payload.len())?;
        self.publish_message(message(topic, payload, qos, retain))
    }

    fn publish_with(
        &mut self,
        topic: String,
        payload: Vec<u8>,
        qos: Qos,
        retain: bool,
        properties: MessageProperties,
    ) -> wasmtime::Result<Result<(), PublishError>> {
        self.charge(&cost::MQTT_PUBLISH, topic.len() + payload.len() + property_bytes(&properties))?;
        self.charge_units(&cost::MQTT_PUBLISH, PER_ENTRY * properties.user_properties.len() as u64)?;
        let properties = convert::properties_from_wit(properties)
            .map_err(|reason| PublishError::InvalidTopic(format!("response topic: {reason}")));
        let message = message(topic, payload, qos, retain).and_then(|message| {
            let properties = Some(Box::new(properties?));
            Ok(Message { properties, ..message })
        });
        self.publish_message(message)
    }

    fn subscribe(&mut self, filter: String, qos: Qos) -> wasmtime::Result<Result<(), SubscribeError>> {
        self.charge(&cost::MQTT_SUBSCRIBE, filter.len())?;
        Ok(match TopicFilter::new(filter) {
            Ok(filter) => {
                let result = self.context()?.subscribe(filter, convert::qos_from_wit(qos));
                result.map_err(subscribe_error)
            }
            Err(reason) => Err(SubscribeError::InvalidFilter(reason.to_string())),
        })
    }

    fn unsubscribe(&mut self, filter: String) -> wasmtime::Result<()> {
        self.charge(&cost::MQTT_SUBSCRIBE, filter.len())?;
        if let Ok(filter) = TopicFilter::new(filter) {
            self.context()?.unsubscribe(filter);
        }
        Ok(())
    }

    fn set_will(&mut self, will: Option<Will>) -> wasmtime::Result<Result<(), PublishError>> {
        let bytes = will.as_ref().map_or(0, |will| will.topic.len() + will.payload.len());
        self.charge(&cost::MQTT_SET_WILL, bytes)?;
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
        self.charge(&cost::MQTT_CONNECTED, 0)?;
        Ok(self.context()?.connected())
    }
}

impl Host {
    fn publish_message(
        &mut self,
        message: Result<Message, PublishError>,
    ) -> wasmtime::Result<Result<(), PublishError>> {
        if let Ok(message) = &message
            && self.context()?.lays_out_payloads()
        {
            self.charge_units(&cost::MQTT_PUBLISH, PER_LAID_OUT_BYTE * message.payload.len() as u64)?;
        }
        let published = match message {
            Ok(message) => self.context()?.publish(message).map_err(publish_error),
            Err(error) => {
                self.context()?.count_invalid_publication();
                Err(error)
            }
        };
        if published.is_ok() {
            self.charge_units(&cost::MQTT_PUBLISH, ACCEPTED)?;
        }
        Ok(published)
    }
}

fn property_bytes(properties: &MessageProperties) -> usize {
    let user = properties.user_properties.iter().map(|pair| pair.name.len() + pair.value.len());
    user.sum::<usize>()
        + properties.content_type.as_ref().map_or(0, String::len)
        + properties.response_topic.as_ref().map_or(0, String::len)
        + properties.correlation_data.as_ref().map_or(0, Vec::len)
}

fn message(topic: String, payload: Vec<u8>, qos: Qos, retain: bool) -> Result<Message, PublishError> {
    let topic = Topic::new(topic).map_err(|reason| PublishError::InvalidTopic(reason.to_string()))?;
    Ok(Message::new(topic, payload).with_qos(convert::qos_from_wit(qos)).with_retain(retain))
}

fn subscribe_error(refused: SubscribeRefusal) -> SubscribeError {
    match refused {
        SubscribeRefusal::TooMany(most) => SubscribeError::TooMany(most),
        SubscribeRefusal::SameTopic(reason) => SubscribeError::InvalidFilter(reason),
    }
}

fn publish_error(refused: PublishRefusal) -> PublishError {
    match refused {
        PublishRefusal::PayloadTooLarge(limit) => PublishError::PayloadTooLarge(limit),
        PublishRefusal::RateLimited => PublishError::RateLimited,
        PublishRefusal::InvalidTopic(reason) => PublishError::InvalidTopic(reason),
        PublishRefusal::NeedsMqtt5 => PublishError::NeedsMqtt5,
    }
}
