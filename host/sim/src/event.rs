//! Events of a behaviour.

use std::fmt;

use wasmote_mqtt::message::Message;

use crate::http::{HttpFailure, HttpRequest, HttpResponse};

/// An event of a behaviour, which handles one at a time.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// First event of an instance.
    Started(StartCause),
    /// A message arrived that matches a subscription.
    Message(Message),
    /// The timer with this token is due.
    Timer(u32),
    /// The MQTT connection came up or went down.
    Connection(ConnectionChange),
    /// An inbound HTTP request; the answer has the same ticket.
    HttpRequest(u64, HttpRequest),
    /// The answer to the outbound HTTP request with this number.
    HttpReply(u64, Result<HttpResponse, HttpFailure>),
    /// Last event of an instance that does not crash.
    Stopping(StopReason),
}

/// Reason for the start of a behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartCause {
    /// First start of the device.
    PowerOn,
    /// Restart after a crash, a trap or a stop: only the state store is kept.
    Restart,
    /// A new version of the component takes over.
    Swap,
}

/// Reason for the stop of a behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Requested by a user or a plan.
    Requested,
    /// End of the run.
    Shutdown,
    /// A new version of the component takes over.
    Swap,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "asked to stop",
            Self::Shutdown => "the run is over",
            Self::Swap => "a new version takes over",
        })
    }
}

/// Change of the MQTT connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionChange {
    /// Connected.
    Up {
        /// Whether the broker still had the session [MQTT-3.2.2-2].
        session_present: bool,
    },
    /// Disconnected, with a reason as text.
    Down(String),
}
