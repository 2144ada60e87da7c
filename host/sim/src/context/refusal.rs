//! Refusals of a behaviour's requests.

/// Reason why a message was refused at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishRefusal {
    /// Larger than the limit, in bytes.
    #[error("the payload exceeds the limit of {0} bytes")]
    PayloadTooLarge(u32),
    /// The device's publish rate is used up.
    #[error("the publish rate is used up")]
    RateLimited,
    /// Properties on an MQTT 3.1.1 connection.
    #[error("properties need MQTT 5")]
    NeedsMqtt5,
}

/// Reason why an outbound HTTP request was refused at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpRefusal {
    /// The maximum of requests is in flight.
    #[error("{0} requests are under way, as many as allowed")]
    TooMany(u32),
    /// Larger than the limit, in bytes.
    #[error("the body exceeds the limit of {0} bytes")]
    BodyTooLarge(u32),
}

/// The subscription limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the device has {0} subscriptions, as many as allowed")]
pub struct TooManySubscriptions(pub u32);

/// Counts of refused requests of a behaviour.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
pub struct Refusals {
    /// Messages beyond the publish rate.
    pub publish_rate: u64,
    /// Messages that were too large or had properties that the connection cannot carry.
    pub publish_invalid: u64,
    /// Log lines beyond the log rate.
    pub log_rate: u64,
}

impl Refusals {
    /// Add another behaviour's counts.
    pub fn add(&mut self, other: Self) {
        self.publish_rate += other.publish_rate;
        self.publish_invalid += other.publish_invalid;
        self.log_rate += other.log_rate;
    }
}
