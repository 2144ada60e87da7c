//! Metrics of a behaviour.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::histogram::Histogram;

/// Reason for which a measurement is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordMetricError {
    /// The name is invalid, or belongs to another kind.
    #[error("{0}")]
    InvalidName(String),
    /// The limit on names is reached.
    #[error("the device has {0} metrics, as many as allowed")]
    TooMany(u32),
    /// The value is not finite, or would decrease a counter.
    #[error("the value is not finite, or a counter would fall")]
    InvalidValue,
}

/// Current value of a metric, of one device or summed over devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schemars(inline)]
pub enum Metric {
    /// A value that never falls.
    Counter {
        /// The value, summed over devices.
        sum: f64,
    },
    /// The latest value.
    Gauge {
        /// The value, summed over devices.
        sum: f64,
    },
    /// A distribution.
    Histogram(Box<Histogram>),
}

/// A metric of a behaviour, summed over devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "BehaviourMetric")]
pub struct MetricSum {
    #[serde(flatten)]
    metric: Metric,
    /// Mean of a histogram's observations, or of a gauge over the devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mean: Option<f64>,
    /// Number of devices that have the metric.
    devices: u64,
}

/// Sums of metrics, by behaviour and by name.
pub type MetricSums = BTreeMap<String, BTreeMap<String, MetricSum>>;

/// Error of adding metrics of different types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is of another kind than in the others")]
pub struct TypeMismatch;

impl MetricSum {
    /// Creates the sum of a metric over a number of devices.
    pub fn new(metric: Metric, devices: u64) -> Self {
        let mut sum = Self { metric, mean: None, devices };
        sum.update_mean();
        sum
    }

    /// The summed value.
    pub fn metric(&self) -> &Metric {
        &self.metric
    }

    /// Number of devices that have the metric.
    pub fn devices(&self) -> u64 {
        self.devices
    }

    /// Adds a metric of a number of devices.
    pub fn add(&mut self, metric: &Metric, devices: u64) -> Result<(), TypeMismatch> {
        match (&mut self.metric, metric) {
            (Metric::Counter { sum }, Metric::Counter { sum: more })
            | (Metric::Gauge { sum }, Metric::Gauge { sum: more }) => *sum += more,
            (Metric::Histogram(sum), Metric::Histogram(more)) => sum.merge(more),
            _ => return Err(TypeMismatch),
        }
        self.devices += devices;
        self.update_mean();
        Ok(())
    }

    /// Adds the sum over other devices.
    pub fn merge(&mut self, other: &Self) -> Result<(), TypeMismatch> {
        self.add(&other.metric, other.devices)
    }

    fn update_mean(&mut self) {
        self.mean = match &self.metric {
            Metric::Histogram(histogram) => histogram.mean(),
            Metric::Gauge { sum } if self.devices > 0 => Some(sum / self.devices as f64),
            Metric::Gauge { .. } | Metric::Counter { .. } => None,
        };
    }
}

impl Metric {
    fn kind(&self) -> &'static str {
        match self {
            Self::Counter { .. } => "counter",
            Self::Gauge { .. } => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// Metrics of a device by name.
#[derive(Clone, Debug)]
pub struct Metrics {
    most: u32,
    by_name: BTreeMap<Box<str>, Metric>,
}

/// Longest name of a metric.
const MAX_NAME_LENGTH: usize = 64;

impl Metrics {
    /// Creates an empty set with this limit on names.
    pub fn new(most: u32) -> Self {
        Self { most, by_name: BTreeMap::new() }
    }

    /// All metrics, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Metric)> {
        self.by_name.iter().map(|(name, metric)| (&**name, metric))
    }

    /// Adds to a counter.
    pub fn count(&mut self, name: &str, amount: f64) -> Result<(), RecordMetricError> {
        if !amount.is_finite() || amount < 0.0 {
            return Err(RecordMetricError::InvalidValue);
        }
        match self.entry(name, || Metric::Counter { sum: 0.0 })? {
            Metric::Counter { sum } => *sum += amount,
            other => return Err(wrong_kind(name, "counter", other)),
        }
        Ok(())
    }

    /// Sets a gauge.
    pub fn gauge(&mut self, name: &str, value: f64) -> Result<(), RecordMetricError> {
        if !value.is_finite() {
            return Err(RecordMetricError::InvalidValue);
        }
        match self.entry(name, || Metric::Gauge { sum: 0.0 })? {
            Metric::Gauge { sum } => *sum = value,
            other => return Err(wrong_kind(name, "gauge", other)),
        }
        Ok(())
    }

    /// Records an observation in a histogram.
    pub fn observe(&mut self, name: &str, value: f64) -> Result<(), RecordMetricError> {
        if !value.is_finite() {
            return Err(RecordMetricError::InvalidValue);
        }
        match self.entry(name, || Metric::Histogram(Box::default()))? {
            Metric::Histogram(histogram) => histogram.observe(value),
            other => return Err(wrong_kind(name, "histogram", other)),
        }
        Ok(())
    }

    fn entry(
        &mut self,
        name: &str,
        fresh: impl FnOnce() -> Metric,
    ) -> Result<&mut Metric, RecordMetricError> {
        if !self.by_name.contains_key(name) {
            check_name(name)?;
            if self.by_name.len() >= self.most as usize {
                return Err(RecordMetricError::TooMany(self.most));
            }
        }
        Ok(self.by_name.entry(name.into()).or_insert_with(fresh))
    }
}

fn check_name(name: &str) -> Result<(), RecordMetricError> {
    let legal = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= MAX_NAME_LENGTH
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if legal {
        return Ok(());
    }
    let shown: String = name.chars().take(MAX_NAME_LENGTH).collect();
    Err(RecordMetricError::InvalidName(format!(
        "`{shown}` cannot name a metric: use a-z, 0-9 and `_`, a letter first, at most {MAX_NAME_LENGTH}"
    )))
}

fn wrong_kind(name: &str, wanted: &str, found: &Metric) -> RecordMetricError {
    RecordMetricError::InvalidName(format!("`{name}` is a {}, not a {wanted}", found.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_kind_and_counters_never_fall() {
        let mut metrics = Metrics::new(2);
        metrics.count("routes_total", 2.0).unwrap();
        metrics.count("routes_total", 0.5).unwrap();
        assert_eq!(metrics.count("routes_total", -1.0), Err(RecordMetricError::InvalidValue));
        assert!(matches!(
            metrics.gauge("routes_total", 1.0),
            Err(RecordMetricError::InvalidName(why)) if why.contains("is a counter")
        ));
        metrics.observe("hops", 3.0).unwrap();
        assert_eq!(metrics.gauge("third", 1.0), Err(RecordMetricError::TooMany(2)));
        assert!(matches!(metrics.gauge("Bad Name", 1.0), Err(RecordMetricError::InvalidName(_))));
        let values: Vec<_> = metrics.iter().map(|(name, _)| name).collect();
        assert_eq!(values, ["hops", "routes_total"]);
    }

    #[test]
    fn sums_are_read_back_and_add_up() {
        let mut histogram = Histogram::default();
        histogram.observe(3.0);
        for metric in
            [Metric::Counter { sum: 7.0 }, Metric::Gauge { sum: 1.5 }, Metric::Histogram(Box::new(histogram))]
        {
            let sum = MetricSum::new(metric, 2);
            let text = serde_json::to_string(&sum).unwrap();
            assert_eq!(serde_json::from_str::<MetricSum>(&text).unwrap(), sum, "{text}");
        }
        let mut sum = MetricSum::new(Metric::Gauge { sum: 1.5 }, 2);
        sum.merge(&sum.clone()).unwrap();
        assert_eq!(sum, MetricSum::new(Metric::Gauge { sum: 3.0 }, 4));
        assert_eq!(serde_json::to_value(&sum).unwrap()["mean"], 0.75, "the mean over the devices");
        assert_eq!(sum.add(&Metric::Counter { sum: 1.0 }, 1), Err(TypeMismatch));
    }
}
