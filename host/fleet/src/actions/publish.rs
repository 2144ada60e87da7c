//! `publish`: publishes a message, as the host or on behalf of devices.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wasmote_mqtt::message::{Message, Qos};
use wasmote_mqtt::topic::Topic;
use wasmote_sim::faults::target::Pattern;

use super::TimelineAction;
use super::check::{Occasion, PlanState, Planned};
use super::pods::{PodFleet, PodRequests, RequestBody};
use super::problem::{Problem, at};
use super::selector::Devices;
use super::step::Step;
use super::target::{ApplyResult, Target};
use crate::payload_bytes;

/// Publishes a message as the host, or on behalf of devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// The topic.
    pub topic: String,
    /// The payload: text as it is, other values as JSON.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub payload: Value,
    /// The payload as bytes in Base64, in place of `payload`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_base64: Option<String>,
    /// File with the payload, in place of `payload`. The plan in the results has its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_file: Option<String>,
    /// The QoS; 0 by default.
    #[serde(default)]
    pub qos: Qos,
    /// Whether the broker retains the message.
    #[serde(default)]
    pub retain: bool,
    /// Devices on whose behalf it is published, through their faults; `*` stands for any sequence of
    /// characters. The host itself by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

impl Publish {
    /// The action that publishes a message on behalf of one device.
    pub fn of_device(device: &str, message: &Message) -> Self {
        let text = std::str::from_utf8(&message.payload).ok();
        Self {
            topic: message.topic.to_string(),
            payload: text.map(Value::from).unwrap_or_default(),
            payload_base64: text.is_none().then(|| payload_bytes::encode(&message.payload)),
            payload_file: None,
            qos: message.qos,
            retain: message.retain,
            device: Some(device.to_owned()),
        }
    }

    /// The bytes of the payload, of which there is one form.
    fn payload(&self, plan: &PlanState<'_>) -> Result<Bytes, Problem> {
        match (&self.payload, &self.payload_base64, &self.payload_file) {
            (Value::Null, None, None) => Ok(Bytes::new()),
            (Value::String(text), None, None) => Ok(text.clone().into()),
            (json, None, None) => Ok(json.to_string().into()),
            (Value::Null, Some(text), None) => {
                payload_bytes::decode(text).map_err(|problem| at("publish.payload_base64", problem))
            }
            (Value::Null, None, Some(path)) => {
                payload_bytes::read(path, plan.folder).map_err(|problem| at("publish.payload_file", problem))
            }
            _ => {
                let problem = "expected one of `payload`, `payload_base64` and `payload_file`, found several";
                Err(at("publish.payload", problem))
            }
        }
    }
}

impl TimelineAction for Publish {
    fn check(&self, occasion: Occasion, plan: &PlanState<'_>) -> Result<Vec<Planned>, Problem> {
        if let Some(device) = &self.device {
            plan.check_device_pattern(device).map_err(|problem| at("publish.device", problem))?;
        }
        let topic = Topic::new(self.topic.as_str());
        let topic = topic.map_err(|invalid| at("publish.topic", format!("`{}`: {invalid}", self.topic)))?;
        let payload = self.payload(plan)?;
        let message = Message::new(topic, payload).with_qos(self.qos).with_retain(self.retain);
        let devices = self.device.as_ref().map(Pattern::new);
        Ok(vec![Planned::ready(occasion.at, PublishMessage { devices, message })])
    }

    fn describe_edit(&self) -> Option<String> {
        let publisher = self.device.as_deref().unwrap_or("the host");
        Some(format!("{publisher} made to publish on {}", self.topic))
    }
}

#[derive(Debug)]
struct PublishMessage {
    /// The publishers; `None` for the host.
    devices: Option<Pattern>,
    message: Message,
}

impl Step for PublishMessage {
    fn name(&self) -> &'static str {
        "publish"
    }

    fn describe(&self) -> Vec<String> {
        let devices = self.devices.as_ref().map(|devices| format!("devices {}", devices.as_str()));
        devices.into_iter().chain([format!("topic {}", self.message.topic)]).collect()
    }

    fn affected(&self, devices: Devices<'_>) -> Option<usize> {
        Some(devices.matching(self.devices.as_ref()?).len())
    }

    fn apply(&self, target: &mut dyn Target) -> ApplyResult {
        let Some(devices) = &self.devices else { return target.publish(self.message.clone()) };
        let matching = target.devices().matching(devices);
        matching.into_iter().try_for_each(|device| target.publish_as(device, self.message.clone()))
    }

    fn requests(&self, pods: &mut PodFleet) -> Result<PodRequests, String> {
        let Some(devices) = &self.devices else { return Ok(PodRequests::Host(self.message.clone())) };
        let Message { topic, payload, qos, retain, .. } = &self.message;
        let mut body = json!({"topic": topic.as_str(), "qos": u8::from(*qos), "retain": retain});
        match std::str::from_utf8(payload) {
            Ok(text) => body["message"] = text.into(),
            Err(_) => body["payload_base64"] = payload_bytes::encode(payload).into(),
        }
        let devices = pods.devices().matching(devices);
        Ok(PodFleet::request_each(devices, "POST", "/publish", Some(&RequestBody::json(&body))))
    }

    fn needs_host_connection(&self) -> bool {
        self.devices.is_none()
    }
}
