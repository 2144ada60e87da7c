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
//! | byte stream | [`stall`], [`reset`], [`throttle`], [`half_open`] (obeyed by [`link`](crate::link), see [`byte_stream`]) |
//! | device | [`silence`], [`hang`], [`crash`], [`disconnect`] (see [`outage`]), [`clock`], [`battery`] |
//! | broker | [`broker_pause`], [`broker_restart`] (for the whole fleet and not for the injector, see [`broker`]) |
//!
//! To add a kind: a file with its fields, their checks, its checked parameters, its digest and its verdict, one
//! line in the list below, and its docs in `docs/faults.md`. The schema, the error messages and the API follow.

pub mod bandwidth;
pub mod battery;
pub mod broker;
pub mod broker_pause;
pub mod broker_restart;
pub mod byte_stream;
mod checks;
pub mod clock;
pub mod component;
pub mod corrupt;
pub mod crash;
pub mod delay;
pub mod disconnect;
pub mod document;
pub mod duplicate;
mod fault_model;
pub mod half_open;
pub mod hang;
pub mod injector;
mod kind;
pub mod loss;
pub mod outage;
pub mod partition;
pub mod reorder;
pub mod reset;
pub mod silence;
pub mod span;
pub mod stall;
pub mod target;
pub mod throttle;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;

use crate::digest::{Digest, Encode};
use crate::rng::Stream;
use checks::{CheckContext, FieldError};
use kind::{KindModel, KindSpec, fault_kinds};
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
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
)]
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

fault_kinds! {
    /// Messages take their time.
    Delay = "delay", delay::DelaySpec, delay::Delay;
    /// Messages vanish.
    Loss = "loss", loss::LossSpec, loss::Loss;
    /// Messages arrive more than once.
    Duplicate = "duplicate", duplicate::DuplicateSpec, duplicate::Duplicate;
    /// Payloads change on the way.
    Corrupt = "corrupt", corrupt::CorruptSpec, corrupt::Corrupt;
    /// Messages are overtaken.
    Reorder = "reorder", reorder::ReorderSpec, reorder::Reorder;
    /// Messages go through a line that carries so much and no more.
    Bandwidth = "bandwidth", bandwidth::BandwidthSpec, bandwidth::Bandwidth;
    /// Devices cannot reach each other, or the broker.
    Partition = "partition", partition::PartitionSpec, partition::Partition;
    /// A model of the user's own, a WebAssembly component, judges messages.
    Component = "component", component::ComponentSpec, component::Component;
    /// The bytes of the connection stand still.
    Stall = "stall", stall::StallSpec, stall::Stall;
    /// The connection ends at once, and the bytes in flight are lost.
    Reset = "reset", reset::ResetSpec, reset::Reset;
    /// The bytes of the connection are slow.
    Throttle = "throttle", throttle::ThrottleSpec, throttle::Throttle;
    /// The bytes of the connection lead nowhere, and neither end learns of it.
    HalfOpen = "half_open", half_open::HalfOpenSpec, half_open::HalfOpen;
    /// The MQTT loop of the device stands still; the broker has to find out.
    Silence = "silence", silence::SilenceSpec, silence::Silence;
    /// The behaviour of the device stands still, and its MQTT loop with it.
    Hang = "hang", hang::HangSpec, hang::Hang;
    /// The device loses power and its memory, and starts again; perhaps several times in a row.
    Crash = "crash", crash::CrashSpec, crash::Crash;
    /// The connection breaks without a DISCONNECT, and stays away for a while.
    Disconnect = "disconnect", disconnect::DisconnectSpec, disconnect::Disconnect;
    /// The calendar clock of the device is wrong.
    Clock = "clock", clock::ClockSpec, clock::Clock;
    /// The device lives on a battery.
    Battery = "battery", battery::BatterySpec, battery::Battery;
    /// The broker stands still.
    BrokerPause = "broker_pause" | "broker-pause", broker_pause::BrokerPauseSpec, broker_pause::BrokerPause;
    /// The broker is not there for a while.
    BrokerRestart = "broker_restart" | "broker-restart",
        broker_restart::BrokerRestartSpec, broker_restart::BrokerRestart;
}

impl Model {
    /// Whether nothing goes in or out of the device while it holds.
    pub fn silences(&self) -> bool {
        matches!(self, Self::Silence(_) | Self::Hang(_))
    }
}

impl Encode for Fault {
    fn encode(&self, into: &mut Digest) {
        let Self { id, target: Target { group, device }, model } = self;
        into.write_variant(0, &[id, group, device, &model.kind(), model]);
    }
}

impl Encode for Direction {
    fn encode(&self, into: &mut Digest) {
        into.write_word(match self {
            Self::Out => 1,
            Self::In => 2,
        });
    }
}

impl Encode for Directions {
    fn encode(&self, into: &mut Digest) {
        into.write_word(match self {
            Self::Out => 1,
            Self::In => 2,
            Self::Both => 3,
        });
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
    /// Whether one more message can be held back.
    pub can_hold: bool,
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
