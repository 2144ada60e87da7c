//! Messages in flight at QoS 1 and 2 [MQTT-4.3].
//!
//! The protocol is the same in both directions, so the broker and the client share this code.
//!
//! * `outgoing`: the sender, with packet identifiers, redelivery and flow control.
//! * `incoming`: the receiver at QoS 2.

mod incoming;
mod outgoing;

pub(crate) use incoming::Incoming;
pub(crate) use outgoing::{AckOutcome, Outgoing, Sending};
