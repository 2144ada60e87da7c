//! Conversions between types of the WIT package and those of the simulator.

use crate::host::{ActiveFault, Identity, Level, PublishError, Purpose, SubscribeError};
use crate::message::{Message, MessageProperties, Qos, UserProperty};
use crate::{ConnectionChange, Failure, Outgoing, Request, Response, StartCause, StopReason};
use wasmote_mqtt::topic::Topic;
use wasmote_mqtt::{device_id, message};
use wasmote_sim::context::{LogLevel, PublishRefusal, SubscribeRefusal};
use wasmote_sim::{data, event, faults, http};

pub fn qos_in(qos: Qos) -> message::Qos {
    match qos {
        Qos::AtMostOnce => message::Qos::AtMostOnce,
        Qos::AtLeastOnce => message::Qos::AtLeastOnce,
        Qos::ExactlyOnce => message::Qos::ExactlyOnce,
    }
}

fn qos_out(qos: message::Qos) -> Qos {
    match qos {
        message::Qos::AtMostOnce => Qos::AtMostOnce,
        message::Qos::AtLeastOnce => Qos::AtLeastOnce,
        message::Qos::ExactlyOnce => Qos::ExactlyOnce,
    }
}

/// A message to be published.
pub fn message(
    topic: &str,
    payload: &[u8],
    qos: Qos,
    retain: bool,
    properties: Option<&MessageProperties>,
) -> Result<message::Message, PublishError> {
    let topic = topic_in(topic)?;
    let properties = properties.cloned().map(properties_in).transpose()?;
    let message = message::Message::new(topic, payload.to_vec()).with_qos(qos_in(qos)).with_retain(retain);
    Ok(message::Message { properties: properties.map(Box::new), ..message })
}

fn topic_in(name: &str) -> Result<Topic, PublishError> {
    Topic::new(name).map_err(|error| PublishError::InvalidTopic(error.to_string()))
}

fn properties_in(properties: MessageProperties) -> Result<message::Properties, PublishError> {
    let response_topic = properties.response_topic.as_deref().map(topic_in).transpose()?;
    Ok(message::Properties {
        is_text: false,
        content_type: properties.content_type,
        response_topic,
        correlation_data: properties.correlation_data.map(Into::into),
        message_expiry: properties.message_expiry,
        user: properties.user_properties.into_iter().map(|pair| (pair.name, pair.value)).collect(),
    })
}

fn properties_out(properties: &message::Properties) -> MessageProperties {
    let user = properties.user.iter().cloned();
    MessageProperties {
        content_type: properties.content_type.clone(),
        response_topic: properties.response_topic.as_ref().map(|topic| topic.as_str().to_owned()),
        correlation_data: properties.correlation_data.as_ref().map(|data| data.to_vec()),
        message_expiry: properties.message_expiry,
        user_properties: user.map(|(name, value)| UserProperty { name, value }).collect(),
    }
}

/// A delivery to a behaviour.
pub fn delivery(message: &message::Message) -> Message {
    let Outgoing { topic, payload, qos, retain, properties } = outgoing(message);
    Message { topic, payload, qos, retain, properties }
}

/// A published message in the type of the SDK.
pub fn outgoing(message: &message::Message) -> Outgoing {
    Outgoing {
        topic: message.topic.as_str().to_owned(),
        payload: message.payload.to_vec(),
        qos: qos_out(message.qos),
        retain: message.retain,
        properties: message.properties.as_deref().map(properties_out),
    }
}

pub fn publish_error(refused: PublishRefusal) -> PublishError {
    match refused {
        PublishRefusal::PayloadTooLarge(limit) => PublishError::PayloadTooLarge(limit),
        PublishRefusal::RateLimited => PublishError::RateLimited,
        PublishRefusal::InvalidTopic(reason) => PublishError::InvalidTopic(reason),
        PublishRefusal::NeedsMqtt5 => PublishError::NeedsMqtt5,
    }
}

pub fn subscribe_error(refused: SubscribeRefusal) -> SubscribeError {
    match refused {
        SubscribeRefusal::TooMany(limit) => SubscribeError::TooMany(limit),
        SubscribeRefusal::SameTopic(reason) => SubscribeError::InvalidFilter(reason),
    }
}

pub fn purpose_in(purpose: Purpose) -> data::Purpose {
    match purpose {
        Purpose::Values => data::Purpose::Values,
        Purpose::Records => data::Purpose::Records,
    }
}

pub fn identity(identity: &device_id::Identity) -> Identity {
    Identity {
        id: identity.id.as_str().to_owned(),
        group: identity.group.to_string(),
        index: identity.index,
        count: identity.count,
        topic_root: identity.topic_root.to_string(),
    }
}

pub fn level_in(level: Level) -> LogLevel {
    match level {
        Level::Trace => LogLevel::Trace,
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    }
}

pub fn level_out(level: LogLevel) -> Level {
    match level {
        LogLevel::Trace => Level::Trace,
        LogLevel::Debug => Level::Debug,
        LogLevel::Info => Level::Info,
        LogLevel::Warn => Level::Warn,
        LogLevel::Error => Level::Error,
    }
}

pub fn active_fault(fault: &faults::ActiveFault) -> ActiveFault {
    ActiveFault {
        id: fault.id.to_string(),
        kind: fault.kind.to_owned(),
        until: fault.until.map(|until| until.as_nanos()),
    }
}

pub fn request_in(request: Request) -> http::HttpRequest {
    http::HttpRequest {
        method: request.method,
        url: request.url,
        headers: request.headers.into_iter().map(|header| (header.name, header.value)).collect(),
        body: request.body.into(),
    }
}

pub fn request_out(request: http::HttpRequest) -> Request {
    Request {
        method: request.method,
        url: request.url,
        headers: headers_out(request.headers),
        body: request.body.into(),
    }
}

pub fn response_in(response: Response) -> http::HttpResponse {
    http::HttpResponse {
        status: response.status,
        headers: response.headers.into_iter().map(|header| (header.name, header.value)).collect(),
        body: response.body.into(),
    }
}

pub fn response_out(response: http::HttpResponse) -> Response {
    Response { status: response.status, headers: headers_out(response.headers), body: response.body.into() }
}

fn headers_out(headers: Vec<(String, String)>) -> Vec<crate::http::Header> {
    headers.into_iter().map(|(name, value)| crate::http::Header { name, value }).collect()
}

pub fn failure_in(failure: Failure) -> http::HttpFailure {
    match failure {
        Failure::TimedOut => http::HttpFailure::TimedOut,
        Failure::Unreachable(reason) => http::HttpFailure::Unreachable(reason),
        Failure::TooLarge(limit) => http::HttpFailure::TooLarge(limit),
    }
}

pub fn failure_out(failure: http::HttpFailure) -> Failure {
    match failure {
        http::HttpFailure::TimedOut => Failure::TimedOut,
        http::HttpFailure::Unreachable(reason) => Failure::Unreachable(reason),
        http::HttpFailure::TooLarge(limit) => Failure::TooLarge(limit),
    }
}

pub fn cause_out(cause: event::StartCause) -> StartCause {
    match cause {
        event::StartCause::PowerOn => StartCause::PowerOn,
        event::StartCause::Restart => StartCause::Restart,
        event::StartCause::Swap => StartCause::Swap,
    }
}

pub fn reason_out(reason: event::StopReason) -> StopReason {
    match reason {
        event::StopReason::Requested => StopReason::Requested,
        event::StopReason::Shutdown => StopReason::Shutdown,
        event::StopReason::Swap => StopReason::Swap,
    }
}

pub fn change_out(change: event::ConnectionChange) -> ConnectionChange {
    match change {
        event::ConnectionChange::Up { session_present } => ConnectionChange::Up(session_present),
        event::ConnectionChange::Down(reason) => ConnectionChange::Down(reason),
    }
}
