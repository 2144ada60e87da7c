//! Faults as values.
//!
//! A fault is written in a [`document`], aimed at the fleet, a group or a device. What happens to
//! messages is judged by a rule between effect and world, one [`Verdict`] a message and a fault; what
//! happens to a device is an [`outage`], begun by a trial and ended by the clock. The [`injector`] is the
//! one place where both are applied, and where each is entered in the ledger under the fault's id.
//!
//! | plane | kinds |
//! |---|---|
//! | message | [`delay`], [`loss`], [`duplicate`], [`corrupt`], [`reorder`], [`bandwidth`], [`partition`], [`component`] |
//! | byte stream | `stall`, `reset`, `throttle`, `half_open` (all in [`byte_stream`], obeyed by [`link`](crate::link)) |
//! | device | `silence`, `hang`, `crash`, `disconnect` (all in [`outage`]), [`clock`], [`battery`] |
//! | broker | `broker_pause`, `broker_restart` (both in [`broker`], for the whole fleet and not for the injector) |
//!
//! To add a model: a file with its parameters and its `judge`, a variant of [`Model`], and its fields in
//! the document.

pub mod bandwidth;
pub mod battery;
pub mod broker;
pub mod byte_stream;
pub mod clock;
pub mod component;
pub mod corrupt;
pub mod delay;
pub mod document;
pub mod duplicate;
pub mod injector;
pub mod loss;
pub mod outage;
pub mod partition;
pub mod reorder;
pub mod span;
pub mod target;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;

use crate::rng::Stream;
use target::Target;

/// The name of a fault within its document. The ledger is kept under it.
pub type FaultId = Arc<str>;

/// Which way a message goes, seen from the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the device to the broker.
    Out,
    /// From the broker to the device.
    In,
}

/// Which ways a fault works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, Hash)]
#[serde(rename_all = "snake_case")]
pub enum Directions {
    /// On what the device publishes.
    #[default]
    Out,
    /// On what is delivered to the device.
    In,
    /// On both.
    Both,
}

impl Directions {
    /// Whether a way is among these.
    pub fn include(self, direction: Direction) -> bool {
        match self {
            Self::Both => true,
            Self::Out => direction == Direction::Out,
            Self::In => direction == Direction::In,
        }
    }
}

/// A fault with its name and its aim.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Unique in its document.
    pub id: FaultId,
    /// The devices that it is for.
    pub target: Target,
    /// What it does.
    pub model: Model,
}

impl Fault {
    /// Whether the other is this one, perhaps with other parameters.
    pub fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.model.kind() == other.model.kind()
    }
}

/// What a fault does.
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    /// Messages take their time.
    Delay(delay::Delay),
    /// Messages vanish.
    Loss(loss::Loss),
    /// Messages arrive more than once.
    Duplicate(duplicate::Duplicate),
    /// Payloads change on the way.
    Corrupt(corrupt::Corrupt),
    /// Messages are overtaken.
    Reorder(reorder::Reorder),
    /// Messages go through a line that carries so much and no more.
    Bandwidth(bandwidth::Bandwidth),
    /// Devices cannot reach each other, or the broker.
    Partition(partition::Partition),
    /// What somebody's own model says.
    Component(component::Component),
    /// The bytes of the connection stand still.
    Stall(byte_stream::Stall),
    /// The connection ends at once, and what is under way with it.
    Reset(outage::Recurrence),
    /// The bytes of the connection are slow.
    Throttle(byte_stream::Throttle),
    /// The bytes of the connection lead nowhere, and nobody is told.
    HalfOpen(byte_stream::HalfOpen),
    /// The device's MQTT loop stands still; the broker has to find out.
    Silence(outage::Recurrence),
    /// The device's behaviour stands still, and its MQTT loop with it.
    Hang(outage::Recurrence),
    /// The device loses power and its memory, and starts again; perhaps several times in a row.
    Crash(outage::Recurrence, outage::Repeats),
    /// The connection breaks without a farewell, and stays away for a while.
    Disconnect(outage::Recurrence),
    /// The device's calendar clock is wrong.
    Clock(clock::Clock),
    /// The device lives on a battery.
    Battery(battery::Battery),
    /// The broker stands still, or is not there for a while.
    Broker(broker::BrokerFault),
}

impl Model {
    /// The kind's name in a document.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Delay(_) => "delay",
            Self::Loss(_) => "loss",
            Self::Duplicate(_) => "duplicate",
            Self::Corrupt(_) => "corrupt",
            Self::Reorder(_) => "reorder",
            Self::Bandwidth(_) => "bandwidth",
            Self::Partition(_) => "partition",
            Self::Component(_) => "component",
            Self::Stall(_) => "stall",
            Self::Reset(_) => "reset",
            Self::Throttle(_) => "throttle",
            Self::HalfOpen(_) => "half_open",
            Self::Silence(_) => "silence",
            Self::Hang(_) => "hang",
            Self::Crash(..) => "crash",
            Self::Disconnect(_) => "disconnect",
            Self::Clock(_) => "clock",
            Self::Battery(_) => "battery",
            Self::Broker(fault) => fault.failure.kind(),
        }
    }

    /// Which ways it works, for those that judge each message by itself.
    pub fn direction(&self) -> Option<Directions> {
        match self {
            Self::Delay(delay) => Some(delay.direction),
            Self::Loss(loss) => Some(loss.direction),
            Self::Duplicate(duplicate) => Some(duplicate.direction),
            Self::Corrupt(corrupt) => Some(corrupt.direction),
            Self::Reorder(reorder) => Some(reorder.direction),
            Self::Bandwidth(bandwidth) => Some(bandwidth.direction),
            Self::Component(component) => Some(component.direction),
            _ => None,
        }
    }

    /// When and how often it holds, for those that come and go.
    pub fn recurrence(&self) -> Option<&outage::Recurrence> {
        match self {
            Self::Reset(recurrence)
            | Self::Silence(recurrence)
            | Self::Hang(recurrence)
            | Self::Crash(recurrence, _)
            | Self::Disconnect(recurrence) => Some(recurrence),
            Self::Stall(stall) => Some(&stall.recurrence),
            Self::HalfOpen(half_open) => Some(&half_open.recurrence),
            Self::Throttle(throttle) => throttle.recurrence.as_ref(),
            Self::Broker(fault) => Some(&fault.recurrence),
            Self::Partition(partition) => partition.recurrence.as_ref(),
            _ => None,
        }
    }

    /// How often one trial brings it, for those that come several times in a row.
    pub fn repeats(&self) -> Option<&outage::Repeats> {
        match self {
            Self::Crash(_, repeats) => Some(repeats),
            _ => None,
        }
    }

    /// Whether nothing goes in or out of the device while it holds.
    pub fn silences(&self) -> bool {
        matches!(self, Self::Silence(_) | Self::Hang(_))
    }
}

/// What a rule says of one message.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing happens.
    Pass,
    /// It goes on later by this much.
    Delay(Duration),
    /// It is gone.
    Drop,
    /// Copies go beside it.
    Duplicate {
        /// This many.
        copies: u32,
        /// Each this long after the one before.
        apart: Duration,
    },
    /// It goes on with this payload.
    Corrupt(Bytes),
    /// It waits until it is overtaken.
    HoldBack {
        /// By this many.
        others: u32,
        /// Or until this long from now.
        at_most: Duration,
    },
}

/// What a rule may look at.
#[derive(Debug)]
pub struct RuleInput<'a> {
    /// The message itself.
    pub message: &'a Message,
    /// Now, on the run's clock.
    pub now: Time,
    /// The fault's own random numbers.
    pub rng: &'a mut Stream,
    /// What the rule remembers of the messages before it that went the same way.
    pub state: &'a mut RuleState,
}

/// What a rule remembers of one way.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RuleState {
    /// Nothing, or no message has come yet.
    #[default]
    Nothing,
    /// The number behind the last delay.
    Gaussian(f64),
    /// Whether the last message was lost.
    Lost(bool),
    /// Until when the line carries what came before.
    BusyUntil(Time),
}

/// A fault that holds a device now, and that the device could notice on itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveFault {
    /// The fault.
    pub id: FaultId,
    /// Its kind's name.
    pub kind: &'static str,
    /// When it ends; `None` for one that stays until it is taken away.
    pub until: Option<Time>,
}
