//! The figures by which runs are judged.

use super::number::{LONGEST_LATENCY, PERCENT, PLAIN, Unit, time_unit};
use super::results::summary::{Summary, Traffic};

/// One figure of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The share of expected receptions that there were.
    DeliveryRatio,
    /// Mean latency.
    LatencyMean,
    /// Median latency.
    LatencyP50,
    /// The latency that 95 of 100 messages do not exceed.
    LatencyP95,
    /// The latency that 99 of 100 messages do not exceed.
    LatencyP99,
    /// Messages published.
    Generated,
    /// Messages handed to MQTT connections.
    Sent,
    /// Receptions.
    Delivered,
    /// Messages that faults took.
    Dropped,
}

impl Metric {
    /// In the order in which tables show them.
    pub const ALL: [Self; 9] = [
        Self::DeliveryRatio,
        Self::LatencyMean,
        Self::LatencyP50,
        Self::LatencyP95,
        Self::LatencyP99,
        Self::Generated,
        Self::Sent,
        Self::Delivered,
        Self::Dropped,
    ];

    /// For programs.
    pub fn key(self) -> &'static str {
        match self {
            Self::DeliveryRatio => "delivery_ratio",
            Self::LatencyMean => "latency_seconds.mean",
            Self::LatencyP50 => "latency_seconds.p50",
            Self::LatencyP95 => "latency_seconds.p95",
            Self::LatencyP99 => "latency_seconds.p99",
            Self::Generated => "generated",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Dropped => "dropped",
        }
    }

    /// For readers.
    pub fn name(self) -> &'static str {
        match self {
            Self::DeliveryRatio => "delivery ratio",
            Self::LatencyMean => "mean latency",
            Self::LatencyP50 => "latency p50",
            Self::LatencyP95 => "latency p95",
            Self::LatencyP99 => "latency p99",
            Self::Generated => "generated",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Dropped => "dropped by faults",
        }
    }

    /// Of one run.
    pub fn of(self, summary: &Summary) -> Option<f64> {
        match self {
            Self::Sent | Self::Dropped if summary.partial => None,
            Self::Sent => Some(summary.sent as f64),
            Self::Dropped => {
                let dropped: u64 = summary.faults.values().map(|it| it.dropped_out + it.dropped_in).sum();
                Some(dropped as f64)
            }
            other => other.of_traffic(&summary.traffic),
        }
    }

    /// Of a group or a phase, which do not have all of them.
    pub fn of_traffic(self, traffic: &Traffic) -> Option<f64> {
        let latency = &traffic.latency_seconds;
        match self {
            Self::DeliveryRatio => traffic.delivery_ratio,
            Self::LatencyMean => latency.mean,
            Self::LatencyP50 => latency.p50,
            Self::LatencyP95 => latency.p95,
            Self::LatencyP99 => latency.p99,
            Self::Generated => Some(traffic.generated as f64),
            Self::Delivered => Some(traffic.delivered as f64),
            Self::Sent | Self::Dropped => None,
        }
    }

    /// The unit that suits figures of up to this size.
    pub fn unit(self, largest: f64) -> Unit {
        match self {
            Self::DeliveryRatio => PERCENT,
            _ if self.is_latency() => time_unit(largest.min(LONGEST_LATENCY)),
            _ => PLAIN,
        }
    }

    /// Whether it is a time.
    pub fn is_latency(self) -> bool {
        matches!(self, Self::LatencyMean | Self::LatencyP50 | Self::LatencyP95 | Self::LatencyP99)
    }
}
