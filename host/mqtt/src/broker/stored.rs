//! Messages stored by the broker, with their expiry.

use std::sync::Arc;
use std::time::Duration;

use crate::budget::{ByteBudget, Lease};
use crate::message::{Message, Properties};
use crate::time::Time;

/// A message that is queued, in flight or retained.
#[derive(Clone, Debug)]
pub(crate) struct StoredMessage {
    pub(crate) message: Message,
    /// Expiry time, counted from the receipt by the broker [MQTT-3.3.2-5].
    pub(crate) expires_at: Option<Time>,
    /// Subscription identifier of this copy, if the client set one.
    pub(crate) subscription_id: Option<u32>,
    /// Bytes of the message in the budget of its store. Copies share them, as they share the message.
    lease: Option<Arc<Lease>>,
}

/// Bytes of a message that waits for one client, in addition to those of the message itself.
pub(crate) const COPY_BYTES: usize = 256;

impl StoredMessage {
    pub(crate) fn new(message: Message, now: Time) -> Self {
        let expiry = message.properties.as_ref().and_then(|properties| properties.message_expiry);
        let expires_at = expiry.map(|seconds| now + Duration::from_secs(u64::from(seconds)));
        Self { message, expires_at, subscription_id: None, lease: None }
    }

    /// Takes the bytes of the message from a budget, unless a store has done so. False if they do not fit.
    pub(super) fn lease_from(&mut self, budget: &ByteBudget) -> bool {
        if self.lease.is_none() {
            self.lease = budget.take(self.message.footprint()).map(Arc::new);
            if self.lease.is_some() {
                self.message.detach_payload();
            }
        }
        self.lease.is_some()
    }

    /// The same message with bytes that a store has taken.
    pub(super) fn with_lease(self, lease: Lease) -> Self {
        let mut stored = Self { lease: Some(Arc::new(lease)), ..self };
        stored.message.detach_payload();
        stored
    }

    /// The same message, whose bytes belong to no store.
    pub(super) fn without_lease(&self) -> Self {
        Self { lease: None, ..self.clone() }
    }

    /// A message that does not expire here. Its expiry property is unchanged.
    pub(crate) fn without_expiry(message: Message) -> Self {
        Self { message, expires_at: None, subscription_id: None, lease: None }
    }

    pub(crate) fn is_expired(&self, now: Time) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// The message to send now, with the remaining expiry interval [MQTT-3.3.2-6]. It is rounded up, so that
    /// no message is sent with an expiry of zero.
    pub(crate) fn to_message(&self, now: Time) -> Message {
        let mut message = self.message.clone();
        if let (Some(expires_at), Some(properties)) = (self.expires_at, &mut message.properties) {
            set_expiry(properties, expires_at.since(now));
        }
        message
    }
}

fn set_expiry(properties: &mut Properties, left: Duration) {
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    properties.message_expiry = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
}
