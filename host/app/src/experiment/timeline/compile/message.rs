//! What is said to devices, and in their name.

use serde_json::Value;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::topic::Topic;
use wasmote_sim::faults::target::Pattern;
use wasmote_sim::http::HttpRequest;

use super::{Problem, at};
use crate::experiment::plan_file::{Publish, Request};
use crate::experiment::timeline::Action;

/// Somebody asks devices over HTTP.
pub(super) fn request(request: &Request) -> Action {
    let Request { device, method, path, headers, body } = request;
    let headers = headers.iter().map(|(name, value)| (name.clone(), value.clone()));
    let request = HttpRequest {
        method: method.to_ascii_uppercase(),
        url: path.clone(),
        headers: headers.collect(),
        body: body.clone().into(),
    };
    Action::Request(Pattern::new(device), request)
}

/// A message is published.
pub(super) fn publish(publish: &Publish) -> Result<Action, Problem> {
    let topic = Topic::new(publish.topic.as_str());
    let topic = topic.map_err(|invalid| at("publish.topic", format!("`{}`: {invalid}", publish.topic)))?;
    let payload = match &publish.payload {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        json => json.to_string(),
    };
    let message = Message::new(topic, payload).with_qos(publish.qos).with_retain(publish.retain);
    Ok(match &publish.device {
        None => Action::Publish(message),
        Some(device) => Action::PublishAs(Pattern::new(device), message),
    })
}
