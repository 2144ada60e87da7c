//! Fault models of devices, links and the broker.
//!
//! A [`document`] lists faults, each with a target: the fleet, a group or single devices. For a fault of the
//! message plane, a rule returns one [`Verdict`] for each message. A fault of the device plane is an
//! [`outage`], which a random trial starts and the clock ends. The [`injector`] applies both, and counts
//! their effects in the ledger under the fault's id.
//!
//! | plane | kinds |
//! |---|---|
//! | message | [`delay`], [`loss`], [`duplicate`], [`corrupt`], [`reorder`], [`bandwidth`], [`partition`], [`component`] |
//! | byte stream | [`stall`], [`reset`], [`throttle`], [`half_open`] (applied by [`link`](crate::link), see [`byte_stream`]) |
//! | device | [`silence`], [`hang`], [`crash`], [`disconnect`] (see [`outage`]), [`clock`], [`battery`] |
//! | broker | [`broker_pause`], [`broker_restart`] (of the whole fleet, outside of the injector: see [`broker`]) |
//!
//! To add a kind: a file with its fields, their checks, its checked parameters, its digest and its verdict, one
//! line in the list below, and its docs in `docs/faults.md`. The schema, the error messages and the API follow.
//! A kind whose only fields are those of its recurrence is declared with the macro in `recurring`.

pub mod bandwidth;
pub mod battery;
pub mod broker;
pub mod broker_pause;
pub mod broker_restart;
mod by_id;
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
mod recurring;
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

/// Name of a fault within its document, and its key in the ledger.
pub type FaultId = Arc<str>;

/// Direction of a message, from the device's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the device to the broker.
    Out,
    /// From the broker to the device.
    In,
}

/// Directions that a fault affects.
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
    /// Messages from the device.
    #[default]
    Out,
    /// Messages to the device.
    In,
    /// Both directions.
    Both,
}

impl Directions {
    /// Whether a direction is included.
    pub fn include(self, direction: Direction) -> bool {
        match self {
            Self::Both => true,
            Self::Out => direction == Direction::Out,
            Self::In => direction == Direction::In,
        }
    }
}

/// A fault with its id and its target.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Id of the fault, unique in its document.
    pub id: FaultId,
    /// Devices that the fault affects.
    pub target: Target,
    /// Kind of the fault, with its parameters.
    pub model: Model,
}

impl Fault {
    /// Whether another fault has the same id and kind. Its parameters may differ.
    pub fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.model.kind() == other.model.kind()
    }
}

fault_kinds! {
    /// Delays messages.
    Delay = "delay", delay::DelaySpec, delay::Delay;
    /// Drops messages.
    Loss = "loss", loss::LossSpec, loss::Loss;
    /// Duplicates messages.
    Duplicate = "duplicate", duplicate::DuplicateSpec, duplicate::Duplicate;
    /// Corrupts payloads.
    Corrupt = "corrupt", corrupt::CorruptSpec, corrupt::Corrupt;
    /// Reorders messages.
    Reorder = "reorder", reorder::ReorderSpec, reorder::Reorder;
    /// Limits the bandwidth of messages.
    Bandwidth = "bandwidth", bandwidth::BandwidthSpec, bandwidth::Bandwidth;
    /// Drops messages between two sets of devices, or between devices and the broker.
    Partition = "partition", partition::PartitionSpec, partition::Partition;
    /// Passes messages to a fault model of the user, a WebAssembly component.
    Component = "component", component::ComponentSpec, component::Component;
    /// Stalls the byte stream of the connection.
    Stall = "stall", stall::StallSpec, stall::Stall;
    /// Resets the connection; bytes in flight are lost.
    Reset = "reset", reset::ResetSpec, reset::Reset;
    /// Limits the rate of the connection's byte stream.
    Throttle = "throttle", throttle::ThrottleSpec, throttle::Throttle;
    /// Discards the bytes of the connection without notice to either end.
    HalfOpen = "half_open", half_open::HalfOpenSpec, half_open::HalfOpen;
    /// Pauses the MQTT loop of the device; the broker detects this only by its keepalive timeout.
    Silence = "silence", silence::SilenceSpec, silence::Silence;
    /// Pauses the behaviour of the device and its MQTT loop.
    Hang = "hang", hang::HangSpec, hang::Hang;
    /// Cuts the power of the device, which loses its memory and restarts, once or several times.
    Crash = "crash", crash::CrashSpec, crash::Crash;
    /// Breaks the connection without DISCONNECT, and prevents reconnects for some time.
    Disconnect = "disconnect", disconnect::DisconnectSpec, disconnect::Disconnect;
    /// Gives the calendar clock of the device an error.
    Clock = "clock", clock::ClockSpec, clock::Clock;
    /// Gives the device a battery.
    Battery = "battery", battery::BatterySpec, battery::Battery;
    /// Pauses the broker.
    BrokerPause = "broker_pause" | "broker-pause", broker_pause::BrokerPauseSpec, broker_pause::BrokerPause;
    /// Stops the broker, and starts it again after some time.
    BrokerRestart = "broker_restart" | "broker-restart",
        broker_restart::BrokerRestartSpec, broker_restart::BrokerRestart;
}

impl Model {
    /// Whether the device neither sends nor receives anything while the fault is active.
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

/// Verdict of a rule on one message.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The message passes unchanged.
    Pass,
    /// The message is delayed by this duration.
    Delay(Duration),
    /// The message is dropped.
    Drop,
    /// Copies are sent in addition to the message.
    Duplicate {
        /// Number of copies.
        copies: u32,
        /// Time between successive copies.
        apart: Duration,
    },
    /// The message passes with this payload instead of its own.
    Corrupt(Bytes),
    /// The message is held back until others have overtaken it.
    HoldBack {
        /// Number of messages that must overtake it.
        others: u32,
        /// Longest time for which it is held back.
        at_most: Duration,
    },
}

/// Input of a rule.
#[derive(Debug)]
pub struct RuleInput<'a> {
    /// The message itself.
    pub message: &'a Message,
    /// Current time of the run's clock.
    pub now: Time,
    /// Random number stream of the fault.
    pub rng: &'a mut Stream,
    /// State of the rule for this direction.
    pub state: &'a mut RuleState,
    /// Whether one more message can be held back.
    pub can_hold: bool,
}

/// State of a rule for one direction.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RuleState {
    /// No state, or no message yet.
    #[default]
    Nothing,
    /// Gaussian number from which the last delay was computed.
    Gaussian(f64),
    /// Whether the last message was lost.
    Lost(bool),
    /// Time at which the link has transmitted all earlier messages.
    BusyUntil(Time),
}

/// Active fault that the device can observe on itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveFault {
    /// The fault.
    pub id: FaultId,
    /// Name of the fault's kind.
    pub kind: &'static str,
    /// End time; `None` for a fault that stays active until it is removed.
    pub until: Option<Time>,
}
