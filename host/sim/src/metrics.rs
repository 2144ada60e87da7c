//! What a behaviour measures of itself.

use std::collections::BTreeMap;

use crate::histogram::Histogram;

/// Why a measurement was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordMetricError {
    /// The name breaks the rule, or belongs to another kind.
    #[error("{0}")]
    InvalidName(String),
    /// As many names as allowed.
    #[error("the device has {0} metrics, as many as allowed")]
    TooMany(u32),
    /// Not finite, or a counter that would fall.
    #[error("the value is not finite, or a counter would fall")]
    InvalidValue,
}

/// One measurement's current value.
#[derive(Clone, Debug, PartialEq)]
pub enum Metric {
    /// A sum that never falls.
    Counter(f64),
    /// The latest value.
    Gauge(f64),
    /// A distribution.
    Histogram(Box<Histogram>),
}

impl Metric {
    fn kind(&self) -> &'static str {
        match self {
            Self::Counter(_) => "counter",
            Self::Gauge(_) => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// A device's measurements by name.
#[derive(Clone, Debug)]
pub struct Metrics {
    most: u32,
    by_name: BTreeMap<Box<str>, Metric>,
}

/// The longest name of a metric.
const MAX_NAME_LENGTH: usize = 64;

impl Metrics {
    /// Room for at most this many names.
    pub fn new(most: u32) -> Self {
        Self { most, by_name: BTreeMap::new() }
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Metric)> {
        self.by_name.iter().map(|(name, metric)| (&**name, metric))
    }

    /// Add to a counter.
    pub fn count(&mut self, name: &str, amount: f64) -> Result<(), RecordMetricError> {
        if !amount.is_finite() || amount < 0.0 {
            return Err(RecordMetricError::InvalidValue);
        }
        match self.entry(name, || Metric::Counter(0.0))? {
            Metric::Counter(total) => *total += amount,
            other => return Err(wrong_kind(name, "counter", other)),
        }
        Ok(())
    }

    /// Set a gauge.
    pub fn gauge(&mut self, name: &str, value: f64) -> Result<(), RecordMetricError> {
        if !value.is_finite() {
            return Err(RecordMetricError::InvalidValue);
        }
        match self.entry(name, || Metric::Gauge(0.0))? {
            Metric::Gauge(current) => *current = value,
            other => return Err(wrong_kind(name, "gauge", other)),
        }
        Ok(())
    }

    /// Enter an observation into a histogram.
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
}
