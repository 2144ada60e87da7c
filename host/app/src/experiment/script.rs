//! A timeline, checked and in order: who does what when.
//!
//! What depends on nothing but the plan is settled here, such as the steps of a ramp or the document that
//! it leaves behind. What depends on the seed, such as which devices a share means, is settled in the run.

mod compile;
mod detail;
pub mod whom;

use std::sync::Arc;
use std::time::Duration;

use wasmote_sim::faults::broker::Failure;
use wasmote_sim::faults::document::FaultEntry;
use wasmote_sim::faults::target::Pattern;
use wasmote_sim::faults::{Fault, FaultId};
use wasmote_sim::http::HttpRequest;
use wasmote_sim::message::Message;
use wasmote_sim::time::Time;

use crate::config::Group;
use crate::fault_set::FaultSet;
use crate::source::Source;
pub use compile::{INHERIT, compile};
use whom::Chosen;

/// What happens in a run, in order.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// With their times, soonest first.
    pub deeds: Vec<(Time, Deed)>,
    /// The parts of the run that have names, in order.
    pub phases: Vec<Phase>,
    /// Behaviours that come in later.
    pub sources: Vec<Source>,
}

impl Script {
    /// Whether it is the end of a fault that cut devices off, which stay cut off for as long as it said. That is nothing
    /// that anybody would see happen.
    pub fn is_over_by_itself(&self, deed: &Deed) -> bool {
        let Deed::End(ended) = deed else { return false };
        let cut =
            |deed: &Deed| matches!(deed, Deed::Begin(begun, it) if begun == ended && it.chosen.is_some());
        self.deeds.iter().any(|(_, deed)| cut(deed))
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
pub struct Passing {
    /// As a document has it.
    pub entry: FaultEntry,
    /// As devices take it.
    pub fault: Arc<Fault>,
    /// For whom, where it is not for all.
    pub chosen: Option<Chosen>,
}

/// One thing to do.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Other faults from now on; `None` for those of what is wider, and of the beginning.
    Faults(Scope, Option<FaultSet>),
    /// A fault beside the others begins, under this number.
    Begin(usize, Box<Passing>),
    /// The fault with this number ends.
    End(usize),
    /// Lose power.
    Crash(Chosen),
    /// Stop in order.
    Stop(Chosen),
    /// Start again.
    Start(Chosen),
    /// Let the broker fail for so long, in this fault's name.
    Broker(FaultId, Failure, Duration),
    /// Publish a message.
    Publish(Message),
    /// Publish on behalf of devices, through their faults.
    PublishAs(Pattern, Message),
    /// Ask the behaviours of devices over HTTP.
    Ask(Pattern, HttpRequest),
    /// Add this many devices to a group.
    Add(String, u32),
    /// Start a group again, made like this.
    Configure(Box<Group>),
    /// A group, or some of its devices, goes on in this version of its behaviour; a trap in this time brings the old one
    /// back.
    Swap(Box<Group>, Duration, Option<Chosen>),
}

impl Deed {
    /// What it is, in a word or two.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Faults(..) => "faults",
            Self::Begin(_, passing) => passing.fault.model.kind(),
            Self::End(_) => "end of a fault",
            Self::Crash(_) => "crash",
            Self::Stop(_) => "stop",
            Self::Start(_) => "start",
            Self::Broker(_, failure, _) => failure.kind(),
            Self::Publish(_) | Self::PublishAs(..) => "publish",
            Self::Ask(..) => "request",
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
