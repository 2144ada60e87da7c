//! Notices: observable events of a device, for logs, metrics and records.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wasmote_mqtt::answer::{Disconnection, NegativeAnswer};
use wasmote_mqtt::client::RefusedRequest;
use wasmote_mqtt::codec::client::SendError;
use wasmote_mqtt::message::{Message, MessageOrigin};
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::Topic;

use crate::behaviour::Trap;
use crate::context::LogLevel;
use crate::event::{StartCause, StopReason};
use crate::faults::FaultId;
use crate::version_change::{SwapRefusal, VersionChange};

/// A notice about a device.
#[derive(Clone, Debug, PartialEq)]
pub enum DeviceNotice {
    /// The behaviour started.
    Started(StartCause),
    /// The behaviour stopped cleanly.
    Stopped(StopReason),
    /// The behaviour trapped; the device restarts after this delay, or never.
    Trapped(Trap, Option<Duration>),
    /// A new version of the behaviour took over, or will be used at the next start.
    Swapped(VersionChange),
    /// A new version could not take over. The old one continues.
    SwapRefused(VersionChange, SwapRefusal),
    /// A new version trapped on trial; the change is back to the old one.
    SwapRolledBack(VersionChange, Trap),
    /// The device lost power and restarts after this delay.
    Crashed(Duration),
    /// The named battery is empty; the device restarts after this delay, or never.
    Died(FaultId, Option<Duration>),
    /// The connection is up; whether the broker still had the session.
    Connected(bool),
    /// The connection is down; with the reason and the delay before the next attempt.
    Disconnected(Disconnection, Duration),
    /// The broker gave a negative answer to a request other than a message.
    RequestRefused(RefusedRequest, NegativeAnswer),
    /// A fault of the device began, and lasts until this time.
    FaultBegan(FaultId, &'static str, Time),
    /// A fault of the device ended.
    FaultEnded(FaultId, &'static str),
    /// A fault component wrote a log line.
    FaultLog(FaultId, LogLevel, String),
    /// A fault component trapped, and the message passed; whether the component is now disabled, so that all
    /// further messages pass.
    FaultTrapped(FaultId, Trap, bool),
    /// The behaviour wrote a log line.
    Log(LogLevel, String),
    /// A message was passed to the connection. A message that is sent again has several of these notices.
    Sent(Topic, Bytes, MessageRef),
    /// A message was passed to the behaviour; with its latency, if known.
    Received(Topic, Bytes, Option<Duration>, MessageRef),
    /// A message was dropped.
    Dropped(Topic, DropCause, MessageRef),
}

/// Reference to a message of a device, for events about it.
#[derive(Clone, Default, PartialEq)]
pub struct MessageRef(Option<Arc<MessageOrigin>>);

impl MessageRef {
    /// Refers to this message. The reference is empty if the host did not give the message an origin.
    pub fn to(message: &Message) -> Self {
        Self(message.proven_origin().map(Arc::clone))
    }

    /// The id of the message, as `<device>/<sequence>`, if it is known.
    pub fn id(&self) -> Option<String> {
        self.0.as_deref().map(MessageOrigin::id)
    }
}

impl fmt::Debug for MessageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageRef({})", self.id().unwrap_or_default())
    }
}

/// Reason for which a message was dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DropCause {
    /// A fault dropped it; the last one if several copies were dropped.
    Fault(FaultId),
    /// QoS 0, and the connection was down.
    Offline,
    /// The queue was full.
    QueueFull,
    /// An outbound message exceeds a limit that the broker announced, or one of MQTT.
    BeyondLimits(SendError),
    /// The broker refused an outbound message.
    Answer(NegativeAnswer),
    /// The broker ended several connections in a row at an outbound message.
    EndsConnection {
        /// Size of its payload.
        payload_bytes: u64,
        /// Answer with which the broker ended the last connection, if it gave one.
        answer: Option<NegativeAnswer>,
    },
    /// An inbound message exceeded this limit in bytes.
    TooLarge(u32),
}

impl DropCause {
    /// Whether the broker does not take the message, because of its answer or of a limit that it announced.
    pub fn is_refusal_of_broker(&self) -> bool {
        matches!(self, Self::BeyondLimits(_) | Self::Answer(_) | Self::EndsConnection { .. })
    }
}
