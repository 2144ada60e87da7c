//! Steps of single messages at the broker, for the journeys of messages.
//!
//! The broker records steps of messages to which the host has given an origin, and only while a reader follows messages.

use std::sync::Arc;

use super::counters::DropReason;
use crate::message::{Message, MessageOrigin};

/// What the broker did with one message.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerStep {
    /// Origin of the message.
    pub origin: Arc<MessageOrigin>,
    /// The step.
    pub kind: BrokerStepKind,
}

/// Kinds of steps at the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerStepKind {
    /// The broker took the message; with the number of subscriptions that match it.
    Taken(usize),
    /// The broker did not take the message, because it has no room for it or reserves its topic.
    Refused(&'static str),
    /// A copy waits for the client with this identifier, which has no connection.
    Queued(Arc<str>),
    /// A copy went to the connection of this client.
    Sent(Arc<str>),
    /// The copy for this client was dropped.
    Dropped(Arc<str>, DropReason),
}

/// Collected steps.
#[derive(Debug, Default)]
pub(super) struct Steps {
    pub(super) is_followed: bool,
    collected: Vec<BrokerStep>,
}

impl Steps {
    /// Adds a step of a message, if it is followed.
    pub(super) fn add(&mut self, message: &Message, kind: impl FnOnce() -> BrokerStepKind) {
        if self.is_followed
            && let Some(origin) = message.proven_origin()
        {
            self.collected.push(BrokerStep { origin: Arc::clone(origin), kind: kind() });
        }
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = BrokerStep> + '_ {
        self.collected.drain(..)
    }
}
