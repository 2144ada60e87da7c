//! What a device asks its driver to do, and what it tells those who watch.

use std::time::Duration;

use bytes::Bytes;

use crate::behaviour::Trap;
use crate::context::LogLevel;
use crate::device::{Change, SwapRefusal};
use crate::event::{StartCause, StopReason};
use crate::faults::FaultId;
use crate::faults::byte_stream::{Blow, Weather};
use crate::http::{HttpRequest, HttpResponse};
use crate::message::{Message, Qos, Will};
use crate::time::Time;
use crate::topic::{Topic, TopicFilter};

/// One thing for the driver to carry out, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Try once to connect, with this will. Answer with `Connected` or `Disconnected`.
    Connect(Option<Will>),
    /// End the connection. No answer is expected.
    Disconnect(Farewell),
    /// Do not turn the connection's loop until told to resume: read nothing, write nothing, let no
    /// keepalive out, and leave the socket as it is.
    Silence,
    /// Turn the loop again. Answer with `Resumed` or `Disconnected` if the connection was up.
    Resume,
    /// From now on the device's line does this with bytes, those of later connections too.
    Weather(Weather),
    /// Strike the present connection, if there is one, in the name of this fault. A connection that is reset
    /// answers with `Disconnected`; of messages at QoS 0 that are lost with it, those that are known are told
    /// of with `Swallowed`.
    Strike(Blow, FaultId),
    /// Hand a message to the connection.
    Publish(Message),
    /// Ask the broker for messages.
    Subscribe(TopicFilter, Qos),
    /// Take a subscription back.
    Unsubscribe(TopicFilter),
    /// Send an HTTP request; answer with `HttpReply` and the same number.
    HttpSend(u64, HttpRequest, Duration),
    /// The answer to the request that came with this ticket.
    HttpRespond(u64, HttpResponse),
    /// For whoever watches.
    Notice(Notice),
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// With a DISCONNECT packet: no will is published.
    Clean,
    /// The device lost its power, and its memory with it: no DISCONNECT, so the broker publishes the will.
    PowerLoss,
    /// The line is cut while the device runs on: no DISCONNECT, so the broker publishes the will. What was not
    /// acknowledged is still the device's to send.
    Cut,
}

/// Something worth telling about a device.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// The behaviour started.
    Started(StartCause),
    /// The behaviour ended in order.
    Stopped(StopReason),
    /// The behaviour ended by itself; the device starts again after this long, or never.
    Trapped(Trap, Option<Duration>),
    /// Another version of the behaviour has taken over, or will be there at the next start.
    Swapped(Change),
    /// Another version could not take over, and why. The old one goes on.
    SwapRefused(Change, SwapRefusal),
    /// A version trapped while it was on trial; from it to the one that goes on.
    SwapUndone(Change, Trap),
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
    Dropped(Topic, Cause),
}

/// Why a message is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A fault took it; the last one, where it took several copies.
    Fault(FaultId),
    /// QoS 0, and the connection was down.
    Offline,
    /// Its queue was full.
    QueueFull,
    /// It came from outside and is larger than the device takes, which is this many bytes.
    TooLarge(u32),
}
