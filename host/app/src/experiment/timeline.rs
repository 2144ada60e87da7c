//! A timeline, checked and in order: who does what when.
//!
//! What depends on nothing but the plan is settled here, such as the steps of a ramp or the document that
//! it leaves behind. What depends on the seed, such as which devices a share means, is settled in the run.

mod compile;
mod describe;
pub mod selector;

use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_sim::faults::broker::Failure;
use wasmote_sim::faults::document::FaultEntry;
use wasmote_sim::faults::target::Pattern;
use wasmote_sim::faults::{Fault, FaultId};
use wasmote_sim::http::HttpRequest;

use crate::config::Group;
use crate::fault_set::FaultSet;
use crate::source::Source;
pub use compile::{INHERIT, compile};
use selector::Selection;

/// What happens in a run, in order.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// With their times, soonest first.
    pub actions: Vec<(Time, Action)>,
    /// The parts of the run that have names, in order.
    pub phases: Vec<Phase>,
    /// Behaviours that come in later.
    pub sources: Vec<Source>,
}

impl Timeline {
    /// Whether it is the end of a fault that cut devices off, which stay cut off for as long as it said. That is nothing
    /// that anybody would see happen.
    pub fn is_implicit_end(&self, action: &Action) -> bool {
        let Action::EndFault(ended) = action else { return false };
        let is_timed_disconnect = |action: &Action| matches!(action, Action::BeginFault(number, it) if number == ended && it.selection.is_some());
        self.actions.iter().any(|(_, action)| is_timed_disconnect(action))
    }
}

/// A part of the run with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// What it is called.
    pub name: String,
    /// When it begins.
    pub from: Time,
    /// When it ends.
    pub to: Time,
}

/// A fault that comes beside the others for a while.
#[derive(Clone, Debug)]
pub struct TimedFault {
    /// As a document has it.
    pub entry: FaultEntry,
    /// As devices take it.
    pub fault: Arc<Fault>,
    /// For whom, where it is not for all.
    pub selection: Option<Selection>,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// Other faults from now on; `None` for those of what is wider, and of the beginning.
    Faults(Scope, Option<FaultSet>),
    /// A fault beside the others begins, under this number.
    BeginFault(usize, Box<TimedFault>),
    /// The fault with this number ends.
    EndFault(usize),
    /// Lose power.
    Crash(Selection),
    /// Stop in order.
    Stop(Selection),
    /// Start again.
    Start(Selection),
    /// Let the broker fail for so long, in this fault's name.
    Broker(FaultId, Failure, Duration),
    /// Publish a message.
    Publish(Message),
    /// Publish on behalf of devices, through their faults.
    PublishAs(Pattern, Message),
    /// Ask the behaviours of devices over HTTP.
    Request(Pattern, HttpRequest),
    /// Add this many devices to a group.
    Add(String, u32),
    /// Start a group again, made like this.
    Configure(Box<Group>),
    /// A group, or some of its devices, goes on in this version of its behaviour; a trap in this time brings the old one
    /// back.
    Swap(Box<Group>, Duration, Option<Selection>),
}

impl Action {
    /// What it is, in a word or two.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Faults(..) => "faults",
            Self::BeginFault(_, timed_fault) => timed_fault.fault.model.kind(),
            Self::EndFault(_) => "end of a fault",
            Self::Crash(_) => "crash",
            Self::Stop(_) => "stop",
            Self::Start(_) => "start",
            Self::Broker(_, failure, _) => failure.kind(),
            Self::Publish(_) | Self::PublishAs(..) => "publish",
            Self::Request(..) => "request",
            Self::Add(..) => "add",
            Self::Configure(_) => "configure",
            Self::Swap(..) => "swap",
        }
    }
}

/// Whose faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's who has none of their own.
    Fleet,
    /// A group's.
    Group(String),
    /// Those of devices whose names fit.
    Devices(Pattern),
}
