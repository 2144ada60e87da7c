//! The kinds of faults, and the fields that each of them takes.

use serde::{Deserialize, Serialize};

/// The kinds of faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Messages take their time.
    Delay,
    /// Messages vanish.
    #[default]
    Loss,
    /// Messages arrive more than once.
    Duplicate,
    /// Payloads change on the way.
    Corrupt,
    /// Messages are overtaken.
    Reorder,
    /// Messages go through a line that carries so much and no more.
    Bandwidth,
    /// Devices cannot reach each other, or the broker.
    Partition,
    /// What somebody's own model says, which is a WebAssembly component.
    Component,
    /// The bytes of the connection stand still.
    Stall,
    /// The connection ends at once, and what is under way with it.
    Reset,
    /// The bytes of the connection are slow.
    Throttle,
    /// The bytes of the connection lead nowhere, and nobody is told.
    HalfOpen,
    /// The MQTT loop stands still.
    Silence,
    /// The behaviour stands still, and the MQTT loop with it.
    Hang,
    /// The device loses its memory and restarts.
    Crash,
    /// The connection breaks.
    Disconnect,
    /// The calendar clock is wrong.
    Clock,
    /// The device lives on a battery.
    Battery,
    /// The broker stands still.
    #[serde(alias = "broker-pause")]
    BrokerPause,
    /// The broker is not there for a while.
    #[serde(alias = "broker-restart")]
    BrokerRestart,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Delay,
        Self::Loss,
        Self::Duplicate,
        Self::Corrupt,
        Self::Reorder,
        Self::Bandwidth,
        Self::Partition,
        Self::Component,
        Self::Stall,
        Self::Reset,
        Self::Throttle,
        Self::HalfOpen,
        Self::Silence,
        Self::Hang,
        Self::Crash,
        Self::Disconnect,
        Self::Clock,
        Self::Battery,
        Self::BrokerPause,
        Self::BrokerRestart,
    ];

    /// The kind as it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::Loss => "loss",
            Self::Duplicate => "duplicate",
            Self::Corrupt => "corrupt",
            Self::Reorder => "reorder",
            Self::Bandwidth => "bandwidth",
            Self::Partition => "partition",
            Self::Component => "component",
            Self::Stall => "stall",
            Self::Reset => "reset",
            Self::Throttle => "throttle",
            Self::HalfOpen => "half_open",
            Self::Silence => "silence",
            Self::Hang => "hang",
            Self::Crash => "crash",
            Self::Disconnect => "disconnect",
            Self::Clock => "clock",
            Self::Battery => "battery",
            Self::BrokerPause => "broker_pause",
            Self::BrokerRestart => "broker_restart",
        }
    }

    /// The fields that mean something to this kind, beside those of every kind.
    pub fn fields(self, distribution: Option<DelayKind>) -> &'static [&'static str] {
        match self {
            Self::Delay => distribution.unwrap_or_default().fields(),
            Self::Loss => &["direction", "probability", "run_length"],
            Self::Duplicate => &["direction", "probability", "copies", "apart"],
            Self::Corrupt => &["direction", "probability", "bits"],
            Self::Reorder => &["direction", "probability", "gap", "max"],
            Self::Bandwidth => &["direction", "bytes_per_second", "queue_bytes"],
            Self::Partition => &["direction", "peers", "every", "probability", "for"],
            Self::Component => &["direction", "file", "config"],
            Self::Stall => &["direction", "every", "probability", "for", "together"],
            Self::Reset => &["every", "probability", "together"],
            Self::Throttle => {
                &["direction", "bytes_per_second", "buffer_bytes", "every", "probability", "for", "together"]
            }
            Self::HalfOpen => &["direction", "every", "probability", "together"],
            Self::Silence | Self::Hang | Self::Disconnect => &["every", "probability", "for", "together"],
            Self::Crash => &["every", "probability", "for", "together", "times", "uptime"],
            Self::BrokerPause => &["every", "probability", "for"],
            Self::BrokerRestart => &["every", "probability", "for", "persistent"],
            Self::Clock => &["offset", "offset_spread", "drift_ppm", "drift_spread_ppm"],
            Self::Battery => &[
                "capacity_joules",
                "idle_watts",
                "send_joules",
                "send_joules_per_byte",
                "receive_joules",
                "receive_joules_per_byte",
                "event_joules",
                "recharge",
            ],
        }
    }
}

/// The distributions of delays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DelayKind {
    /// Even from `min` to `max`.
    #[default]
    Uniform,
    /// Always `mean`.
    Constant,
    /// Normal with `mean` and `std`, truncated at zero.
    Normal,
    /// Lognormal, with `mean` and `std` of the delay itself.
    LogNormal,
    /// Pareto with the scale `min` and the exponent `shape`.
    Pareto,
}

impl DelayKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Uniform, Self::Constant, Self::Normal, Self::LogNormal, Self::Pareto];

    /// The distribution as it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Constant => "constant",
            Self::Normal => "normal",
            Self::LogNormal => "lognormal",
            Self::Pareto => "pareto",
        }
    }

    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Uniform => &["direction", "probability", "distribution", "min", "max", "correlation"],
            Self::Constant => &["direction", "probability", "distribution", "mean"],
            Self::Normal | Self::LogNormal => {
                &["direction", "probability", "distribution", "mean", "std", "correlation"]
            }
            Self::Pareto => &["direction", "probability", "distribution", "min", "shape", "correlation"],
        }
    }
}
