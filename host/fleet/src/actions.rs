//! Actions: the changes that a plan's timeline, a user over HTTP or an experiment on a cluster makes to a running fleet.
//!
//! [`Action`] is one action as a plan file writes it. It is the only such type: an entry of a `[[timeline]]` is a
//! [`entry::TimelineEntry`] with its time; the [`audit`] of changes over HTTP is a list of actions, and
//! `timeline-as-run.toml` is those actions written back as entries.
//!
//! Before a run, [`TimelineAction::check`] compares an action with the plan (see [`compile`]) and turns it into
//! [`step::Step`]s: a ramp becomes one step for each value, a partition becomes a begin and an end. A step has loaded
//! fault sets and resolved groups, so that nothing about the plan can fail during the run. It can
//!
//! * describe itself for `timeline.csv` and logs ([`Step::describe`](step::Step::describe)),
//! * apply itself to a fleet ([`Step::apply`](step::Step::apply)), which is a [`target::Target`], and
//! * say which HTTP requests the pods of a cluster need for it, or why a cluster cannot do it
//!   ([`Step::requests`](step::Step::requests)).
//!
//! To add an action: write its file here with its fields, `check` and step; add one line to the list in this file; and
//! describe it in `docs/experiments.md`. Only an effect that no action had before needs a method of [`target::Target`].
//!
//! # Why steps are trait objects and the target is a trait
//!
//! This module is below the experiment: the HTTP API needs [`Action`] for its audit and must not depend on plans. The
//! experiment's orchestrator knows things that do not belong here (which devices joined, which versions were uploaded),
//! so it implements [`target::Target`], and each step calls that. A second enum for checked actions would be a second
//! list to extend with each action, and its variants would be public although only their own file uses them; `dyn Step`
//! avoids that. The price is that the error of [`target::Target`] is boxed.

pub mod add;
pub mod audit;
pub mod broker;
pub mod check;
pub mod compile;
pub mod configure;
pub mod crash;
pub mod disconnect;
pub mod entry;
pub mod faults;
mod names;
pub mod partition;
pub mod pods;
pub mod power;
pub mod problem;
pub mod publish;
pub mod ramp;
pub mod request;
pub mod rotate;
pub mod scope;
pub mod selector;
pub mod start;
pub mod step;
pub mod stop;
pub mod swap;
pub mod target;
mod timed_fault;

use schemars::{Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::MapAccess;
use wasmote_live::fleet::PowerCommand;

use check::{Occasion, PlanState, Planned};
use problem::Problem;
use scope::EntryScope;
use selector::Selector;

/// Behaviour of one kind of action before a run; [`Action`] hands each call to the action that it holds.
pub trait TimelineAction {
    /// Checks the action against the plan and returns its steps with their times.
    fn check(&self, occasion: Occasion, plan: &PlanState<'_>) -> Result<Vec<Planned>, Problem>;

    /// `group` and `device` of the timeline entry, for actions that take them.
    fn scope(&self) -> Option<&EntryScope> {
        None
    }

    /// Mutable access to the scope, which is filled in while an entry is read.
    fn scope_mut(&mut self) -> Option<&mut EntryScope> {
        None
    }

    /// Description of the action as a change that a user made over HTTP; `None` if the API has no such change.
    fn describe_edit(&self) -> Option<String> {
        None
    }

    /// Devices that the action switches off.
    fn switched_off(&self) -> Option<&Selector> {
        None
    }
}

/// Declares [`Action`] from one list: the name in a plan file, the variant, and the type with the fields.
macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $name:literal => $variant:ident($type:ty),)+) => {
        /// One action, with the fields that a plan file has for it.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        pub enum Action {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant($type),)+
        }

        impl Action {
            /// Names of all actions, which are the fields of a timeline entry.
            pub const NAMES: &'static [&'static str] = &[$($name),+];

            /// The field of a timeline entry that holds the action.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)+
                }
            }

            /// Reads the value of the map's current key as the action of this name; `None` for null.
            fn read<'de, A: MapAccess<'de>>(name: &str, map: &mut A) -> Result<Option<Self>, A::Error> {
                match name {
                    $($name => Ok(map.next_value::<Option<$type>>()?.map(Self::$variant)),)+
                    _ => Err(serde::de::Error::unknown_field(name, Self::NAMES)),
                }
            }

            /// The schema of each action, by its name, with the description of its variant.
            fn schemas(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
                vec![$({
                    let mut schema = generator.subschema_for::<$type>();
                    schema.insert("description".to_owned(), concat!($($doc),+).trim().into());
                    ($name, schema)
                }),+]
            }

            fn as_dyn(&self) -> &dyn TimelineAction {
                match self {
                    $(Self::$variant(action) => action,)+
                }
            }

            fn as_dyn_mut(&mut self) -> &mut dyn TimelineAction {
                match self {
                    $(Self::$variant(action) => action,)+
                }
            }
        }
    };
}

actions! {
    /// Gives the fleet, a group or devices another fault set.
    "faults" => Faults(faults::Faults),
    /// Changes one field of a fault in steps.
    "ramp" => Ramp(ramp::Ramp),
    /// Cuts the power of devices, which lose their memory and start again after 5 s.
    "crash" => Crash(crash::Crash),
    /// Stops devices cleanly, until they are started again.
    "stop" => Stop(stop::Stop),
    /// Starts devices that were stopped.
    "start" => Start(start::Start),
    /// Breaks the connections of devices for a while.
    "disconnect" => Disconnect(disconnect::Disconnect),
    /// Separates a group from the rest of the fleet for a while.
    "partition" => Partition(partition::Partition),
    /// Gives devices of a group other credentials, with which they connect again.
    "rotate" => Rotate(rotate::Rotate),
    /// Gives devices of a group certificates that have expired, with which they connect again.
    "expire" => Expire(rotate::Expire),
    /// Pauses or restarts the embedded broker.
    "broker" => Broker(broker::Broker),
    /// Publishes a message, as the host or on behalf of devices.
    "publish" => Publish(publish::Publish),
    /// Sends an HTTP request to the behaviours of devices.
    "request" => Request(request::Request),
    /// Adds devices to a group.
    "add" => Add(add::Add),
    /// Restarts a group with another configuration or behaviour.
    "configure" => Configure(configure::Configure),
    /// Gives a group, or some of its devices, another version of the behaviour while they run.
    "swap" => Swap(swap::Swap),
}

impl TimelineAction for Action {
    fn check(&self, occasion: Occasion, plan: &PlanState<'_>) -> Result<Vec<Planned>, Problem> {
        self.as_dyn().check(occasion, plan)
    }

    fn scope(&self) -> Option<&EntryScope> {
        self.as_dyn().scope()
    }

    fn scope_mut(&mut self) -> Option<&mut EntryScope> {
        self.as_dyn_mut().scope_mut()
    }

    fn describe_edit(&self) -> Option<String> {
        self.as_dyn().describe_edit()
    }

    fn switched_off(&self) -> Option<&Selector> {
        self.as_dyn().switched_off()
    }
}

impl Action {
    /// The action that switches one device.
    pub fn power(command: PowerCommand, device: &str) -> Self {
        let selector = Selector { devices: Some(vec![device.to_owned()]), ..Selector::default() };
        match command {
            PowerCommand::Start => Self::Start(start::Start(selector)),
            PowerCommand::Stop => Self::Stop(stop::Stop(selector)),
            PowerCommand::Crash => Self::Crash(crash::Crash(selector)),
        }
    }
}
