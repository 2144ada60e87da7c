//! Metrics of the device.

use crate::Device;
use crate::bindings::wasmote::device::metrics::MetricError;
use crate::host::imports;

#[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
use wasmote_sim::metrics::RecordMetricError;

imports! {
    metrics::counter_add => fn counter_add(host, name: &str, amount: f64) -> Result<(), MetricError> {
        host.context(|context| context.count(name, amount)).map_err(from_simulator)
    }
    metrics::gauge_set => fn gauge_set(host, name: &str, value: f64) -> Result<(), MetricError> {
        host.context(|context| context.gauge(name, value)).map_err(from_simulator)
    }
    metrics::histogram_observe => fn histogram_observe(host, name: &str, value: f64) -> Result<(), MetricError> {
        host.context(|context| context.observe(name, value)).map_err(from_simulator)?;
        host.records().observations.entry(name.into()).or_default().push(value);
        Ok(())
    }
}

#[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
fn from_simulator(error: RecordMetricError) -> MetricError {
    match error {
        RecordMetricError::InvalidName(reason) => MetricError::InvalidName(reason),
        RecordMetricError::TooMany(limit) => MetricError::TooMany(limit),
        RecordMetricError::InvalidValue => MetricError::InvalidValue,
    }
}

impl From<MetricError> for String {
    fn from(reason: MetricError) -> Self {
        match reason {
            MetricError::InvalidName(reason) => format!("invalid name: {reason}"),
            MetricError::TooMany(limit) => format!("more than {limit} metrics"),
            MetricError::InvalidValue => "not a finite number, or a negative amount".into(),
        }
    }
}

/// Metrics. The device logs and skips rejected values (invalid name, not finite).
impl Device {
    /// Adds to a counter.
    pub fn count(&mut self, name: &str, amount: f64) {
        let result = self.host().counter_add(name, amount);
        self.check_metric(name, result);
    }

    /// Sets a gauge.
    pub fn gauge(&mut self, name: &str, value: f64) {
        let result = self.host().gauge_set(name, value);
        self.check_metric(name, result);
    }

    /// Adds an observation to a histogram.
    pub fn observe(&mut self, name: &str, value: f64) {
        let result = self.host().histogram_observe(name, value);
        self.check_metric(name, result);
    }

    fn check_metric(&mut self, name: &str, result: Result<(), MetricError>) {
        if let Err(reason) = result {
            self.warn(format_args!("metric {name} not recorded: {}", String::from(reason)));
        }
    }
}
