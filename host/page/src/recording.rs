//! A recording: the devices of a run, their states over time, and measurements.
//!
//! All times are seconds of the run's clock. States before the first change are in [`Recording::states`]; the state at
//! another time follows from the changes up to it, so that a page can show any moment.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::journey::Journey;

/// State of a device. A recording writes it as one letter, because it has one for each device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The device runs and is connected.
    Connected,
    /// The device runs and is not connected.
    Offline,
    /// A fault pauses the MQTT loop of the device.
    Silent,
    /// The device lost power, or its behaviour trapped; it restarts automatically.
    Crashed,
    /// The device was stopped, or has not been started yet.
    Stopped,
    /// The behaviour of the device refused to start.
    Failed,
}

impl State {
    /// The letter of the state.
    pub fn letter(self) -> char {
        match self {
            Self::Connected => 'c',
            Self::Offline => 'o',
            Self::Silent => 's',
            Self::Crashed => 'x',
            Self::Stopped => 'd',
            Self::Failed => 'f',
        }
    }
}

/// What is known of a run.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Recording {
    /// Version of this format.
    pub format: u32,
    /// True for a run that goes on.
    pub live: bool,
    /// Name of the run.
    pub title: String,
    /// Version of the program.
    pub version: String,
    /// Seed of the run, as text, because it may exceed the whole numbers of JavaScript.
    pub seed: String,
    /// URL of the broker.
    pub broker: String,
    /// First levels of the topics of the fleet.
    pub topic_root: String,
    /// Time at which the run began, in seconds since 1970; absent for a run whose clock is virtual.
    pub began_unix_s: Option<f64>,
    /// The groups.
    pub groups: Vec<Group>,
    /// Names of the devices.
    pub names: Vec<String>,
    /// For each device, the position of its group.
    pub group_of: Vec<u32>,
    /// Pairs of positions of linked devices.
    pub links: Vec<(u32, u32)>,
    /// Places of the devices on a map, from 0 to 1; empty if the run gives none.
    pub layout: Vec<(f32, f32)>,
    /// Time of [`Self::states`].
    pub from_s: f64,
    /// End of the recording.
    pub to_s: f64,
    /// One letter for each device: `c` connected, `o` offline, `s` silent, `x` crashed, `d` stopped, `f` failed.
    pub states: String,
    /// Reasons of these states, by position, where there is one.
    pub reasons: BTreeMap<u32, String>,
    /// Changes of states, in order of time.
    pub changes: Vec<Change>,
    /// Measurements, in order of time.
    pub samples: Vec<Sample>,
    /// Actions and changes of faults, in order of time.
    pub marks: Vec<Mark>,
    /// Events of messages, for recordings of finished runs.
    pub events: Vec<serde_json::Value>,
    /// Journeys of messages, for a recording without a server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub journeys: Vec<Journey>,
    /// What the recording lacks, in a sentence; empty if it is complete.
    pub truncated: String,
}

impl Recording {
    /// Version of this format.
    pub const FORMAT: u32 = 1;
}

/// A group of devices.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "RecordedGroup")]
pub struct Group {
    /// Name of the group.
    pub name: String,
    /// Name of its behaviour.
    pub behaviour: String,
}

/// A device got another state: time, position of the device, letter of the state, and the reason if there is one.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "StateChange")]
pub struct Change(pub f64, pub u32, pub char, pub Option<String>);

/// Measurements of an interval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Sample {
    /// End of the interval.
    pub at_s: f64,
    /// Length of the interval.
    pub span_s: f64,
    /// Devices that exist.
    pub devices: u64,
    /// Devices that are connected and not silent.
    pub up: u64,
    /// Messages published by behaviours.
    pub generated: u64,
    /// Messages that left for good.
    pub sent: u64,
    /// Messages given to behaviours.
    pub received: Option<u64>,
    /// Receptions that a run without any loss would have had; absent where it is not known.
    pub expected: Option<u64>,
    /// Messages that faults dropped, by fault.
    pub dropped: BTreeMap<String, u64>,
    /// Messages that were lost without a connection.
    pub lost_offline: Option<u64>,
    /// Messages that were refused.
    pub refused: u64,
    /// Traps of behaviours.
    pub traps: Option<u64>,
    /// Connected devices whose ping the broker has not answered for three seconds; absent where it is not known.
    pub unanswered: Option<u64>,
    /// The longest of these waits, in seconds.
    pub unanswered_s: Option<f64>,
    /// Messages that wait at the end of the interval.
    pub waiting: Option<u64>,
    /// Median latency of the messages that arrived, in seconds.
    pub latency_p50_s: Option<f64>,
    /// 95th percentile of latency, in seconds.
    pub latency_p95_s: Option<f64>,
    /// 99th percentile of latency, in seconds.
    pub latency_p99_s: Option<f64>,
    /// Mean lateness of the host's timers, in seconds; absent in virtual time.
    pub lag_s: Option<f64>,
}

/// An action, or a change of faults, for a mark on plots.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Mark {
    /// Time.
    pub at_s: f64,
    /// End, for something that lasts.
    pub until_s: Option<f64>,
    /// Kind, such as `faults`, `crash` or `updated`.
    pub kind: String,
    /// Description.
    pub text: String,
}
