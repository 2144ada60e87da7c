//! Measurement of a fleet's calls.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use wasmote_fleet::blueprints::{BlueprintError, Blueprints, Components};
use wasmote_fleet::config::Settings;
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::time::Time;
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, CallCost, Trap, Version};
use wasmote_sim::context::Context;
use wasmote_sim::device::{Blueprint, Input};
use wasmote_sim::event::Event;
use wasmote_sim::virtual_time::VirtualTime;
use wasmote_sim::virtual_time::options::Options;

use crate::wrapped::WrappedFactory;

/// Costs of the calls of one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CallCosts {
    /// Number of calls in one run.
    pub calls: u64,
    /// Mean time of a call in nanoseconds: the median over the runs.
    pub ns: f64,
    /// Lowest mean of a run.
    pub ns_min: f64,
    /// Highest mean of a run.
    pub ns_max: f64,
    /// Mean fuel of a call, that of its calls to the host included.
    pub fuel: f64,
    /// Highest fuel of a call.
    pub fuel_max: u64,
}

/// Outcome of a benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Devices of the component.
    pub devices: u64,
    /// Simulated seconds.
    pub simulated_s: f64,
    /// Number of runs.
    pub runs: u64,
    /// Costs by kind of call; `all` has those of all but `start`.
    pub calls: BTreeMap<String, CallCosts>,
    /// Highest number of bytes of linear memory of a device.
    pub memory_bytes: u64,
    /// Traps in one run.
    pub traps: u64,
}

/// Calls of one kind in one run.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    calls: u64,
    time: Duration,
    fuel: u64,
    fuel_max: u64,
}

#[derive(Debug, Default)]
struct Sums {
    by_kind: BTreeMap<&'static str, Sum>,
    memory_bytes: u64,
    traps: u64,
}

impl Sums {
    fn add(&mut self, kind: &'static str, time: Duration, cost: CallCost) {
        let fuel = cost.fuel + cost.host_fuel;
        let all = (kind != START).then_some(ALL);
        for kind in [Some(kind), all].into_iter().flatten() {
            let sum = self.by_kind.entry(kind).or_default();
            sum.calls += 1;
            sum.time += time;
            sum.fuel += fuel;
            sum.fuel_max = sum.fuel_max.max(fuel);
        }
        self.memory_bytes = self.memory_bytes.max(cost.memory_bytes);
    }
}

/// Kind of the first call of an instance, whose time includes its creation.
const START: &str = "start";
/// All kinds but [`START`].
pub const ALL: &str = "all";

/// Runs a fleet several times, and measures the devices of one group's behaviour. `progress` is told each run that is done.
pub fn measure(
    settings: &Settings,
    components: &Components,
    version: &Version,
    length: Duration,
    runs: u64,
    progress: &dyn Fn(u64) -> bool,
) -> Result<Option<Measured>, BlueprintError> {
    let mut all: Vec<Sums> = Vec::new();
    let mut measured = 0;
    for run in 0..runs {
        let sums = Arc::new(Mutex::new(Sums::default()));
        let devices = Blueprints::from_components(settings, components)?.devices;
        measured = devices.iter().filter(|device| device.factory.version() == *version).count() as u64;
        run_once(devices, version, length, &sums);
        all.push(std::mem::take(&mut *sums.lock().unwrap_or_else(PoisonError::into_inner)));
        if !progress(run + 1) {
            return Ok(None);
        }
    }
    Ok(Some(summary(&all, measured, length)))
}

fn run_once(devices: Vec<Blueprint>, version: &Version, length: Duration, sums: &Arc<Mutex<Sums>>) {
    let options = Options { latency: Duration::from_millis(1), ..Options::default() };
    let mut run = VirtualTime::new(options, ());
    let added: Vec<_> = devices
        .into_iter()
        .map(|device| {
            let factory = match device.factory.version() == *version {
                true => measured(Arc::clone(&device.factory), Arc::clone(sums)),
                false => return run.add(device),
            };
            run.add(Blueprint { factory, ..device })
        })
        .collect();
    added.into_iter().for_each(|device| run.put(device, Input::Start));
    run.run_until(Time::ZERO + length);
}

fn summary(all: &[Sums], devices: u64, length: Duration) -> Measured {
    let first = all.first();
    let kinds = first.into_iter().flat_map(|sums| sums.by_kind.keys().copied());
    let costs = |kind: &'static str| {
        let mut means: Vec<f64> = all
            .iter()
            .filter_map(|sums| sums.by_kind.get(kind))
            .map(|sum| sum.time.as_nanos() as f64 / sum.calls.max(1) as f64)
            .collect();
        means.sort_by(f64::total_cmp);
        let sum = first.and_then(|sums| sums.by_kind.get(kind)).copied().unwrap_or_default();
        CallCosts {
            calls: sum.calls,
            ns: means.get(means.len() / 2).copied().unwrap_or(0.0),
            ns_min: means.first().copied().unwrap_or(0.0),
            ns_max: means.last().copied().unwrap_or(0.0),
            fuel: sum.fuel as f64 / sum.calls.max(1) as f64,
            fuel_max: sum.fuel_max,
        }
    };
    Measured {
        devices,
        simulated_s: length.as_secs_f64(),
        runs: all.len() as u64,
        calls: kinds.map(|kind| (kind.to_owned(), costs(kind))).collect(),
        memory_bytes: first.map_or(0, |sums| sums.memory_bytes),
        traps: first.map_or(0, |sums| sums.traps),
    }
}

/// Factory of behaviours whose calls are measured.
fn measured(inner: Arc<dyn BehaviourFactory>, sums: Arc<Mutex<Sums>>) -> Arc<dyn BehaviourFactory> {
    let wrap = move |inner: Box<dyn Behaviour>, _: &Identity| -> Box<dyn Behaviour> {
        Box::new(MeasuredBehaviour { inner, sums: Arc::clone(&sums) })
    };
    Arc::new(WrappedFactory { inner, wrap })
}

struct MeasuredBehaviour {
    inner: Box<dyn Behaviour>,
    sums: Arc<Mutex<Sums>>,
}

impl Behaviour for MeasuredBehaviour {
    fn handle(&mut self, event: Event, context: Context) -> (Context, Result<(), Trap>) {
        let kind = match &event {
            Event::Started(_) => START,
            Event::Message(_) => "message",
            Event::Timer(_) => "timer",
            Event::Connection(_) => "connection",
            Event::HttpRequest(..) => "http_request",
            Event::HttpReply(..) => "http_reply",
            Event::Stopping(_) => "stop",
        };
        let began = Instant::now();
        let (context, outcome) = self.inner.handle(event, context);
        let time = began.elapsed();
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.add(kind, time, self.inner.last_cost().unwrap_or_default());
        sums.traps += u64::from(outcome.is_err());
        drop(sums);
        (context, outcome)
    }

    fn snapshot(&mut self, context: Context) -> (Context, Result<Vec<u8>, Trap>) {
        self.inner.snapshot(context)
    }

    fn restore(&mut self, saved: &[u8], context: Context) -> (Context, Result<(), Trap>) {
        self.inner.restore(saved, context)
    }
}
