//! One fault as it is written.

use serde::{Deserialize, Serialize};
use wasmote_mqtt::device_id::is_name;

use super::checks::Problem;
use super::kind::{DelayKind, Kind};
use crate::faults::broker::Failure;
use crate::faults::component::{Config, Library};
use crate::faults::span::{SignedSpan, Span};
use crate::faults::target::{Pattern, Target};
use crate::faults::{Directions, Fault, Model};

/// Writes the entry and, from the same list, which of its optional fields are given.
macro_rules! entry {
    ($($(#[doc = $doc:literal])+ $field:ident: $type:ty $(= $name:literal)?,)+) => {
        /// One fault. Which fields it takes depends on its kind.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct FaultEntry {
            /// The name in the ledger; the kind by default.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub id: Option<String>,
            /// What it does.
            pub kind: Kind,
            /// Only for this group.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub group: Option<String>,
            /// Only for devices whose names fit; `*` stands for any run of characters.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub device: Option<String>,
            $(
                $(#[doc = $doc])+
                #[serde(skip_serializing_if = "Option::is_none" $(, rename = $name)?)]
                pub $field: Option<$type>,
            )+
        }

        impl FaultEntry {
            /// The names of all fields, but for those that every kind takes.
            #[cfg(test)]
            pub(super) fn fields() -> &'static [&'static str] {
                &[$(name!($field $($name)?),)+]
            }

            /// Which of these are given.
            fn given(&self) -> impl Iterator<Item = &'static str> {
                let fields = [$((name!($field $($name)?), self.$field.is_some()),)+];
                fields.into_iter().filter_map(|(name, given)| given.then_some(name))
            }
        }
    };
}

macro_rules! name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $name:literal) => {
        $name
    };
}

entry! {
    /// `out`, `in` or `both`; by default `out` for messages, and `both` for partitions and for bytes.
    direction: Directions,
    /// Chance for each message, or for each trial; from 0 to 1.
    probability: f64,
    /// How delays are distributed; `uniform` by default.
    distribution: DelayKind,
    /// Shortest delay.
    min: Span,
    /// Longest delay; of a message that is held back, the longest time.
    max: Span,
    /// Mean delay.
    mean: Span,
    /// Standard deviation of the delay.
    std: Span,
    /// Exponent of the tail of a Pareto distribution.
    shape: f64,
    /// How alike successive delays are, from 0 (default) to 1.
    correlation: f64,
    /// Messages that are lost in a row, on average. Without it losses are independent.
    run_length: f64,
    /// Copies beside the original; 1 by default.
    copies: u32,
    /// How long after the one before it each copy goes; zero by default.
    apart: Span,
    /// Bits that flip; 1 by default.
    bits: u32,
    /// How many others go past a message that is held back; 1 by default.
    gap: u32,
    /// What a line carries each second, in bytes of topics and payloads; of a throttle, in bytes of packets.
    bytes_per_second: u64,
    /// Bytes that can wait for the line; 65,536 by default.
    queue_bytes: u64,
    /// Bytes that can wait in front of a throttle; 65,536 by default.
    buffer_bytes: u64,
    /// The other side of a partition, as names with `*`.
    peers: Vec<String>,
    /// A component that is the model: the name of one that the host knows, or a file.
    file: String,
    /// What the component is configured with.
    config: Config,
    /// Time between two trials.
    every: Span,
    /// How long an outage lasts.
    lasting: Span = "for",
    /// Whether it strikes all devices at once that it is for.
    together: bool,
    /// Crashes in a row; 1 by default.
    times: u32,
    /// How long a device runs between two crashes in a row; 5 s by default.
    uptime: Span,
    /// By how much clocks are ahead at the beginning of the run; behind if negative.
    offset: SignedSpan,
    /// By how much the clock of each device is ahead or behind of that, at most.
    offset_spread: Span,
    /// Microseconds that clocks gain in each second; lose if negative.
    drift_ppm: f64,
    /// How much more or less than that the clock of each device gains, at most.
    drift_spread_ppm: f64,
    /// What a full battery holds, in joules.
    capacity_joules: f64,
    /// Drawn from the battery while the device is on.
    idle_watts: f64,
    /// Drawn for each message sent.
    send_joules: f64,
    /// Drawn for each byte of topic and payload sent.
    send_joules_per_byte: f64,
    /// Drawn for each message received.
    receive_joules: f64,
    /// Drawn for each byte of topic and payload received.
    receive_joules_per_byte: f64,
    /// Drawn for each event that the behaviour deals with.
    event_joules: f64,
    /// How long a device with an empty battery is off until it comes back with a full one.
    recharge: Span,
    /// Whether a broker that restarts still has what it had; by default it has not.
    persistent: bool,
}

impl FaultEntry {
    pub(super) fn fault(&self, library: &dyn Library) -> Result<Fault, Problem> {
        self.reject_unknown_fields()?;
        let id = self.id.as_deref().unwrap_or(self.kind.name());
        if !is_name(id) {
            return Err(("id", format!("`{id}` is no name; use letters, digits, `-`, `_` and `.`")));
        }
        let target = Target { group: self.group.clone(), device: self.device.as_ref().map(Pattern::new) };
        Ok(Fault { id: id.into(), target, model: self.model(library)? })
    }

    fn model(&self, library: &dyn Library) -> Result<Model, Problem> {
        Ok(match self.kind {
            Kind::Delay => Model::Delay(self.delay()?),
            Kind::Loss => Model::Loss(self.loss()?),
            Kind::Duplicate => Model::Duplicate(self.duplicate()?),
            Kind::Corrupt => Model::Corrupt(self.corrupt()?),
            Kind::Reorder => Model::Reorder(self.reorder()?),
            Kind::Bandwidth => Model::Bandwidth(self.bandwidth()?),
            Kind::Partition => Model::Partition(self.partition()?),
            Kind::Component => Model::Component(self.component(library)?),
            Kind::Stall => Model::Stall(self.stall()?),
            Kind::Reset => Model::Reset(self.instant_recurrence()?),
            Kind::Throttle => Model::Throttle(self.throttle()?),
            Kind::HalfOpen => Model::HalfOpen(self.half_open()?),
            Kind::Silence => Model::Silence(self.recurrence()?),
            Kind::Hang => Model::Hang(self.recurrence()?),
            Kind::Crash => Model::Crash(self.recurrence()?, self.repeats()?),
            Kind::Disconnect => Model::Disconnect(self.recurrence()?),
            Kind::Clock => Model::Clock(self.clock()?),
            Kind::Battery => Model::Battery(self.battery()?),
            Kind::BrokerPause => Model::Broker(self.broker_fault(Failure::Pause)?),
            Kind::BrokerRestart => {
                let persistent = self.persistent.unwrap_or(false);
                Model::Broker(self.broker_fault(Failure::Restart { persistent })?)
            }
        })
    }

    fn reject_unknown_fields(&self) -> Result<(), Problem> {
        let known = self.kind.fields(self.distribution);
        let Some(field) = self.given().find(|field| !known.contains(field)) else {
            return Ok(());
        };
        let what = match self.kind {
            Kind::Delay => {
                format!("a delay of distribution `{}`", self.distribution.unwrap_or_default().name())
            }
            kind => format!("a fault of kind `{}`", kind.name()),
        };
        Err((field, format!("{what} does not take it; it takes `{}`", known.join("`, `"))))
    }
}
