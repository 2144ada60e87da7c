//! Conversions between the WIT types of the SDK's bindings and the types of the simulator.

use crate::bindings::exports::wasmote::device::behaviour as exported;
use crate::bindings::wasmote::device::types as wit;
use crate::message::{Message, MessageProperties, Outgoing, Qos};
use crate::{Failure, Response};
use wasmote_mqtt::message;
use wasmote_sim::http;

wasmote_sim::wit_conversions!(wit, exported);

/// A message to be published. The error says what is wrong with a topic.
pub(crate) fn message(
    topic: &str,
    payload: &[u8],
    qos: Qos,
    retain: bool,
    properties: Option<MessageProperties>,
) -> Result<message::Message, String> {
    let topic = wasmote_mqtt::topic::Topic::new(topic).map_err(|error| error.to_string())?;
    let properties = properties.map(properties_from_wit).transpose().map_err(|error| error.to_string())?;
    let message =
        message::Message::new(topic, payload.to_vec()).with_qos(qos_from_wit(qos)).with_retain(retain);
    Ok(message::Message { properties: properties.map(Box::new), ..message })
}

/// A published message in the type of the SDK.
pub(crate) fn outgoing(message: &message::Message) -> Outgoing {
    let Message { topic, payload, qos, retain, properties } = message_to_wit(message.clone());
    Outgoing { topic, payload, qos, retain, properties }
}

/// The answer of a test to a request that a device sent.
pub(crate) fn reply_from_test(
    reply: Result<Response, Failure>,
) -> Result<http::HttpResponse, http::HttpFailure> {
    reply.map(|response| response_from_wit(response, usize::MAX)).map_err(|failure| match failure {
        Failure::TimedOut => http::HttpFailure::TimedOut,
        Failure::Unreachable(reason) => http::HttpFailure::Unreachable(reason),
        Failure::TooLarge(limit) => http::HttpFailure::TooLarge(limit),
    })
}
