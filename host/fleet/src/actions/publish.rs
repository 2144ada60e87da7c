//! `publish`: publishes a message, as the host or on behalf of devices.

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

/// Publishes a message as the host, or on behalf of devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// The topic.
    pub topic: String,
    /// The payload: text as it is, other values as JSON.
    #[serde(default)]
    pub payload: Value,
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
        Self {
            topic: message.topic.to_string(),
            payload: String::from_utf8_lossy(&message.payload).into(),
            qos: message.qos,
            retain: message.retain,
            device: Some(device.to_owned()),
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
        let payload = match &self.payload {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            json => json.to_string(),
        };
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

    fn requests(&self, pods: &mut PodFleet<'_>) -> Result<PodRequests, String> {
        let Some(devices) = &self.devices else {
            return Err(
                "`publish` without `device` is the host's own message; on a cluster name the devices that publish it"
                    .to_owned(),
            );
        };
        let Message { topic, payload, qos, retain, .. } = &self.message;
        let text = std::str::from_utf8(payload).map_err(|problem| format!("`payload`: {problem}"))?;
        let body = json!({"message": text, "topic": topic.as_str(), "qos": u8::from(*qos), "retain": retain});
        let devices = pods.devices.matching(devices);
        Ok(PodFleet::request_each(devices, "POST", "/publish", Some(&RequestBody::json(&body))))
    }

    fn needs_host_connection(&self) -> bool {
        self.devices.is_none()
    }
}
