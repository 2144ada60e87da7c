//! Texts of host errors, for `?` and the log.

use crate::host::{MetricError, PublishError, SendError, StateError, SubscribeError};

impl From<PublishError> for String {
    fn from(reason: PublishError) -> Self {
        match reason {
            PublishError::InvalidTopic(reason) => format!("invalid topic: {reason}"),
            PublishError::PayloadTooLarge(limit) => format!("the payload is larger than {limit} bytes"),
            PublishError::RateLimited => "the publish rate is used up".into(),
            PublishError::NeedsMqtt5 => "properties need MQTT 5".into(),
        }
    }
}

impl From<SubscribeError> for String {
    fn from(reason: SubscribeError) -> Self {
        match reason {
            SubscribeError::InvalidFilter(reason) => format!("invalid topic filter: {reason}"),
            SubscribeError::TooMany(limit) => format!("more than {limit} subscriptions"),
        }
    }
}

impl From<MetricError> for String {
    fn from(reason: MetricError) -> Self {
        match reason {
            MetricError::InvalidName(reason) => format!("invalid name: {reason}"),
            MetricError::TooMany(limit) => format!("more than {limit} metrics"),
            MetricError::InvalidValue => "not a finite number, or a negative amount".into(),
        }
    }
}

impl From<StateError> for String {
    fn from(StateError::Full(quota): StateError) -> Self {
        format!("the store is full ({quota} bytes)")
    }
}

impl From<SendError> for String {
    fn from(reason: SendError) -> Self {
        match reason {
            SendError::Denied(host) => format!("{host} is not on the allow-list"),
            SendError::Invalid(reason) => format!("invalid request: {reason}"),
            SendError::BodyTooLarge(limit) => format!("the body is larger than {limit} bytes"),
            SendError::TooMany(limit) => format!("more than {limit} requests without a response"),
        }
    }
}
