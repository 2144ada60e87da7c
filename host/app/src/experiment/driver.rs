//! What turns the devices of a run. The stage and the run do not know whether it is virtual time or the clock
//! on the wall.

mod live;
mod virtual_time;

use std::sync::Arc;
use std::time::Duration;

use wasmote_live::fleet::PowerCommand;
use wasmote_mqtt::broker::counters::BrokerCounters;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_results::LagSummary;
use wasmote_sim::device::{Blueprint, Now, Upgrade};
use wasmote_sim::faults::broker::Failure;
use wasmote_sim::faults::{Fault, FaultId};
use wasmote_sim::histogram::Histogram;
use wasmote_sim::http::HttpRequest;
use wasmote_sim::ledger::Ledger;
use wasmote_sim::rng::Seed;

use super::ExperimentError;
use crate::fault_registry::Faults;
pub use live::{LiveDriver, LiveSetup};
pub use virtual_time::virtual_driver;

/// Whether something was done.
pub type DriverResult = Result<(), ExperimentError>;

/// Devices, by position, and their broker, with time passing.
pub trait Driver {
    /// Longest that passes between two looks at how far the run is.
    const POLL_INTERVAL: Duration;

    /// The present.
    fn now(&self) -> Now;

    /// Let time pass until then.
    fn run_until(&mut self, end: Time) -> DriverResult;

    /// Add a device at the next position. It is not switched on.
    fn add(&mut self, device: Blueprint) -> DriverResult;

    /// Switch these.
    fn order(&mut self, devices: &[usize], order: PowerCommand) -> DriverResult;

    /// Give each of these devices other faults.
    fn set_faults(&mut self, faults: Vec<(usize, Faults)>) -> DriverResult;

    /// Faults of the broker from now on: those among these. Where the broker is not the world's own there is no
    /// such thing.
    fn set_broker_faults(&mut self, faults: &[Arc<Fault>], seed: Seed) -> DriverResult;

    /// Let the broker fail for so long, in this fault's name.
    fn fail_broker(&mut self, fault: FaultId, failure: Failure, lasting: Duration) -> DriverResult;

    /// Give each of these devices another version of its behaviour, while it runs.
    fn swap(&mut self, devices: &[usize], upgrade: &Upgrade) -> DriverResult;

    /// Publish a message under no device's name.
    fn publish(&mut self, message: Message) -> DriverResult;

    /// Publish on a device's behalf, through its faults. One that does not run says nothing.
    fn publish_as(&mut self, device: usize, message: Message) -> DriverResult;

    /// Ask a device's behaviour over HTTP, whatever it answers.
    fn request(&mut self, device: usize, request: HttpRequest) -> DriverResult;

    /// How the devices are now, by position.
    fn snapshot(&mut self) -> Result<Vec<DeviceSnapshot>, ExperimentError>;

    /// Come to an end, and give account.
    fn finish(&mut self) -> Result<RunOutcome, ExperimentError>;
}

/// How a device is at one moment.
#[derive(Clone, Debug)]
pub struct DeviceSnapshot {
    /// The account of its messages.
    pub ledger: Ledger,
    /// Whether its behaviour runs.
    pub is_running: bool,
    /// Whether it runs, is connected, and not silent.
    pub is_up: bool,
    /// Whether a silence holds it.
    pub is_silent: bool,
    /// What is left in its battery, if it has one.
    pub joules: Option<f64>,
    /// By how many seconds its calendar clock is ahead.
    pub clock_error_s: f64,
}

/// What a run leaves behind.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    /// Of each device, its ledger, and the messages that wait: out, and in.
    pub devices: Vec<(Ledger, (u64, u64))>,
    /// The broker's account, and the copies that wait there, where they are known.
    pub broker: Option<(BrokerCounters, u64)>,
    /// Everything that happened, one by one.
    pub events: u64,
    /// How much later than they were due devices were woken, which only real time can be.
    pub lag: Option<LagSummary>,
}

/// Lateness of this machine, from the histogram that a fleet keeps of itself.
fn lag_summary(lateness: &Histogram) -> LagSummary {
    let quantile = |share: f64| {
        let wanted = (lateness.count() as f64 * share).ceil();
        let bound = lateness.cumulative().find(|(_, count)| *count as f64 >= wanted.max(1.0));
        bound.map(|(bound, _)| bound).filter(|bound| bound.is_finite())
    };
    LagSummary { mean: lateness.mean(), p50: quantile(0.5), p99: quantile(0.99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_reported_by_bucket_bounds() {
        let mut lateness = Histogram::default();
        (0..98).for_each(|_| lateness.observe(0.0009));
        (0..2).for_each(|_| lateness.observe(0.03));
        let lag = lag_summary(&lateness);
        assert_eq!((lag.p50, lag.p99), (Some(0.001), Some(0.05)));
        assert_eq!(lag_summary(&Histogram::default()).p99, None);
    }
}
