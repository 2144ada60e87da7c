//! Faults as values.
//!
//! A fault is written in a [`document`], aimed at the fleet, a group or a device. What happens to
//! messages is judged by a rule between effect and world, one [`Verdict`] a message and a fault; what
//! happens to a device is an [`outage`], begun by a trial and ended by the clock. The [`injector`] is the
//! one place where both are applied, and where each is entered in the ledger under the fault's id.
//!
//! | plane | kinds |
//! |---|---|
//! | message | [`delay`], [`loss`], [`duplicate`], [`corrupt`], [`partition`] |
//! | device | `silence`, `crash`, `disconnect` (all in [`outage`]) |
//!
//! To add a model: a file with its parameters and its `judge`, a variant of [`Model`], and its fields in
//! the document.

pub mod corrupt;
pub mod delay;
pub mod document;
pub mod duplicate;
pub mod injector;
pub mod loss;
pub mod outage;
pub mod partition;
pub mod span;
pub mod target;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::message::Message;
use crate::rng::Stream;
use crate::time::Time;
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
    /// Devices cannot reach each other, or the broker.
    Partition(partition::Partition),
    /// The device's MQTT loop stands still; the broker has to find out.
    Silence(outage::Trials),
    /// The device loses power and its memory, and starts again.
    Crash(outage::Trials),
    /// The connection breaks without a farewell, and stays away for a while.
    Disconnect(outage::Trials),
}

impl Model {
    /// The kind's name in a document.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Delay(_) => "delay",
            Self::Loss(_) => "loss",
            Self::Duplicate(_) => "duplicate",
            Self::Corrupt(_) => "corrupt",
            Self::Partition(_) => "partition",
            Self::Silence(_) => "silence",
            Self::Crash(_) => "crash",
            Self::Disconnect(_) => "disconnect",
        }
    }

    /// When and how often it holds, for those that come and go.
    pub fn trials(&self) -> Option<&outage::Trials> {
        match self {
            Self::Silence(trials) | Self::Crash(trials) | Self::Disconnect(trials) => Some(trials),
            Self::Partition(partition) => partition.trials.as_ref(),
            _ => None,
        }
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
    /// This many copies go beside it.
    Duplicate(u32),
    /// It goes on with this payload.
    Corrupt(Bytes),
}

/// What a rule may look at.
#[derive(Debug)]
pub struct Passage<'a> {
    /// The message itself.
    pub message: &'a Message,
    /// The fault's own random numbers.
    pub draw: &'a mut Stream,
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
