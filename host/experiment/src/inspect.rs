//! State of devices and of the broker at one instant of a run in virtual time.
//!
//! A run is a function of its plan and its seed, so the state at an instant is found by another run up to it. No
//! checkpoint of the run is needed, and nothing of it changes: only the last step, the snapshot of the behaviours, would
//! have an effect on what follows.

use std::collections::BTreeMap;

use serde::Serialize;
use wasmote_fleet::blueprints::Components;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_results::{LedgerCounts, TimeMode};
use wasmote_sim::device::{ConnectionState, Device, Now, PowerState};
use wasmote_sim::faults::target::Pattern;
use wasmote_sim::metrics::Metric;
use wasmote_sim::rng::Seed;
use wasmote_sim::virtual_time::VirtualTime;
use wasmote_sim::virtual_time::observer::DeviceIndex;

use super::ExperimentError;
use super::driver::{Driver, virtual_driver};
use super::latencies::seconds;
use super::ledger_file;
use super::orchestrator::{self, Orchestrator};
use super::point::Point;
use super::progress::{Progress, Totals};
use super::recorder::RunObserver;
use super::run::RunContext;

/// State of a run at one instant.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The instant, in seconds.
    pub at_s: f64,
    /// Number of events so far.
    pub events: u64,
    /// The devices.
    pub devices: Vec<DeviceInspection>,
    /// The broker.
    pub broker: BrokerInspection,
}

/// State of the broker.
#[derive(Clone, Debug, Serialize)]
pub struct BrokerInspection {
    /// Sessions, with or without a connection.
    pub sessions: usize,
    /// Sessions with a connection.
    pub connected: usize,
    /// Subscriptions of all sessions.
    pub subscriptions: usize,
    /// Messages that are queued for clients, or in flight to them.
    pub waiting: u64,
    /// Retained messages: payloads by topic.
    pub retained: BTreeMap<String, String>,
}

/// State of one device.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceInspection {
    /// Name of the device.
    pub device: String,
    /// Group of the device.
    pub group: String,
    /// Version of its behaviour.
    pub version: String,
    /// Whether it runs, and the reason if it does not.
    pub power: String,
    /// Its connection, and the reason if it is down.
    pub connection: String,
    /// Faults that are active on it.
    pub faults: Vec<String>,
    /// Topic filters that the behaviour has subscribed to, with their QoS.
    pub subscriptions: BTreeMap<String, u8>,
    /// Its will: topic and payload.
    pub will: Option<(String, String)>,
    /// Timers of the behaviour: tokens, and due times in seconds.
    pub timers: Vec<(u32, f64)>,
    /// Time at which it next does something by itself, in seconds.
    pub next_deadline_s: Option<f64>,
    /// Message counts.
    pub ledger: LedgerCounts,
    /// Values of counters and gauges of the behaviour.
    pub metrics: BTreeMap<String, f64>,
    /// The state store: values as text or, if they are none, in hexadecimal.
    pub store: BTreeMap<String, String>,
    /// Energy left in its battery.
    pub joules: Option<f64>,
    /// Seconds by which its calendar clock is ahead.
    pub clock_error_s: f64,
    /// Its session at the broker.
    pub session: Option<SessionInspection>,
    /// The state that its behaviour would hand to a new version, or the reason why it has none.
    pub snapshot: Option<Result<String, String>>,
}

/// State of a session at the broker.
#[derive(Clone, Debug, Serialize)]
pub struct SessionInspection {
    /// Whether it has a connection.
    pub connected: bool,
    /// Seconds that it outlives its connection.
    pub expiry_s: u32,
    /// Its end while it has no connection, in seconds.
    pub ends_at_s: Option<f64>,
    /// Subscribed topic filters.
    pub filters: Vec<String>,
    /// Messages that are queued for the client, or in flight to it.
    pub waiting: u64,
}

/// Runs a point up to an instant and returns the state of the devices whose names match.
pub fn inspect(
    point: &Point,
    seed: Seed,
    components: &Components,
    at: Time,
    devices: Option<&str>,
) -> Result<Inspection, ExperimentError> {
    let (totals, pattern) = (Totals::default(), devices.map(Pattern::new));
    let progress = Progress::new(&totals);
    let context = RunContext { point, seed, components, folder: None, progress: &progress };
    let observer = context.observer(TimeMode::Virtual)?;
    let start = Now { run: Time::ZERO, wall: point.epoch };
    let options = orchestrator::options(point);
    let start_driver = |devices| Ok(virtual_driver(options, devices, observer.clone()));
    let mut orchestrator = Orchestrator::new(point, seed, components, observer.clone(), start, start_driver)?;
    for (time, step) in point.timeline.steps.iter().take_while(|(time, _)| *time <= at) {
        Driver::run_until(&mut orchestrator.driver, *time)?;
        orchestrator.apply(&**step)?;
    }
    Driver::run_until(&mut orchestrator.driver, at)?;
    let driver = &mut orchestrator.driver;
    let count = u32::try_from(driver.devices().count()).unwrap_or(u32::MAX);
    let wanted: Vec<DeviceIndex> = (0..count)
        .map(DeviceIndex)
        .filter(|index| {
            let name = driver.device(*index).map(|device| device.identity().id.as_str());
            name.is_some_and(|name| pattern.as_ref().is_none_or(|pattern| pattern.matches(name)))
        })
        .collect();
    let events = driver.counts().events();
    let inspected = wanted.into_iter().filter_map(|index| device_state(driver, index)).collect();
    Ok(Inspection { at_s: seconds(at.as_nanos()), events, devices: inspected, broker: broker_state(driver) })
}

fn broker_state(driver: &VirtualTime<RunObserver>) -> BrokerInspection {
    let stats = driver.broker().stats();
    let shown = |message: &Message| (message.topic.to_string(), text(&message.payload));
    BrokerInspection {
        sessions: stats.sessions,
        connected: stats.connected,
        subscriptions: stats.subscriptions,
        waiting: stats.waiting,
        retained: driver.broker().retained_messages().map(shown).collect(),
    }
}

fn device_state(driver: &mut VirtualTime<RunObserver>, index: DeviceIndex) -> Option<DeviceInspection> {
    let now = VirtualTime::now(driver);
    let device = driver.device(index)?;
    let session = driver.broker().session(device.identity().client_id()).map(|session| SessionInspection {
        connected: session.connected,
        expiry_s: session.expiry_s,
        ends_at_s: session.ends_at.map(|at| seconds(at.as_nanos())),
        filters: session.filters.iter().map(|filter| filter.as_str().to_owned()).collect(),
        waiting: session.waiting,
    });
    let number = |metric: &Metric| match metric {
        Metric::Counter { sum } | Metric::Gauge { sum } => Some(*sum),
        Metric::Histogram(_) => None,
    };
    let metrics = device.metrics().into_iter().flat_map(|metrics| metrics.iter());
    let store = device.store().into_iter().flat_map(|store| store.keys().zip(std::iter::repeat(store)));
    let mut state = DeviceInspection {
        device: device.identity().id.to_string(),
        group: device.identity().group.to_string(),
        version: device.version().to_string(),
        power: power(device.power()),
        connection: connection(device.connection()),
        faults: device.active_faults().iter().map(|fault| format!("{} ({})", fault.id, fault.kind)).collect(),
        subscriptions: subscriptions(device),
        will: device.will().map(|will| (will.message.topic.to_string(), text(&will.message.payload))),
        timers: device.timers().map(|(token, due)| (token, seconds(due.as_nanos()))).collect(),
        next_deadline_s: device.next_deadline().map(|due| seconds(due.max(now.run).as_nanos())),
        ledger: ledger_file::counts(device.ledger(), device.waiting()),
        metrics: metrics.filter_map(|(name, metric)| Some((name.to_owned(), number(metric)?))).collect(),
        store: store.filter_map(|(key, store)| Some((key.to_owned(), text(store.get(key)?)))).collect(),
        joules: device.joules_left(now.run),
        clock_error_s: device.clock_error_s(now),
        session,
        snapshot: None,
    };
    let snapshot = driver.device_mut(index)?.snapshot();
    state.snapshot = snapshot.map(|saved| saved.map(|bytes| text(&bytes)).map_err(|trap| trap.to_string()));
    Some(state)
}

fn subscriptions(device: &Device) -> BTreeMap<String, u8> {
    device.subscriptions().map(|(filter, qos)| (filter.as_str().to_owned(), qos as u8)).collect()
}

fn power(state: &PowerState) -> String {
    match state {
        PowerState::New => "never started".to_owned(),
        PowerState::On => "on".to_owned(),
        PowerState::Off(reason) => format!("off: {reason}"),
        PowerState::Down { reason, until } => format!("down until {} s: {reason}", seconds(until.as_nanos())),
        other => format!("{other:?}"),
    }
}

fn connection(state: &ConnectionState) -> String {
    match state {
        ConnectionState::Up => "up".to_owned(),
        ConnectionState::Connecting => "connecting".to_owned(),
        ConnectionState::Resuming => "resuming".to_owned(),
        ConnectionState::Down(reason) => format!("down: {reason}"),
    }
}

/// Bytes as text, or in hexadecimal if they are none.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|c| c.is_control() && !c.is_whitespace()) => text.to_owned(),
        _ => bytes.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}")),
    }
}
