//! Messages under way at QoS 1 and 2 [MQTT-4.3].
//!
//! The protocol is the same in both directions, so both ends of a connection use these: the broker, and
//! the client that virtual time gives each device.
//!
//! * `outgoing`: the sender's side, with packet identifiers, redelivery and flow control.
//! * `incoming`: the receiver's side at QoS 2.

mod incoming;
mod outgoing;

pub(crate) use incoming::Incoming;
pub(crate) use outgoing::{AckOutcome, Outgoing};
