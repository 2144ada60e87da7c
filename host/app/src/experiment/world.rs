//! What turns the devices of a run. The stage and the run do not know whether it is virtual time or the clock
//! on the wall.

mod real_time;
mod virtual_world;

use std::sync::Arc;
use std::time::Duration;

use wasmote_live::fleet::Order;
use wasmote_sim::broker::tally::Tally;
use wasmote_sim::device::{Blueprint, Now, Upgrade};
use wasmote_sim::faults::broker::Failure;
use wasmote_sim::faults::{Fault, FaultId};
use wasmote_sim::histogram::Histogram;
use wasmote_sim::http::HttpRequest;
use wasmote_sim::ledger::Ledger;
use wasmote_sim::message::Message;
use wasmote_sim::rng::Seed;
use wasmote_sim::time::Time;

use super::ExperimentError;
use crate::server::faults::book::Faults;
pub use real_time::{Beginning, RealTime};
pub use virtual_world::virtual_world;

/// Whose time passes in a run.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// As fast as it can be computed, and the same every time.
    #[default]
    Virtual,
    /// That of the clock on the wall.
    Real,
}

/// Whether something was done.
pub type Done = Result<(), ExperimentError>;

/// Devices, by position, and their broker, with time passing.
pub trait World {
    /// Longest that passes between two looks at how far the run is.
    const STRIDE: Duration;

    /// The present.
    fn now(&self) -> Now;

    /// Let time pass until then.
    fn run_until(&mut self, end: Time) -> Done;

    /// Add a device at the next position. It is not switched on.
    fn add(&mut self, device: Blueprint) -> Done;

    /// Switch these.
    fn order(&mut self, devices: &[usize], order: Order) -> Done;

    /// Give each of these devices other faults.
    fn set_faults(&mut self, faults: Vec<(usize, Faults)>) -> Done;

    /// Faults of the broker from now on: those among these. Where the broker is not the world's own there is no
    /// such thing.
    fn set_broker_faults(&mut self, faults: &[Arc<Fault>], seed: Seed) -> Done;

    /// Let the broker fail for so long, in this fault's name.
    fn fail_broker(&mut self, fault: FaultId, failure: Failure, lasting: Duration) -> Done;

    /// Give each of these devices another version of its behaviour, while it runs.
    fn swap(&mut self, devices: &[usize], upgrade: &Upgrade) -> Done;

    /// Publish a message under no device's name.
    fn publish(&mut self, message: Message) -> Done;

    /// Publish on a device's behalf, through its faults. One that does not run says nothing.
    fn publish_as(&mut self, device: usize, message: Message) -> Done;

    /// Ask a device's behaviour over HTTP, whatever it answers.
    fn ask(&mut self, device: usize, request: HttpRequest) -> Done;

    /// How the devices are now, by position.
    fn look(&mut self) -> Result<Vec<Glance>, ExperimentError>;

    /// Come to an end, and give account.
    fn finish(&mut self) -> Result<Ending, ExperimentError>;
}

/// How a device is at one moment.
#[derive(Clone, Debug)]
pub struct Glance {
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
pub struct Ending {
    /// Of each device, its ledger, and the messages that wait: out, and in.
    pub devices: Vec<(Ledger, (u64, u64))>,
    /// The broker's account, and the copies that wait there, where they are known.
    pub broker: Option<(Tally, u64)>,
    /// Everything that happened, one by one.
    pub events: u64,
    /// How much later than they were due devices were woken, which only real time can be.
    pub late: Option<Late>,
}

/// How late this machine was with what it had to do, in seconds: upper bounds, by 1, 2 and 5 times powers of ten.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Late {
    /// The mean, which is exact.
    pub mean: Option<f64>,
    /// Half of the time it was no later.
    pub p50: Option<f64>,
    /// 99 times in a hundred it was no later.
    pub p99: Option<f64>,
}

impl Late {
    /// From what a fleet has measured of itself.
    pub fn of(lateness: &Histogram) -> Self {
        let quantile = |share: f64| {
            let wanted = (lateness.count() as f64 * share).ceil();
            let bound = lateness.cumulative().find(|(_, count)| *count as f64 >= wanted.max(1.0));
            bound.map(|(bound, _)| bound).filter(|bound| bound.is_finite())
        };
        Self { mean: lateness.mean(), p50: quantile(0.5), p99: quantile(0.99) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_told_by_the_bounds_that_hold_it() {
        let mut lateness = Histogram::default();
        (0..98).for_each(|_| lateness.observe(0.0009));
        (0..2).for_each(|_| lateness.observe(0.03));
        let late = Late::of(&lateness);
        assert_eq!((late.p50, late.p99), (Some(0.001), Some(0.05)));
        assert_eq!(Late::of(&Histogram::default()).p99, None);
    }
}
