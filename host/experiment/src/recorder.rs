//! Recorder: observes a run and writes its files.
//!
//! * `chain`: digest of all steps, with a checkpoint every thousand steps.
//! * `events`: device events, one JSON object per line. `logs`: the same as text, one file per device.
//! * `line_writer`: writer of whole lines, so that a killed process leaves no partial line. `versions`: behaviour
//!   versions of devices, with the times of their changes.
//! * `broker_log`: connections and subscriptions at the broker. `outages`: outages of devices and of the broker, with
//!   their durations.
//! * `swap_refusals`: swaps that devices refused.
//! * `journeys`: what became of single messages.
//! * `routes`: routes that behaviours report in their logs.

mod broker_log;
mod chain;
mod events;
mod journeys;
pub(crate) mod line_writer;
mod logs;
pub mod outages;
pub mod routes;
mod swap_refusals;
mod versions;

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use wasmote_api::journeys::Journeys;
use wasmote_live::broker::Peer;
use wasmote_live::broker::observer::BrokerObserver;
use wasmote_live::observer::FleetObserver;
use wasmote_live::status::DeviceEvent;
use wasmote_mqtt::broker::packet::{Reply, Request};
use wasmote_mqtt::broker::steps::BrokerStep;
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::{Time, WallTime};
use wasmote_mqtt::topic::Topic;
use wasmote_results::{InvariantOutcome, SwapRefusal, TimeMode, Violation};
use wasmote_sim::behaviour::Version;
use wasmote_sim::context::LogLevel;
use wasmote_sim::device::{Input, Now};
use wasmote_sim::event::StopReason;
use wasmote_sim::notice::DeviceNotice;
use wasmote_sim::virtual_time::observer::{DeviceIndex, Observer, TraceEvent};

use super::coverage::Coverage;
use super::instrumented::SharedTracker;
use super::wall_clock::wall_clock_now;
use broker_log::{BrokerLog, Connection};
use chain::Chain;
use events::EventLog;
use journeys::JourneyLog;
use logs::DeviceLogs;
use outages::Outages;
use routes::Routes;
use versions::VersionLog;

/// Writer of a run's files.
pub struct Recorder {
    time_mode: TimeMode,
    /// Whether the broker itself is observed, rather than only the connections that devices report.
    observes_broker: bool,
    devices: Vec<Arc<Identity>>,
    /// Per-message records still allowed before truncation.
    message_budget: u64,
    truncation_noted: bool,
    chain: Chain,
    /// The files; `None` if only the counts of the run are wanted.
    files: Option<Files>,
    /// Absent if no single messages are recorded.
    journeys: Option<JourneyLog>,
    outages: Outages,
    routes: Routes,
    swap_refusals: Vec<SwapRefusal>,
    versions: VersionLog,
    problem: Option<io::Error>,
}

/// Files that grow with every event.
struct Files {
    events: EventLog,
    logs: DeviceLogs,
    broker: BrokerLog,
}

/// Observer of a run: the recorder with the delivery tracker, shared by the driver and the orchestrator. In virtual
/// time a run is one thread, so the lock is never contended. In real time the shards contend for it only briefly,
/// because writes go to buffers.
#[derive(Clone)]
pub struct RunObserver {
    recorder: Arc<Mutex<Recorder>>,
    tracker: SharedTracker,
    /// What the run covers; only for runs without files, of which a search makes many.
    coverage: Option<Arc<Mutex<Coverage>>>,
    /// Whether the broker's retained messages may have changed since the last check.
    retained_changed: Arc<AtomicBool>,
    keeps_journeys: bool,
    /// Journeys that the HTTP API shows during a run in real time.
    shown: Option<Arc<Journeys>>,
    /// Start of the run on the calendar, for the times of the broker.
    epoch: Arc<OnceLock<WallTime>>,
}

impl Recorder {
    /// Creates the files in this folder, with at most `message_budget` per-message records. Without a folder the
    /// recorder writes no files and computes no digest.
    pub fn new(folder: Option<&Path>, time_mode: TimeMode, message_budget: u64) -> io::Result<Self> {
        let files = |folder: &Path| {
            Ok::<_, io::Error>(Files {
                events: EventLog::create(folder)?,
                logs: DeviceLogs::create(folder)?,
                broker: BrokerLog::create(folder)?,
            })
        };
        Ok(Self {
            time_mode,
            observes_broker: time_mode == TimeMode::Virtual,
            devices: Vec::new(),
            message_budget,
            // If no per-message records are kept at all, no truncation note is needed.
            truncation_noted: message_budget == 0,
            chain: Chain::create(folder, time_mode)?,
            files: folder.map(files).transpose()?,
            journeys: folder.filter(|_| message_budget > 0).map(JourneyLog::create).transpose()?,
            outages: Outages::default(),
            routes: Routes::default(),
            swap_refusals: Vec::new(),
            versions: VersionLog::create(folder)?,
            problem: None,
        })
    }

    fn record(&mut self, at: Now, step: &TraceEvent<'_>) -> io::Result<()> {
        match step {
            TraceEvent::Journey(device, step) => {
                let has_room = self.message_budget > 0;
                let identity = &self.devices[device.0 as usize];
                return self.journeys.as_mut().map_or(Ok(()), |log| log.device(at, identity, step, has_room));
            }
            TraceEvent::AtBroker(step) => {
                return self.journeys.as_mut().map_or(Ok(()), |log| log.broker(at, step));
            }
            _ => {}
        }
        self.chain.add(at, step)?;
        match step {
            TraceEvent::Notice(device, notice) => return self.notice(at, *device, notice),
            TraceEvent::BrokerFault(transition) => self.outages.broker_fault(at.run, transition),
            _ => {}
        }
        let Some(files) = &mut self.files else { return Ok(()) };
        match step {
            TraceEvent::Up(link, request) => files.broker.on_request(at, Connection::Device(*link), request),
            TraceEvent::Down(link, reply) => files.broker.on_reply(at, Connection::Device(*link), reply),
            TraceEvent::BrokerFault(transition) => {
                files.broker.on_broker_fault(at, transition)?;
                files.events.broker_fault(at, self.chain.steps(), transition)
            }
            TraceEvent::HostPublish(message) => {
                files.broker.on_host_publish(at, message)?;
                files.events.host_publish(at, self.chain.steps(), message)
            }
            _ => Ok(()),
        }
    }

    fn notice(&mut self, at: Now, device: DeviceIndex, notice: &DeviceNotice) -> io::Result<()> {
        self.outages.notice(device.0, at.run, notice);
        self.routes.notice(device.0, at.run, notice);
        if let (false, Some(files)) = (self.observes_broker, &mut self.files) {
            let device = &self.devices[device.0 as usize];
            files.broker.on_device_notice(at, device, notice)?;
        }
        let recognised = self.journeys.as_ref().and_then(|log| log.recognise(notice));
        if let (Some(step), Some(log)) = (recognised, &mut self.journeys) {
            log.device(at, &self.devices[device.0 as usize], &step, false)?;
        }
        if is_per_message(notice) && !self.take_message_budget(at)? {
            return Ok(());
        }
        let identity = Arc::clone(&self.devices[device.0 as usize]);
        swap_refusals::record(&mut self.swap_refusals, &identity, at.run, notice);
        if let DeviceNotice::Swapped(change) | DeviceNotice::SwapRolledBack(change, _) = notice {
            self.versions.record(&identity, &change.to, at.run)?;
        }
        let Some(files) = &mut self.files else { return Ok(()) };
        let happening = DeviceEvent::new(at, identity, notice.clone(), true);
        files.events.notice(self.chain.steps(), &happening, notice)?;
        files.logs.notice(device.0 as usize, &happening)
    }
}

/// Event text that marks where per-message records stop.
const TRUNCATION_NOTE: &str =
    "single messages are left out from here on; log_messages = \"on\" keeps all of them";

impl Recorder {
    /// Whether the budget allows another per-message record. Records the truncation note once when the budget is used
    /// up.
    fn take_message_budget(&mut self, at: Now) -> io::Result<bool> {
        if let Some(left) = self.message_budget.checked_sub(1) {
            self.message_budget = left;
            return Ok(true);
        }
        if let (false, Some(files)) = (std::mem::replace(&mut self.truncation_noted, true), &mut self.files) {
            files.events.note(at, self.chain.steps(), "note", TRUNCATION_NOTE)?;
            files.logs.note(at, TRUNCATION_NOTE);
        }
        Ok(false)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.journeys.as_mut().map_or(Ok(()), JourneyLog::flush)?;
        let Some(files) = &mut self.files else { return Ok(()) };
        files.events.flush()?;
        files.logs.flush()?;
        files.broker.flush()
    }

    /// Writes an event without a device.
    fn note(&mut self, at: Now, kind: &str, message: &str) {
        let Some(files) = &mut self.files else { return };
        let outcome = files.events.note(at, self.chain.steps(), kind, message);
        self.problem = self.problem.take().or(outcome.err());
    }
}

/// Whether notices of this kind occur for every message, as debug logs of behaviours do.
fn is_per_message(notice: &DeviceNotice) -> bool {
    match notice {
        DeviceNotice::Sent(..) | DeviceNotice::Received(..) | DeviceNotice::Dropped(..) => true,
        DeviceNotice::Log(level, _) | DeviceNotice::FaultLog(_, level, _) => *level < LogLevel::Info,
        _ => false,
    }
}

/// Whether the broker may store or remove a retained message in a step: one that a client or the host publishes, a will,
/// or what a restart forgets.
fn may_change_retained(step: &TraceEvent<'_>) -> bool {
    match step {
        TraceEvent::Up(_, Request::Publish(publish)) => publish.message.retain,
        TraceEvent::Up(_, Request::Connect(_) | Request::Disconnect(_) | Request::Lost) => true,
        TraceEvent::HostPublish(message) => message.retain,
        TraceEvent::BrokerWake | TraceEvent::BrokerFault(_) => true,
        _ => false,
    }
}

impl RunObserver {
    /// Creates an observer with this recorder and tracker.
    pub fn new(recorder: Recorder, tracker: SharedTracker) -> Self {
        let coverage = recorder.files.is_none().then(Arc::default);
        let keeps_journeys = recorder.journeys.is_some();
        Self {
            recorder: Arc::new(Mutex::new(recorder)),
            tracker,
            coverage,
            retained_changed: Arc::default(),
            keeps_journeys,
            shown: None,
            epoch: Arc::default(),
        }
    }

    /// What the run has covered; empty for runs with files.
    pub fn take_coverage(&self) -> BTreeSet<u64> {
        let coverage =
            self.coverage.as_ref().map(|it| it.lock().unwrap_or_else(PoisonError::into_inner).take());
        coverage.unwrap_or_default()
    }

    /// The same observer, which also passes the steps of messages on.
    /// If connections carry no identity of messages, receptions are recognised by their content.
    pub fn with_journeys(self, journeys: Arc<Journeys>, is_without_identity: bool) -> Self {
        if let Some(log) = self.recorder().journeys.as_mut().filter(|_| is_without_identity) {
            log.recognise_contents();
        }
        Self { shown: Some(journeys), ..self }
    }

    fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The delivery tracker.
    pub fn tracker(&self) -> SharedTracker {
        self.tracker.clone()
    }

    /// Adds a device, whose messages count in this column of the tables, and writes the first line of its
    /// log.
    pub fn add(&self, identity: &Arc<Identity>, column: usize, version: &Version, at: Now) -> io::Result<()> {
        self.tracker.with(|tracker| tracker.add(identity.id.clone(), column));
        self.tracker.with_monitor(|monitor| monitor.add(identity, at.run));
        let mut recorder = self.recorder();
        recorder.devices.push(Arc::clone(identity));
        if let Some(journeys) = &mut recorder.journeys {
            journeys.add(identity);
        }
        recorder.versions.record(identity, version, at.run)?;
        recorder.files.as_mut().map_or(Ok(()), |files| files.logs.add(identity, &version.name, at))
    }

    /// Records that a device has another version from now on, without a notice from the device.
    pub fn record_version(&self, device: usize, version: &Version, at: Now) -> io::Result<()> {
        let mut recorder = self.recorder();
        let identity = Arc::clone(&recorder.devices[device]);
        recorder.versions.record(&identity, version, at.run)
    }

    /// Number of steps, and their digest in virtual time.
    pub fn digest(&self) -> (u64, Option<String>) {
        let recorder = self.recorder();
        (recorder.chain.steps(), recorder.chain.digest())
    }

    /// Returns the first write error so far. In real time it also flushes the files, because the run cannot be
    /// repeated.
    pub fn check(&self) -> io::Result<()> {
        let mut recorder = self.recorder();
        recorder.problem.take().map_or(Ok(()), Err)?;
        recorder.versions.flush()?;
        match recorder.time_mode {
            TimeMode::Virtual => Ok(()),
            TimeMode::Real => recorder.flush(),
        }
    }

    /// Sets the broker of a run in real time. The embedded broker is observed itself.
    pub fn set_broker(&self, at: Now, url: &str, embedded: bool) -> io::Result<()> {
        let mut recorder = self.recorder();
        recorder.observes_broker = embedded;
        recorder.files.as_mut().map_or(Ok(()), |files| files.broker.on_start(at, url, embedded))
    }

    /// Writes to the broker log.
    fn record_broker(&self, write: impl FnOnce(&mut BrokerLog, Now) -> io::Result<()>) {
        let mut recorder = self.recorder();
        let Some(files) = &mut recorder.files else { return };
        let outcome = write(&mut files.broker, wall_clock_now());
        recorder.problem = recorder.problem.take().or(outcome.err());
    }

    /// Records a change by a user, as text.
    pub fn record_edit(&self, at: Now, message: &str) {
        self.recorder().note(at, "edited", message);
    }

    /// Records a write error of a file of the run.
    pub fn record_error(&self, problem: io::Error) {
        let mut recorder = self.recorder();
        recorder.problem = recorder.problem.take().or(Some(problem));
    }

    /// Present version of a device.
    pub fn version_of(&self, device: usize) -> Option<Version> {
        let recorder = self.recorder();
        recorder.versions.current(&recorder.devices.get(device)?.id)
    }

    /// Records that a timeline's partition begins for these devices.
    pub fn partition_started(&self, devices: &[usize], fault: &str, at: Time) {
        let mut recorder = self.recorder();
        devices.iter().for_each(|device| recorder.outages.partition_started(*device as u32, fault, at));
    }

    /// Records that a timeline's partition ends.
    pub fn partition_ended(&self, fault: &str, at: Time) {
        self.recorder().outages.partition_ended(fault, at);
    }

    /// Marks that a user is about to switch a device, so that the outage is not attributed to the plan.
    pub fn mark_manual_switch(&self, device: usize) {
        self.recorder().outages.mark_manual_switch(device as u32);
    }

    /// Flushes the files and returns the data of the tables.
    pub fn finish(&self, at: Now) -> io::Result<(Outages, Routes, Vec<SwapRefusal>)> {
        self.check()?;
        let mut recorder = self.recorder();
        recorder.chain.finish(at)?;
        recorder.files.as_mut().map_or(Ok(()), |files| files.broker.finish(at))?;
        recorder.versions.flush()?;
        recorder.flush()?;
        recorder.files.as_mut().map_or(Ok(()), |files| files.logs.finish())?;
        let (outages, routes) = (std::mem::take(&mut recorder.outages), std::mem::take(&mut recorder.routes));
        Ok((outages, routes, std::mem::take(&mut recorder.swap_refusals)))
    }

    /// Whether the run records what becomes of single messages.
    pub fn follows_messages(&self) -> bool {
        self.keeps_journeys
    }

    /// Records one step.
    pub fn record(&self, at: Now, step: &TraceEvent<'_>) {
        match step {
            TraceEvent::Input(device, Input::Publish(message)) => {
                self.tracker
                    .with(|tracker| tracker.on_publish(device.0, &message.topic, at.run, Duration::ZERO));
            }
            TraceEvent::Notice(device, DeviceNotice::Stopped(StopReason::Requested)) => {
                self.tracker.with(|tracker| tracker.on_stopped(device.0));
            }
            _ => {}
        }
        let mut recorder = self.recorder();
        if recorder.problem.is_none()
            && let Err(problem) = recorder.record(at, step)
        {
            recorder.problem = Some(problem);
        }
        drop(recorder);
        if step.is_journey() {
            return;
        }
        if may_change_retained(step) {
            self.retained_changed.store(true, Ordering::Relaxed);
        }
        if let (Some(coverage), TraceEvent::Notice(device, notice)) = (&self.coverage, step) {
            coverage.lock().unwrap_or_else(PoisonError::into_inner).on_notice(device.0, notice);
        }
        self.monitor(at, step);
    }

    /// Passes a step to the monitor of the invariants, and records their violations as events.
    fn monitor(&self, at: Now, step: &TraceEvent<'_>) {
        let violations = self.tracker.with_monitor(|monitor| {
            match step {
                TraceEvent::Notice(device, notice) => monitor.on_notice(device.0, notice, at.run),
                TraceEvent::Input(device, Input::Publish(message)) => {
                    monitor.on_publish(device.0, message, at.run);
                }
                TraceEvent::HostPublish(message) => monitor.on_host_publish(message, at.run),
                _ => monitor.advance(at.run),
            }
            monitor.take_violations()
        });
        self.note_violations(at, violations.unwrap_or_default());
    }

    fn note_violations(&self, at: Now, violations: Vec<(String, Violation)>) {
        for (invariant, violation) in violations {
            self.recorder().note(at, "violation", &format!("{invariant}: {}", violation.message));
        }
    }

    /// Compares the broker's retained messages with the invariants.
    pub fn check_retained<'a>(&self, find: impl Fn(&Topic) -> Option<&'a Message>, at: Now) {
        let violations = self.tracker.with_monitor(|monitor| {
            monitor.on_retained(find, at.run);
            monitor.take_violations()
        });
        self.note_violations(at, violations.unwrap_or_default());
    }

    /// Whether the broker's retained messages may have changed since the last call.
    pub fn take_retained_change(&self) -> bool {
        self.retained_changed.swap(false, Ordering::Relaxed)
    }

    /// Whether an invariant depends on retained messages.
    pub fn watches_retained(&self) -> bool {
        self.tracker.with_monitor(|monitor| monitor.uses_retained()).unwrap_or(false)
    }

    /// Outcomes of the invariants at the end of the run.
    pub fn invariants(&self, end: Now) -> Vec<InvariantOutcome> {
        let outcome = self.tracker.with_monitor(|monitor| {
            let outcomes = monitor.finish(end.run);
            (outcomes, monitor.take_violations())
        });
        let (outcomes, violations) = outcome.unwrap_or_default();
        self.note_violations(end, violations);
        outcomes
    }
}

/// Observer of the embedded broker. It logs connections and subscriptions and skips per-message packets before it
/// takes the lock.
impl BrokerObserver for RunObserver {
    fn on_request(&self, from: Peer, request: &Request) {
        if !matches!(request, Request::Publish(_) | Request::Ack(_) | Request::PingReq) {
            self.record_broker(|log, at| log.on_request(at, Connection::Peer(from), request));
        }
    }

    fn on_reply(&self, to: Peer, reply: &Reply) {
        if matches!(reply, Reply::ConnAck(_) | Reply::Refused(_) | Reply::Close(_)) {
            self.record_broker(|log, at| log.on_reply(at, Connection::Peer(to), reply));
        }
    }

    fn follows_messages(&self) -> bool {
        FleetObserver::follows_messages(self)
    }

    fn on_step(&self, at: Now, step: &BrokerStep) {
        if let Some(journeys) = &self.shown {
            journeys.on_step(at, step);
        }
        let run = self.epoch.get().map_or(at.run, |epoch| Time::ZERO + at.wall.since(*epoch));
        self.record(Now { run, ..at }, &TraceEvent::AtBroker(step));
    }
}

impl FleetObserver for RunObserver {
    fn observe(&self, at: Now, step: &TraceEvent<'_>) {
        if let Some(journeys) = &self.shown {
            FleetObserver::observe(&**journeys, at, step);
        }
        if step.is_journey() {
            self.epoch.get_or_init(|| WallTime::from_nanos(at.wall.as_nanos() - at.run.as_nanos()));
        }
        Self::record(self, at, step);
    }

    fn follows_messages(&self) -> bool {
        self.keeps_journeys
            || self.shown.as_ref().is_some_and(|journeys| FleetObserver::follows_messages(&**journeys))
    }
}

impl Observer for RunObserver {
    fn observe(&mut self, at: Now, step: &TraceEvent<'_>) {
        self.record(at, step);
    }
}
