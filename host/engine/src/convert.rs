//! The guest's types against the model's.

use bytes::Bytes;
use wasmote_sim::event::{ConnectionChange, StartCause, StopReason};
use wasmote_sim::http::{HttpFailure, HttpRequest, HttpResponse};
use wasmote_sim::message::{Message, Properties, Qos};
use wasmote_sim::topic::{InvalidTopic, Topic};

use crate::bindings::exports::wasmote::device::behaviour as exported;
use crate::bindings::wasmote::device::types as wit;

/// User properties that begin so are the host's own.
pub(crate) const OWN_PROPERTIES: &str = "wasmote-";

pub(crate) fn qos_in(qos: wit::Qos) -> Qos {
    match qos {
        wit::Qos::AtMostOnce => Qos::AtMostOnce,
        wit::Qos::AtLeastOnce => Qos::AtLeastOnce,
        wit::Qos::ExactlyOnce => Qos::ExactlyOnce,
    }
}

pub(crate) fn qos_out(qos: Qos) -> wit::Qos {
    match qos {
        Qos::AtMostOnce => wit::Qos::AtMostOnce,
        Qos::AtLeastOnce => wit::Qos::AtLeastOnce,
        Qos::ExactlyOnce => wit::Qos::ExactlyOnce,
    }
}

pub(crate) fn message_out(message: Message) -> wit::Message {
    wit::Message {
        topic: message.topic.as_str().to_owned(),
        payload: message.payload.into(),
        qos: qos_out(message.qos),
        retain: message.retain,
        properties: message.properties.map(|properties| properties_out(*properties)),
    }
}

fn properties_out(properties: Properties) -> wit::MessageProperties {
    let user = properties.user.into_iter().filter(|(name, _)| !name.starts_with(OWN_PROPERTIES));
    wit::MessageProperties {
        content_type: properties.content_type,
        response_topic: properties.response_topic.map(|topic| topic.as_str().to_owned()),
        correlation_data: properties.correlation_data.map(Into::into),
        message_expiry: properties.message_expiry,
        user_properties: user.map(|(name, value)| wit::UserProperty { name, value }).collect(),
    }
}

pub(crate) fn properties_in(properties: wit::MessageProperties) -> Result<Properties, InvalidTopic> {
    let user = properties.user_properties.into_iter().filter(|pair| !pair.name.starts_with(OWN_PROPERTIES));
    Ok(Properties {
        is_text: false,
        content_type: properties.content_type,
        response_topic: properties.response_topic.map(Topic::new).transpose()?,
        correlation_data: properties.correlation_data.map(Bytes::from),
        message_expiry: properties.message_expiry,
        user: user.map(|pair| (pair.name, pair.value)).collect(),
    })
}

fn headers_out(headers: Vec<(String, String)>) -> Vec<wit::HttpHeader> {
    headers.into_iter().map(|(name, value)| wit::HttpHeader { name, value }).collect()
}

fn headers_in(headers: Vec<wit::HttpHeader>) -> Vec<(String, String)> {
    headers.into_iter().map(|header| (header.name.to_ascii_lowercase(), header.value)).collect()
}

pub(crate) fn request_out(request: HttpRequest) -> wit::HttpRequest {
    wit::HttpRequest {
        method: request.method,
        url: request.url,
        headers: headers_out(request.headers),
        body: request.body.into(),
    }
}

pub(crate) fn request_in(request: wit::HttpRequest) -> HttpRequest {
    HttpRequest {
        method: request.method.to_ascii_uppercase(),
        url: request.url,
        headers: headers_in(request.headers),
        body: request.body.into(),
    }
}

fn response_out(response: HttpResponse) -> wit::HttpResponse {
    wit::HttpResponse {
        status: response.status,
        headers: headers_out(response.headers),
        body: response.body.into(),
    }
}

/// A guest's answer. A status that HTTP does not know becomes 500.
pub(crate) fn response_in(response: wit::HttpResponse) -> HttpResponse {
    if !(100..=599).contains(&response.status) {
        let text = format!("the behaviour answered with the status {}\n", response.status);
        return HttpResponse::text(500, text);
    }
    HttpResponse {
        status: response.status,
        headers: headers_in(response.headers),
        body: response.body.into(),
    }
}

pub(crate) fn reply_out(
    reply: Result<HttpResponse, HttpFailure>,
) -> Result<wit::HttpResponse, wit::HttpFailure> {
    reply.map(response_out).map_err(|failure| match failure {
        HttpFailure::TimedOut => wit::HttpFailure::TimedOut,
        HttpFailure::Unreachable(reason) => wit::HttpFailure::Unreachable(reason),
        HttpFailure::TooLarge(limit) => wit::HttpFailure::TooLarge(limit),
    })
}

pub(crate) fn cause_out(cause: StartCause) -> exported::StartCause {
    match cause {
        StartCause::PowerOn => exported::StartCause::PowerOn,
        StartCause::Restart => exported::StartCause::Restart,
        StartCause::Swap => exported::StartCause::Swap,
    }
}

pub(crate) fn reason_out(reason: StopReason) -> exported::StopReason {
    match reason {
        StopReason::Requested => exported::StopReason::Requested,
        StopReason::Shutdown => exported::StopReason::Shutdown,
        StopReason::Swap => exported::StopReason::Swap,
    }
}

pub(crate) fn change_out(change: ConnectionChange) -> exported::ConnectionChange {
    match change {
        ConnectionChange::Up { session_present } => exported::ConnectionChange::Up(session_present),
        ConnectionChange::Down(reason) => exported::ConnectionChange::Down(reason),
    }
}
