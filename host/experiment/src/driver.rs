//! Driver of a run: runs the devices in virtual time or in real time. The orchestrator and the run do not
//! depend on the choice.

mod live;
mod virtual_time;

use std::sync::Arc;
use std::time::Duration;

use wasmote_fleet::fault_registry::Faults;
use wasmote_live::credentials::DeviceCredentials;
use wasmote_live::fleet::PowerCommand;
use wasmote_mqtt::broker::counters::BrokerCounters;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::Topic;
use wasmote_results::{DurationSummary, TimeMode};
use wasmote_sim::device::{Blueprint, Now, Upgrade};
use wasmote_sim::faults::broker::Failure;
use wasmote_sim::faults::{Fault, FaultId};
use wasmote_sim::health::FleetHealth;
use wasmote_sim::histogram::Histogram;
use wasmote_sim::http::HttpRequest;
use wasmote_sim::latency::ImplausibleCounts;
use wasmote_sim::ledger::Ledger;
use wasmote_sim::rng::Seed;
use wasmote_sim::virtual_time::observer::Observer;

use super::ExperimentError;
pub use live::{LiveDriver, LiveSetup};
pub use virtual_time::virtual_driver;

/// Outcome of a change to the devices.
pub type DriverResult = Result<(), ExperimentError>;

/// Interface to the devices of a run, which are addressed by position, and to their broker.
pub trait Driver {
    /// Time mode of runs with this driver.
    const TIME_MODE: TimeMode;

    /// Longest time between two reports of progress.
    const POLL_INTERVAL: Duration;

    /// The present time.
    fn now(&self) -> Now;

    /// Advances time to `end`.
    fn run_until(&mut self, end: Time) -> DriverResult;

    /// Adds a device at the next position, switched off.
    fn add(&mut self, device: Blueprint) -> DriverResult;

    /// Switches devices on or off.
    fn order(&mut self, devices: &[usize], order: PowerCommand) -> DriverResult;

    /// Replaces the faults of each of these devices.
    fn set_faults(&mut self, faults: Vec<(usize, Faults)>) -> DriverResult;

    /// Sets the faults of the broker to those among `faults`. An error if the broker is not the embedded one.
    fn set_broker_faults(&mut self, faults: &[Arc<Fault>], seed: Seed) -> DriverResult;

    /// Makes the broker fail for the duration `lasting`; events name this fault.
    fn fail_broker(&mut self, fault: FaultId, failure: Failure, lasting: Duration) -> DriverResult;

    /// Swaps the behaviour of each of these devices for another version while it runs.
    fn swap(&mut self, devices: &[usize], upgrade: &Upgrade) -> DriverResult;

    /// Publishes a message as the host.
    fn publish(&mut self, message: Message) -> DriverResult;

    /// Publishes on a device's behalf, through its faults. A device that is off publishes nothing.
    fn publish_as(&mut self, device: usize, message: Message) -> DriverResult;

    /// Gives a device the credentials that `new` returns, from its next connection on.
    fn set_credentials(
        &mut self,
        device: usize,
        new: &dyn Fn() -> Option<Arc<DeviceCredentials>>,
    ) -> DriverResult;

    /// Sends an HTTP request to a device's behaviour. Returns the status of the answer, if it answers at once.
    fn request(&mut self, device: usize, request: HttpRequest) -> Result<Option<u16>, ExperimentError>;

    /// States of the devices now, by position.
    fn snapshot(&mut self) -> Result<Vec<DeviceSnapshot>, ExperimentError>;

    /// Ends the run and returns its counts.
    fn finish(&mut self) -> Result<RunOutcome, ExperimentError>;
}

/// Observer of a run in virtual time that may follow the broker's retained messages.
pub trait RetainedObserver: Observer {
    /// Whether it follows them.
    fn watches_retained(&self) -> bool {
        false
    }

    /// Whether they may have changed since the last call.
    fn take_retained_change(&self) -> bool {
        false
    }

    /// Looks at the messages, which `find` returns by topic.
    fn check_retained<'a>(&self, _find: &dyn Fn(&Topic) -> Option<&'a Message>, _at: Now) {}
}

/// State of a device at one moment.
#[derive(Clone, Debug)]
pub struct DeviceSnapshot {
    /// The ledger of its messages.
    pub ledger: Ledger,
    /// Whether its behaviour runs.
    pub is_running: bool,
    /// Whether it runs, is connected, and not silent.
    pub is_up: bool,
    /// Whether a `silence` fault is active on the device.
    pub is_silent: bool,
    /// Energy left in its battery, if it has one.
    pub joules: Option<f64>,
    /// Seconds by which its wall clock is ahead.
    pub clock_error_s: f64,
}

/// Counts at the end of a run.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    /// The ledger of each device, and its queued messages: outbound and inbound.
    pub devices: Vec<(Ledger, (u64, u64))>,
    /// The broker's counters and its queued copies, where they are known.
    pub broker: Option<(BrokerCounters, u64)>,
    /// Number of events.
    pub events: u64,
    /// Health of the devices by group.
    pub health: FleetHealth,
    /// Received messages whose latency cannot be right.
    pub implausible: ImplausibleCounts,
    /// Lag of devices behind their deadlines; only in real time.
    pub lag: Option<DurationSummary>,
}

/// Lag of this machine, from the histogram that a fleet keeps.
fn lag_summary(lateness: &Histogram) -> DurationSummary {
    DurationSummary::new(lateness.count(), lateness.mean(), |share| lateness.quantile_bound(share))
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
