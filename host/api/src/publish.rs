//! `POST /publish`: a device publishes a user's message. The device's faults act on it as on any other message.
//!
//! With a `topic`, the payload of a string is the string itself, and that of any other value is JSON. Without a
//! `topic`, the message goes to `<root>/<device>/message` in the envelope of a heartbeat: `{"device", "type":
//! "message", "message", "ts"}`, with `ts` in seconds since 1970. If the request names no device, the first
//! running device publishes the message; the response names it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use wasmote_fleet::actions::Action;
use wasmote_fleet::actions::publish::Publish;
use wasmote_fleet::payload_bytes;
use wasmote_live::fleet::STATUS_BATCH;
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::{Message, Qos};
use wasmote_mqtt::time::WallTime;
use wasmote_mqtt::topic::Topic;
use wasmote_sim::device::PowerState;
use wasmote_sim::layout::{Layout, LayoutRefusal};

use super::Api;
use super::endpoint::{Endpoint, post};
use super::error::ApiError;
use super::extract::{Device, Example, JsonBody, Params};
use super::refusal::Refusal;

/// A message to publish.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Publication {
    #[schemars(
        description = "Any JSON value. With a topic, a string is sent unchanged and other values as JSON; \
        without a topic, the payload is {device, type, message, ts}. Needed without `payload_base64`.",
        with = "Value"
    )]
    #[serde(default, deserialize_with = "given")]
    message: Option<Value>,
    /// The payload as bytes in Base64, in place of `message`; needs a topic
    payload_base64: Option<String>,
    #[schemars(
        description = "Topic; by default <root>/<device>/message",
        length(min = 1, max = 65_535),
        regex(pattern = r"^[^+#\x00]+$")
    )]
    topic: Option<String>,
    /// Quality of service.
    #[serde(default)]
    #[schemars(extend("enum" = [0, 1, 2], "default" = 0))]
    qos: Value,
    /// Whether the broker retains the message.
    #[serde(default)]
    retain: bool,
    /// Name of the device; by default the first running device
    device: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PublishQuery {
    /// Name of the device, if not in the body
    device: Option<String>,
}

impl Example for Publication {
    const EXAMPLE: &'static str = r#"{"message": …}"#;
}

/// Distinguishes a value from a missing one: `null` is a message.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// A message accepted by the device. The device's faults may still drop or change it.
#[derive(Debug, Serialize, JsonSchema)]
struct Accepted {
    /// Status of the request; always `accepted`.
    #[schemars(extend("const" = "accepted"))]
    status: &'static str,
    /// The device that publishes the message.
    device: String,
    /// Topic of the message.
    topic: String,
    /// Quality of service.
    qos: u8,
    /// Whether the broker retains the message.
    retain: bool,
    /// Size of the payload, in bytes.
    bytes: usize,
    /// Id of the message; `GET /messages/<id>` tells what becomes of it.
    message_id: String,
}

/// Payload of a message without a topic.
#[derive(Serialize)]
struct MessageEnvelope<'a> {
    device: &'a str,
    r#type: &'static str,
    message: &'a Value,
    ts: f64,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    let described = |endpoint: Endpoint| {
        endpoint
            .body::<Publication>(&["application/json"])
            .response::<Accepted>()
            .error(400, "A field is missing or wrong")
            .error(404, "No device has this name")
            .error(409, "The device is not running")
            .error(413, "The message is too large")
            .error(415, "The body is not JSON")
    };
    vec![
        described(post("/publish", publish))
            .summary("Publish as the named device, or as the first running device")
            .query::<PublishQuery>(),
        described(post("/devices/{id}/publish", publish_as)).summary("Publish as this device"),
    ]
}

async fn publish(
    Shared(api): Shared<Arc<Api>>,
    Params(query): Params<PublishQuery>,
    JsonBody(publication): JsonBody<Publication>,
) -> Result<Json<Accepted>, ApiError> {
    let position = match publication.named(query.device.as_deref(), "query")? {
        Some(id) => api.position(id)?,
        None => first_running(&api).await?,
    };
    let identity = Arc::clone(&api.fleet.devices()[position]);
    send(&api, &Device { position, identity }, publication).await
}

async fn publish_as(
    Shared(api): Shared<Arc<Api>>,
    device: Device,
    Params(NoParameters {}): Params<NoParameters>,
    JsonBody(publication): JsonBody<Publication>,
) -> Result<Json<Accepted>, ApiError> {
    publication.named(Some(device.id()), "path")?;
    send(&api, &device, publication).await
}

/// A query without parameters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoParameters {}

impl Publication {
    /// The device named in the body or in the URL. If both name one, it must be the same.
    fn named<'a>(&'a self, from_url: Option<&'a str>, source: &str) -> Result<Option<&'a str>, ApiError> {
        match (from_url, self.device.as_deref()) {
            (Some(from_url), Some(from_body)) if from_url != from_body => {
                let problem = format!("the {source} names `{from_url}`; leave `device` out of the body");
                Err(ApiError::bad_request("device", problem).found(from_body))
            }
            (from_url, from_body) => Ok(from_url.or(from_body)),
        }
    }
}

async fn first_running(api: &Api) -> Result<usize, ApiError> {
    let devices = api.fleet.devices().len();
    for first in (0..devices).step_by(STATUS_BATCH) {
        let statuses = api.fleet.statuses(first..(first + STATUS_BATCH).min(devices)).await?;
        if let Some(offset) = statuses.iter().position(|status| status.power == PowerState::On) {
            return Ok(first + offset);
        }
    }
    Err(ApiError::new(
        StatusCode::CONFLICT,
        "device",
        "no device is running; start one with POST /devices/{id}/start",
    ))
}

async fn send(api: &Api, device: &Device, publication: Publication) -> Result<Json<Accepted>, ApiError> {
    let identity = &device.identity;
    let group = api.group(&identity.group)?;
    let limit = group.limits.payload_bytes as usize;
    let message = message(identity, publication, group.layout.as_deref(), limit)?;
    let bytes = message.payload.len();
    if bytes > limit {
        let problem = format!("the payload has {bytes} bytes and the device's limit is {limit}");
        return Err(ApiError::refused(Refusal::BodySize, StatusCode::PAYLOAD_TOO_LARGE, "message", problem));
    }
    api.journeys.want(api.fleet.now().run);
    let number = api.fleet.publish(device.id(), message.clone()).await?;
    api.audit(Action::Publish(Publish::of_device(device.id(), &message)));
    Ok(Json(Accepted {
        status: "accepted",
        device: identity.id.to_string(),
        topic: message.topic.to_string(),
        qos: message.qos.into(),
        retain: message.retain,
        bytes,
        message_id: format!("{}/{number}", identity.id),
    }))
}

fn message(
    identity: &Identity,
    publication: Publication,
    layout: Option<&Layout>,
    limit: usize,
) -> Result<Message, ApiError> {
    let Publication { message, payload_base64, topic, qos, retain, .. } = publication;
    let qos = read_qos(qos)?;
    let is_enveloped = topic.is_none();
    let (topic, payload) = match (topic, message, payload_base64) {
        (Some(topic), Some(Value::String(text)), None) => (topic, text.into()),
        (Some(topic), Some(json), None) => (topic, json.to_string().into()),
        (None, Some(message), None) => {
            let topic = format!("{}/{}/message", identity.topic_root, identity.id);
            (topic, envelope(identity, &message)?.into())
        }
        (Some(topic), None, Some(text)) => {
            let decoded = payload_bytes::decode(&text);
            (topic, decoded.map_err(|problem| ApiError::bad_request("payload_base64", problem).found(text))?)
        }
        (None, None, Some(_)) => {
            return Err(ApiError::bad_request("topic", "it is missing; `payload_base64` needs a topic"));
        }
        (_, Some(_), Some(_)) => {
            let problem = "expected either `message` or `payload_base64`, found both";
            return Err(ApiError::bad_request("payload_base64", problem));
        }
        (_, None, None) => {
            return Err(ApiError::bad_request(
                "message",
                "it is missing; give a `message`, or a `payload_base64` with a topic",
            ));
        }
    };
    let name = Topic::new(topic.as_str())
        .map_err(|invalid| ApiError::bad_request("topic", invalid.to_string()).found(topic))?;
    let message = Message::new(name, payload).with_qos(qos).with_retain(retain);
    match layout.filter(|_| is_enveloped) {
        // The other devices expect the message as their layout has it.
        Some(layout) => lay_out(message, layout, identity, limit),
        None => Ok(message),
    }
}

fn lay_out(
    message: Message,
    layout: &Layout,
    identity: &Identity,
    limit: usize,
) -> Result<Message, ApiError> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let wall = WallTime::from_nanos(u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX));
    layout.outbound(message, identity, wall, limit).map_err(|refusal| match refusal {
        LayoutRefusal::Topic(reason) => {
            ApiError::bad_request("topic", format!("the layout makes an invalid topic: {reason}"))
        }
        LayoutRefusal::TooLarge => {
            let problem = format!("the payload has more bytes than the device's limit, {limit}");
            ApiError::refused(Refusal::BodySize, StatusCode::PAYLOAD_TOO_LARGE, "message", problem)
        }
    })
}

fn envelope(identity: &Identity, message: &Value) -> Result<String, ApiError> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ts = since_1970.as_millis() as f64 / 1_000.0;
    let envelope = MessageEnvelope { device: identity.id.as_str(), r#type: "message", message, ts };
    serde_json::to_string(&envelope).map_err(|error| ApiError::bad_request("message", error.to_string()))
}

fn read_qos(qos: Value) -> Result<Qos, ApiError> {
    if qos.is_null() {
        return Ok(Qos::default());
    }
    let level = qos.as_u64().and_then(|level| u8::try_from(level).ok());
    level.and_then(|level| Qos::try_from(level).ok()).ok_or_else(|| {
        ApiError::bad_request("qos", format!("expected QoS 0, 1 or 2, found {qos}")).found(qos)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wasmote_mqtt::device_id::DeviceId;

    use super::*;

    fn built(body: Value) -> Result<(String, String, u8, bool), ApiError> {
        let identity = Identity {
            id: DeviceId::new("a-0").unwrap(),
            client_id: None,
            group: "a".into(),
            index: 0,
            count: 1,
            topic_root: "root".into(),
            peers: None,
        };
        let message = message(&identity, serde_json::from_value(body).unwrap(), None, 1 << 17)?;
        let payload = String::from_utf8_lossy(&message.payload).into_owned();
        Ok((message.topic.to_string(), payload, message.qos.into(), message.retain))
    }

    #[test]
    fn a_message_without_a_topic_has_the_envelope_of_a_heartbeat() {
        let (topic, payload, qos, retain) = built(json!({"message": "Hello network!"})).unwrap();
        assert_eq!((topic.as_str(), qos, retain), ("root/a-0/message", 0, false));
        assert!(
            payload.starts_with(r#"{"device":"a-0","type":"message","message":"Hello network!","ts":"#),
            "{payload}"
        );
    }

    #[test]
    fn a_message_with_a_topic_is_a_plain_string_or_json() {
        let text = built(json!({"message": "on", "topic": "x/cmd", "qos": 1, "retain": true})).unwrap();
        assert_eq!(text, ("x/cmd".into(), "on".into(), 1, true));
        assert_eq!(built(json!({"message": [1, null], "topic": "x"})).unwrap().1, "[1,null]");
    }

    #[test]
    fn a_payload_of_bytes_needs_a_topic_and_goes_without_a_message() {
        let bytes = built(json!({"payload_base64": "aGkh", "topic": "x"})).unwrap();
        assert_eq!(bytes, ("x".into(), "hi!".into(), 0, false));
        let field = |body| serde_json::to_value(built(body).unwrap_err()).unwrap()["field"].clone();
        assert_eq!(field(json!({"payload_base64": "aGkh"})), "topic");
        assert_eq!(field(json!({"payload_base64": "a", "topic": "x"})), "payload_base64");
        assert_eq!(field(json!({"payload_base64": "aGkh", "message": null, "topic": "x"})), "payload_base64");
        assert_eq!(field(json!({"topic": "x"})), "message");
        assert_eq!(built(json!({"message": null, "topic": "x"})).unwrap().1, "null");
    }

    #[test]
    fn integers_of_64_bits_keep_their_digits() {
        for digits in ["9007199254740993", "18446744073709551615", "-9223372036854775808"] {
            let number: Value = serde_json::from_str(digits).unwrap();
            assert_eq!(built(json!({"message": number, "topic": "x"})).unwrap().1, digits);
        }
    }

    #[test]
    fn an_invalid_topic_or_qos_is_refused_with_its_field() {
        let problem = |body| serde_json::to_value(built(body).unwrap_err()).unwrap();
        let topic = problem(json!({"message": 1, "topic": "x/#"}));
        assert_eq!((&topic["field"], &topic["found"]), (&json!("topic"), &json!("x/#")));
        for qos in [json!(3), json!(-1), json!("1"), json!(1.5)] {
            assert_eq!(problem(json!({"message": 1, "qos": qos}))["field"], "qos");
        }
    }
}
