//! Wills of connections that have ended [MQTT-3.1.2.5].

use std::time::Duration;

use crate::message::{Message, Will};
use crate::time::Time;

/// A will during its delay.
#[derive(Debug)]
pub(super) struct PendingWill {
    pub(super) message: Message,
    pub(super) due: Time,
}

impl PendingWill {
    /// Starts the delay at the end of the connection [MQTT-3.1.3-9].
    pub(super) fn new(will: Will, now: Time) -> Self {
        Self { message: will.message, due: now + Duration::from_secs(u64::from(will.delay)) }
    }
}
