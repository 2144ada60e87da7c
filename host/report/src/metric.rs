//! Metrics of runs.

use wasmote_results::Traffic;

use super::number::{LONGEST_LATENCY, PERCENT, PLAIN, Unit, time_unit};
use super::results::Run;

/// A metric of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Receptions divided by those expected.
    DeliveryRatio,
    /// Mean latency.
    LatencyMean,
    /// Median latency.
    LatencyP50,
    /// 95th percentile of latency.
    LatencyP95,
    /// 99th percentile of latency.
    LatencyP99,
    /// Mean latency from the intended times of publication.
    IntendedMean,
    /// Median of that latency.
    IntendedP50,
    /// 95th percentile of that latency.
    IntendedP95,
    /// 99th percentile of that latency.
    IntendedP99,
    /// Messages published.
    Generated,
    /// Messages handed to MQTT connections.
    Sent,
    /// Receptions.
    Delivered,
    /// Messages that faults dropped.
    Dropped,
}

impl Metric {
    /// All metrics in the order of tables.
    pub const ALL: [Self; 13] = [
        Self::DeliveryRatio,
        Self::LatencyMean,
        Self::LatencyP50,
        Self::LatencyP95,
        Self::LatencyP99,
        Self::IntendedMean,
        Self::IntendedP50,
        Self::IntendedP95,
        Self::IntendedP99,
        Self::Generated,
        Self::Sent,
        Self::Delivered,
        Self::Dropped,
    ];

    /// Name in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::DeliveryRatio => "delivery_ratio",
            Self::LatencyMean => "latency_seconds.mean",
            Self::LatencyP50 => "latency_seconds.p50",
            Self::LatencyP95 => "latency_seconds.p95",
            Self::LatencyP99 => "latency_seconds.p99",
            Self::IntendedMean => "intended_latency_seconds.mean",
            Self::IntendedP50 => "intended_latency_seconds.p50",
            Self::IntendedP95 => "intended_latency_seconds.p95",
            Self::IntendedP99 => "intended_latency_seconds.p99",
            Self::Generated => "generated",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Dropped => "dropped",
        }
    }

    /// Name for readers.
    pub fn name(self) -> &'static str {
        match self {
            Self::DeliveryRatio => "delivery ratio",
            Self::LatencyMean => "mean latency",
            Self::LatencyP50 => "latency p50",
            Self::LatencyP95 => "latency p95",
            Self::LatencyP99 => "latency p99",
            Self::IntendedMean => "mean intended latency",
            Self::IntendedP50 => "intended latency p50",
            Self::IntendedP95 => "intended latency p95",
            Self::IntendedP99 => "intended latency p99",
            Self::Generated => "generated",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Dropped => "dropped by faults",
        }
    }

    /// The metric of one run; `None` if the run does not have it.
    pub fn of(self, run: &Run) -> Option<f64> {
        match self {
            Self::Sent | Self::Dropped if run.is_partial => None,
            Self::Sent => Some(run.summary.traffic.sent as f64),
            Self::Dropped => Some(run.summary.dropped() as f64),
            other => other.of_traffic(&run.summary.traffic),
        }
    }

    /// The metric of a group or a phase, which do not have all metrics.
    pub fn of_traffic(self, traffic: &Traffic) -> Option<f64> {
        let latency = &traffic.latency_seconds;
        // Equal to the other one if no message was late.
        let intended = traffic.intended_latency_seconds.as_ref().unwrap_or(latency);
        match self {
            Self::DeliveryRatio => traffic.delivery_ratio,
            Self::LatencyMean => latency.mean,
            Self::LatencyP50 => latency.p50,
            Self::LatencyP95 => latency.p95,
            Self::LatencyP99 => latency.p99,
            Self::IntendedMean => intended.mean,
            Self::IntendedP50 => intended.p50,
            Self::IntendedP95 => intended.p95,
            Self::IntendedP99 => intended.p99,
            Self::Generated => Some(traffic.generated as f64),
            Self::Delivered => Some(traffic.delivered as f64),
            Self::Sent | Self::Dropped => None,
        }
    }

    /// The unit that suits values of up to `largest`.
    pub fn unit(self, largest: f64) -> Unit {
        match self {
            Self::DeliveryRatio => PERCENT,
            _ if self.is_latency() => time_unit(largest.min(LONGEST_LATENCY)),
            _ => PLAIN,
        }
    }

    /// True if the metric is a time.
    pub fn is_latency(self) -> bool {
        matches!(self, Self::LatencyMean | Self::LatencyP50 | Self::LatencyP95 | Self::LatencyP99)
            || self.is_intended_latency()
    }

    /// True if the metric is a latency from the intended times of publication.
    fn is_intended_latency(self) -> bool {
        matches!(self, Self::IntendedMean | Self::IntendedP50 | Self::IntendedP95 | Self::IntendedP99)
    }

    /// True if the metric says more than the others: latencies from the intended times do so only if a message was late.
    pub fn is_of_interest<'a>(self, traffic: impl IntoIterator<Item = &'a Traffic>) -> bool {
        !self.is_intended_latency()
            || traffic.into_iter().any(|traffic| traffic.intended_latency_seconds.is_some())
    }
}
