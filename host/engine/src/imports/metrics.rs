//! `metrics`: custom metrics of the behaviour.

use wasmote_sim::metrics::RecordMetricError;

use crate::bindings::wasmote::device::metrics::{Host as Metrics, MetricError};
use crate::cost;
use crate::host::Host;

impl Metrics for Host {
    fn counter_add(&mut self, name: String, amount: f64) -> wasmtime::Result<Result<(), MetricError>> {
        self.charge(&cost::METRICS, name.len())?;
        Ok(self.context()?.count(&name, amount).map_err(metric_error))
    }

    fn gauge_set(&mut self, name: String, value: f64) -> wasmtime::Result<Result<(), MetricError>> {
        self.charge(&cost::METRICS, name.len())?;
        Ok(self.context()?.gauge(&name, value).map_err(metric_error))
    }

    fn histogram_observe(&mut self, name: String, value: f64) -> wasmtime::Result<Result<(), MetricError>> {
        self.charge(&cost::METRICS, name.len())?;
        Ok(self.context()?.observe(&name, value).map_err(metric_error))
    }
}

fn metric_error(error: RecordMetricError) -> MetricError {
    match error {
        RecordMetricError::InvalidName(reason) => MetricError::InvalidName(reason),
        RecordMetricError::TooMany(most) => MetricError::TooMany(most),
        RecordMetricError::InvalidValue => MetricError::InvalidValue,
    }
}
