//! Errors for requests beyond a device's limits.

/// Reason for which a publication is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishRefusal {
    /// The payload, one property or all properties together exceed this limit, in bytes.
    #[error("payload or properties exceed the limit of {0} bytes")]
    PayloadTooLarge(u32),
    /// The publish rate is exhausted.
    #[error("the publish rate is used up")]
    RateLimited,
    /// The layout of the device makes an invalid topic, with the reason.
    #[error("the layout makes an invalid topic: {0}")]
    InvalidTopic(String),
    /// Properties on an MQTT 3.1.1 connection.
    #[error("properties need MQTT 5")]
    NeedsMqtt5,
}

/// Reason for which an outbound HTTP request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpRefusal {
    /// The limit on requests in flight is reached.
    #[error("{0} requests have no response yet, as many as allowed")]
    TooMany(u32),
    /// The body exceeds the limit, in bytes.
    #[error("the body exceeds the limit of {0} bytes")]
    BodyTooLarge(u32),
}

/// Reason for which a subscription is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeRefusal {
    /// The limit on the number of subscriptions, or on their bytes, is reached.
    #[error("the device has as many subscriptions as allowed: {0}, or fewer with long filters")]
    TooMany(u32),
    /// The layout of the device gives two topics that the behaviour tells apart the same filter.
    #[error("{0}")]
    SameTopic(String),
}

/// Counts of refused requests of a behaviour.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(default)]
pub struct Refusals {
    /// Messages beyond the publish rate.
    pub publish_rate: u64,
    /// Messages with an invalid topic, that were too large, or had properties that the connection does not support.
    pub publish_invalid: u64,
    /// Log lines beyond the log rate: those of the behaviour, and live those of the host about the device.
    pub log_rate: u64,
    /// Subscriptions beyond their number or bytes.
    pub subscriptions: u64,
    /// Values that did not fit into the state store.
    pub state: u64,
    /// Timers beyond their number.
    pub timers: u64,
    /// Metrics beyond their number.
    pub metrics: u64,
    /// HTTP requests that were too large, or beyond their number.
    pub http: u64,
}

impl Refusals {
    /// Adds another behaviour's counts.
    pub fn add(&mut self, other: Self) {
        self.publish_rate += other.publish_rate;
        self.publish_invalid += other.publish_invalid;
        self.log_rate += other.log_rate;
        self.subscriptions += other.subscriptions;
        self.state += other.state;
        self.timers += other.timers;
        self.metrics += other.metrics;
        self.http += other.http;
    }
}
