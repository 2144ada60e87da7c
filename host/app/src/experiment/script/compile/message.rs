//! What is said to devices, and in their name.

use serde_json::Value;
use wasmote_sim::faults::target::Pattern;
use wasmote_sim::http::HttpRequest;
use wasmote_sim::message::Message;
use wasmote_sim::topic::Topic;

use super::{Problem, at};
use crate::experiment::document::{Publish, Request};
use crate::experiment::script::Deed;

/// Somebody asks devices over HTTP.
pub(super) fn request(request: &Request) -> Deed {
    let Request { device, method, path, headers, body } = request;
    let headers = headers.iter().map(|(name, value)| (name.clone(), value.clone()));
    let request = HttpRequest {
        method: method.to_ascii_uppercase(),
        url: path.clone(),
        headers: headers.collect(),
        body: body.clone().into(),
    };
    Deed::Ask(Pattern::new(device), request)
}

/// A message is published.
pub(super) fn publish(publish: &Publish) -> Result<Deed, Problem> {
    let topic = Topic::new(publish.topic.as_str());
    let topic = topic.map_err(|invalid| at("publish.topic", format!("`{}`: {invalid}", publish.topic)))?;
    let payload = match &publish.payload {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        json => json.to_string(),
    };
    let message = Message::new(topic, payload).with_qos(publish.qos).with_retain(publish.retain);
    Ok(match &publish.device {
        None => Deed::Publish(message),
        Some(device) => Deed::PublishAs(Pattern::new(device), message),
    })
}
