//! Conversions between the WIT types and the types of `wasmote_sim`.

use bytes::Bytes;
use wasmote_mqtt::message::{Message, Properties, Qos};
use wasmote_mqtt::topic::{InvalidTopic, Topic};
use wasmote_sim::event::{ConnectionChange, StartCause, StopReason};
use wasmote_sim::http::{HttpFailure, HttpRequest, HttpResponse};

use crate::bindings::exports::wasmote::device::behaviour as exported;
use crate::bindings::wasmote::device::types as wit;

/// Prefix of the user properties that are reserved for the host.
pub(crate) const RESERVED_PROPERTY_PREFIX: &str = "wasmote-";

pub(crate) fn qos_from_wit(qos: wit::Qos) -> Qos {
    match qos {
        wit::Qos::AtMostOnce => Qos::AtMostOnce,
        wit::Qos::AtLeastOnce => Qos::AtLeastOnce,
        wit::Qos::ExactlyOnce => Qos::ExactlyOnce,
    }
}

pub(crate) fn qos_to_wit(qos: Qos) -> wit::Qos {
    match qos {
        Qos::AtMostOnce => wit::Qos::AtMostOnce,
        Qos::AtLeastOnce => wit::Qos::AtLeastOnce,
        Qos::ExactlyOnce => wit::Qos::ExactlyOnce,
    }
}

pub(crate) fn message_to_wit(message: Message) -> wit::Message {
    wit::Message {
        topic: message.topic.as_str().to_owned(),
        payload: message.payload.into(),
        qos: qos_to_wit(message.qos),
        retain: message.retain,
        properties: message.properties.map(|properties| properties_to_wit(*properties)),
    }
}

fn properties_to_wit(properties: Properties) -> wit::MessageProperties {
    let user = properties.user.into_iter().filter(|(name, _)| !name.starts_with(RESERVED_PROPERTY_PREFIX));
    wit::MessageProperties {
        content_type: properties.content_type,
        response_topic: properties.response_topic.map(|topic| topic.as_str().to_owned()),
        correlation_data: properties.correlation_data.map(Into::into),
        message_expiry: properties.message_expiry,
        user_properties: user.map(|(name, value)| wit::UserProperty { name, value }).collect(),
    }
}

pub(crate) fn properties_from_wit(properties: wit::MessageProperties) -> Result<Properties, InvalidTopic> {
    let user = properties
        .user_properties
        .into_iter()
        .filter(|pair| !pair.name.starts_with(RESERVED_PROPERTY_PREFIX));
    Ok(Properties {
        is_text: false,
        content_type: properties.content_type,
        response_topic: properties.response_topic.map(Topic::new).transpose()?,
        correlation_data: properties.correlation_data.map(Bytes::from),
        message_expiry: properties.message_expiry,
        user: user.map(|pair| (pair.name, pair.value)).collect(),
    })
}

fn headers_to_wit(headers: Vec<(String, String)>) -> Vec<wit::HttpHeader> {
    headers.into_iter().map(|(name, value)| wit::HttpHeader { name, value }).collect()
}

fn headers_from_wit(headers: Vec<wit::HttpHeader>) -> Vec<(String, String)> {
    headers.into_iter().map(|header| (header.name.to_ascii_lowercase(), header.value)).collect()
}

pub(crate) fn request_to_wit(request: HttpRequest) -> wit::HttpRequest {
    wit::HttpRequest {
        method: request.method,
        url: request.url,
        headers: headers_to_wit(request.headers),
        body: request.body.into(),
    }
}

pub(crate) fn request_from_wit(request: wit::HttpRequest) -> HttpRequest {
    HttpRequest {
        method: request.method.to_ascii_uppercase(),
        url: request.url,
        headers: headers_from_wit(request.headers),
        body: request.body.into(),
    }
}

fn response_to_wit(response: HttpResponse) -> wit::HttpResponse {
    wit::HttpResponse {
        status: response.status,
        headers: headers_to_wit(response.headers),
        body: response.body.into(),
    }
}

/// Converts the response of a guest. A response with a status outside of 100 to 599, or with more bytes of headers
/// and body than the limit, becomes one with status 500.
pub(crate) fn response_from_wit(response: wit::HttpResponse, limit: usize) -> HttpResponse {
    if !(100..=599).contains(&response.status) {
        let text = format!("the behaviour answered with the status {}\n", response.status);
        return HttpResponse::text(500, text);
    }
    let headers = response.headers.iter().map(|header| header.name.len() + header.value.len());
    let bytes = headers.sum::<usize>() + response.body.len();
    if bytes > limit {
        let text = format!("the behaviour answered with {bytes} bytes, and its limit is {limit}\n");
        return HttpResponse::text(500, text);
    }
    HttpResponse {
        status: response.status,
        headers: headers_from_wit(response.headers),
        body: response.body.into(),
    }
}

pub(crate) fn reply_to_wit(
    reply: Result<HttpResponse, HttpFailure>,
) -> Result<wit::HttpResponse, wit::HttpFailure> {
    reply.map(response_to_wit).map_err(|failure| match failure {
        HttpFailure::TimedOut => wit::HttpFailure::TimedOut,
        HttpFailure::Unreachable(reason) => wit::HttpFailure::Unreachable(reason),
        HttpFailure::TooLarge(limit) => wit::HttpFailure::TooLarge(limit),
    })
}

pub(crate) fn cause_to_wit(cause: StartCause) -> exported::StartCause {
    match cause {
        StartCause::PowerOn => exported::StartCause::PowerOn,
        StartCause::Restart => exported::StartCause::Restart,
        StartCause::Swap => exported::StartCause::Swap,
    }
}

pub(crate) fn reason_to_wit(reason: StopReason) -> exported::StopReason {
    match reason {
        StopReason::Requested => exported::StopReason::Requested,
        StopReason::Shutdown => exported::StopReason::Shutdown,
        StopReason::Swap => exported::StopReason::Swap,
    }
}

pub(crate) fn change_to_wit(change: ConnectionChange) -> exported::ConnectionChange {
    match change {
        ConnectionChange::Up { session_present } => exported::ConnectionChange::Up(session_present),
        ConnectionChange::Down(reason) => exported::ConnectionChange::Down(reason),
    }
}
