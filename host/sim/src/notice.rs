//! Notices: observable events of a device, for logs, metrics and records.

use std::time::Duration;

use bytes::Bytes;

use crate::behaviour::Trap;
use crate::context::LogLevel;
use crate::device::{SwapRefusal, VersionChange};
use crate::event::{StartCause, StopReason};
use crate::faults::FaultId;
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::Topic;

/// Something worth telling about a device.
#[derive(Clone, Debug, PartialEq)]
pub enum DeviceNotice {
    /// The behaviour started.
    Started(StartCause),
    /// The behaviour ended in order.
    Stopped(StopReason),
    /// The behaviour ended by itself; the device starts again after this long, or never.
    Trapped(Trap, Option<Duration>),
    /// Another version of the behaviour has taken over, or will be there at the next start.
    Swapped(VersionChange),
    /// Another version could not take over, and why. The old one goes on.
    SwapRefused(VersionChange, SwapRefusal),
    /// A version trapped while it was on trial; from it to the one that goes on.
    SwapRolledBack(VersionChange, Trap),
    /// The device lost its power and starts again after this long.
    Crashed(Duration),
    /// The device's battery is empty, and which; the device starts again after this long, or never.
    Died(FaultId, Option<Duration>),
    /// The connection is up; whether the broker still had the session.
    Connected(bool),
    /// The connection is down, and why; the next try follows after this long.
    Disconnected(String, Duration),
    /// A fault came over the device until then.
    FaultBegan(FaultId, &'static str, Time),
    /// A fault left the device.
    FaultEnded(FaultId, &'static str),
    /// A fault's own component wrote a line.
    FaultLog(FaultId, LogLevel, String),
    /// A fault's own component came to an end by itself, and the message passed; whether it is put aside, so that
    /// all others pass as well.
    FaultTrapped(FaultId, Trap, bool),
    /// The behaviour wrote a line.
    Log(LogLevel, String),
    /// A message was handed to the connection.
    Sent(Topic, Bytes),
    /// A message was given to the behaviour; how long it was under way, where that is known.
    Received(Topic, Bytes, Option<Duration>),
    /// A message is gone.
    Dropped(Topic, DropCause),
}

/// Why a message is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DropCause {
    /// A fault took it; the last one, where it took several copies.
    Fault(FaultId),
    /// QoS 0, and the connection was down.
    Offline,
    /// Its queue was full.
    QueueFull,
    /// It came from outside and is larger than the device takes, which is this many bytes.
    TooLarge(u32),
}
