//! `metrics`: the behaviour's own measurements.

use wasmote_sim::measures::MeasureError;

use crate::bindings::wasmote::device::metrics::{Host as Metrics, MetricError};
use crate::host::Host;

impl Metrics for Host {
    fn counter_add(&mut self, name: String, amount: f64) -> wasmtime::Result<Result<(), MetricError>> {
        Ok(self.context()?.count(&name, amount).map_err(refusal))
    }

    fn gauge_set(&mut self, name: String, value: f64) -> wasmtime::Result<Result<(), MetricError>> {
        Ok(self.context()?.gauge(&name, value).map_err(refusal))
    }

    fn histogram_observe(&mut self, name: String, value: f64) -> wasmtime::Result<Result<(), MetricError>> {
        Ok(self.context()?.observe(&name, value).map_err(refusal))
    }
}

fn refusal(error: MeasureError) -> MetricError {
    match error {
        MeasureError::InvalidName(reason) => MetricError::InvalidName(reason),
        MeasureError::TooMany(most) => MetricError::TooMany(most),
        MeasureError::InvalidValue => MetricError::InvalidValue,
    }
}
