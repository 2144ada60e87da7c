//! What can happen to a behaviour.

use std::fmt;

use crate::http::{HttpFailure, HttpRequest, HttpResponse};
use wasmote_mqtt::message::Message;

/// One thing that happens to a device's behaviour. A behaviour sees one at a time.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The first event of an instance.
    Started(StartCause),
    /// A message arrived that matches a subscription.
    Message(Message),
    /// The timer with this token is due.
    Timer(u32),
    /// The MQTT connection came up or went down.
    Connection(ConnectionChange),
    /// Somebody asks the device over HTTP; the ticket goes back with the answer.
    HttpRequest(u64, HttpRequest),
    /// The answer to the request that the behaviour sent under this number.
    HttpReply(u64, Result<HttpResponse, HttpFailure>),
    /// The last event of an instance that does not crash.
    Stopping(StopReason),
}

/// Why a behaviour starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartCause {
    /// The device's first start.
    PowerOn,
    /// After a crash, a trap or a stop: only the state store is left.
    Restart,
    /// A new version of the component takes over.
    Swap,
}

/// Why a behaviour stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Asked for by a user or a plan.
    Requested,
    /// The run is over.
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

/// How the MQTT connection changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionChange {
    /// Connected.
    Up {
        /// Whether the broker still had the session [MQTT-3.2.2-2].
        session_present: bool,
    },
    /// Lost, with the reason in words.
    Down(String),
}
