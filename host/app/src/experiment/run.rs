//! One run: a point and a seed become a folder. What is written, counted and judged on the way is the same in
//! virtual and in real time.

use std::path::Path;

use wasmote_mqtt::time::Time;
use wasmote_sim::device::Now;
use wasmote_sim::ledger::Ledger;
use wasmote_sim::rng::Seed;

use super::ExperimentError;
use super::audit::AuditRecord;
use super::delivery_tracker::DeliveryTracker;
use super::driver::{DeviceSnapshot, Driver, TimeMode, virtual_driver};
use super::instrumented::SharedTracker;
use super::ledger_file::{self, RunLedger};
use super::orchestrator::{self, Orchestrator};
use super::partial_timeseries::PartialTimeseries;
use super::plan::Point;
use super::progress::Progress;
use super::recorder::{Recorder, RunObserver};
use super::results::{pretty_json, write_atomically};
use super::summary::{Summary, SummaryInput};
use super::tables::{self, GroupState};
use super::threshold::ThresholdEntry;
use super::time_buckets::TimeBuckets;
use super::verdict::ThresholdMiss;
use super::windows;
use crate::actions::step::describe;
use crate::actions::target::Target;
use crate::blueprints::Components;
use crate::config::Settings;
use crate::config::values::Switch;

/// Where and with what a run happens.
#[derive(Clone, Copy)]
pub struct RunContext<'a> {
    /// The plan with its values.
    pub point: &'a Point,
    /// All randomness.
    pub seed: Seed,
    /// The behaviours.
    pub components: &'a Components,
    /// For what is seen; it must be there.
    pub folder: &'a Path,
    /// Who is told how far it is.
    pub progress: &'a Progress<'a>,
}

/// Run in virtual time.
pub fn run(context: RunContext<'_>) -> Result<Summary, ExperimentError> {
    let RunContext { point, seed, components, .. } = context;
    let observer = context.observer(TimeMode::Virtual)?;
    let at = Now { run: Time::ZERO, wall: point.epoch };
    let options = orchestrator::options(point);
    let start_driver = |devices| Ok(virtual_driver(options, devices, observer.clone()));
    let orchestrator = Orchestrator::new(point, seed, components, observer.clone(), at, start_driver)?;
    context.execute(orchestrator, &observer, Vec::new)
}

/// How many single messages are written down. A run of some minutes can have a million of them, which is
/// hundreds of megabytes that hardly anybody reads, so that without a word the first ones have to do.
fn message_limit(settings: &Settings) -> u64 {
    const DEFAULT_LIMIT: u64 = 20_000;
    match settings.log_messages {
        Switch::Auto if settings.logs_messages() => DEFAULT_LIMIT,
        Switch::On => u64::MAX,
        Switch::Auto | Switch::Off => 0,
    }
}

impl RunContext<'_> {
    /// What is to be seen of a run goes here.
    pub(super) fn observer(&self, time_mode: TimeMode) -> Result<RunObserver, ExperimentError> {
        let settings = &self.point.settings;
        let recorder = Recorder::new(self.folder, time_mode, message_limit(settings));
        let recorder = recorder.map_err(ExperimentError::writing(&self.folder.display()))?;
        let buckets = TimeBuckets::new(self.point.window_ends(), settings.groups.len());
        Ok(RunObserver::new(recorder, SharedTracker::new(DeliveryTracker::new(buckets))))
    }

    /// Go through the whole run, and leave behind what was seen. What users did is asked for at its end.
    pub(super) fn execute<W: Driver>(
        self,
        orchestrator: Orchestrator<'_, W>,
        observer: &RunObserver,
        edits: impl FnOnce() -> Vec<AuditRecord>,
    ) -> Result<Summary, ExperimentError> {
        let writing = |what: &str| ExperimentError::writing(&self.folder.join(what).display());
        let mut run = Run {
            context: self,
            observer,
            orchestrator,
            rows: Vec::new(),
            performed: Vec::new(),
            partial_timeseries: PartialTimeseries::create(&self.folder.join("timeseries.csv"))
                .map_err(writing("timeseries.csv"))?,
            reported_steps: 0,
            last_counts: Vec::new(),
            snapshots: Vec::new(),
            warm_up_ledger: Ledger::default(),
            misses: Vec::new(),
            is_interrupted: false,
        };
        let end = run.run_timeline()?;
        let outcome = run.orchestrator.driver.finish()?;
        let (outages, routes, swap_refusals) =
            observer.finish(run.orchestrator.driver.now()).map_err(writing(""))?;
        let (events, lag) = (outcome.events, outcome.lag);
        let published = |at: usize| observer.tracker().with(|tracker| tracker.published(at as u32));
        let ledger = RunLedger::new(&run.orchestrator.population.devices, outcome, published);
        let population = &run.orchestrator.population;
        let write = |name: &str, text: String| {
            write_atomically(&self.folder.join(name), text.as_bytes()).map_err(writing(name))
        };
        let summary = observer.tracker().with(|tracker| {
            let (groups, buckets) = (&population.groups, tracker.buckets());
            write("timeseries.csv", tables::time_series(groups, buckets, &run.rows))?;
            write("latency.csv", tables::latencies(groups, buckets, windows::measured(self.point, end)))?;
            let input = SummaryInput {
                population,
                end,
                misses: run.misses.clone(),
                interrupted: run.is_interrupted,
                digest: observer.digest().1,
                events,
                faults: ledger_file::difference(&run.ledger(), &run.warm_up_ledger),
                ledger_closes: ledger.closes(),
                edits: edits(),
                swap_refusals,
                lag,
            };
            Ok::<_, ExperimentError>(Summary::new(self.point, self.seed, buckets, input))
        })?;
        write("outages.csv", tables::outages(&outages, &population.devices, end))?;
        if !routes.is_empty() {
            write("routes.csv", tables::routes(&routes, &population.devices))?;
        }
        if !self.point.timeline.steps.is_empty() {
            write("timeline.csv", tables::timeline(&run.performed, end))?;
        }
        if let Some(topology) = &self.point.topology {
            write("topology.json", pretty_json(&topology.json()))?;
        }
        write("ledger.json", ledger_file::json(&ledger))?;
        write("summary.json", summary.json())?;
        Ok(summary)
    }
}

struct Run<'a, W> {
    context: RunContext<'a>,
    observer: &'a RunObserver,
    orchestrator: Orchestrator<'a, W>,
    rows: Vec<GroupState>,
    /// What was done of the script, and when: its name, and for whom and with what.
    performed: Vec<(Time, &'static str, String)>,
    /// The table while it grows.
    partial_timeseries: PartialTimeseries,
    /// Steps that somebody was told of.
    reported_steps: u64,
    /// What each device had sent and lost to faults when it was last looked at.
    last_counts: Vec<(u64, u64)>,
    /// How the devices were then.
    snapshots: Vec<DeviceSnapshot>,
    warm_up_ledger: Ledger,
    /// What was found of each threshold when one of them ended the run.
    misses: Vec<Option<ThresholdMiss>>,
    /// Whether somebody ended it before its time.
    is_interrupted: bool,
}

impl<W: Driver> Run<'_, W> {
    /// Go through the script and the stretches of time. Returns when the run ended.
    fn run_timeline(&mut self) -> Result<Time, ExperimentError> {
        let point = self.context.point;
        // Who takes part is on disk from the start.
        self.observer.check().map_err(ExperimentError::writing(&self.context.folder.display()))?;
        let mut steps = point.timeline.steps.iter().peekable();
        let mut next_row = Time::ZERO + point.plan.interval.0;
        for window_end in point.window_ends() {
            let mut reached = true;
            while reached && let Some((at, step)) = steps.next_if(|(at, _)| *at <= window_end) {
                reached = self.advance_to(*at)?;
                if reached {
                    if !step.is_implicit() {
                        let detail = describe(&**step, self.orchestrator.devices());
                        self.performed.push((*at, step.name(), detail));
                    }
                    self.orchestrator.apply(&**step)?;
                }
            }
            reached = reached && self.advance_to(window_end)?;
            let end = if reached { window_end } else { self.orchestrator.driver.now().run.min(window_end) };
            self.observer
                .check()
                .map_err(ExperimentError::writing(&self.context.folder.join("events.ndjson").display()))?;
            self.snapshots = self.orchestrator.driver.snapshot()?;
            self.count(end);
            if end == Time::ZERO + point.plan.warm_up.0 {
                self.warm_up_ledger = self.ledger();
            }
            let missed = reached && end < point.end() && self.check_thresholds(end);
            self.is_interrupted = self.context.progress.is_interrupted() && !missed && end < point.end();
            let over = missed || self.is_interrupted;
            if end >= next_row || end == point.end() || over {
                self.write_partial_timeseries()?;
                let rows = self.state(end);
                self.rows.extend(rows);
                next_row = end + point.plan.interval.0;
            }
            if over {
                self.observer.tracker().with(|tracker| tracker.end(end));
                return Ok(end);
            }
        }
        Ok(point.end())
    }

    /// Let time pass, and tell how far it is. Says whether it got there: in real time nobody who wants to end a
    /// run has to wait.
    fn advance_to(&mut self, end: Time) -> Result<bool, ExperimentError> {
        loop {
            let stop = end.min(self.orchestrator.driver.now().run + W::POLL_INTERVAL);
            self.orchestrator.driver.run_until(stop)?;
            let now = self.orchestrator.driver.now().run.min(stop);
            let steps = self.observer.digest().0;
            self.context.progress.advance(now, steps - self.reported_steps);
            self.reported_steps = steps;
            if now < stop || stop == end {
                return Ok(now == end);
            }
        }
    }

    fn column(&self, device: usize) -> usize {
        let devices = &self.orchestrator.population.devices;
        devices.get(device).map_or(0, |device| self.orchestrator.population.column(&device.group))
    }

    /// Enter into the table what only the devices' own ledgers know.
    fn count(&mut self, end: Time) {
        self.last_counts.resize(self.snapshots.len(), (0, 0));
        for (device, snapshot) in self.snapshots.iter().enumerate() {
            let now = (snapshot.ledger.sent, snapshot.ledger.fault_total().dropped());
            let (column, last_counts) = (self.column(device), self.last_counts[device]);
            self.observer.tracker().with(|tracker| {
                let bucket = tracker.buckets_mut().bucket_mut(end, column);
                // A message that the connection gives back is taken off again.
                bucket.sent += now.0.saturating_sub(last_counts.0);
                bucket.dropped += now.1 - last_counts.1;
            });
            self.last_counts[device] = (now.0.max(last_counts.0), now.1);
        }
    }

    /// The state of each group, and of all.
    fn state(&self, end: Time) -> Vec<GroupState> {
        let groups = self.orchestrator.population.groups.len();
        let mut rows: Vec<GroupState> = (0..groups).map(|group| GroupState::new(end, Some(group))).collect();
        let mut all = GroupState::new(end, None);
        for (device, snapshot) in self.snapshots.iter().enumerate() {
            for row in [&mut rows[self.column(device)], &mut all] {
                row.add(snapshot);
            }
        }
        rows.push(all);
        rows
    }

    /// Write what is known of intervals before the last one, for whoever looks before the end, or has none.
    fn write_partial_timeseries(&mut self) -> Result<(), ExperimentError> {
        let groups = &self.orchestrator.population.groups;
        let outcome = self
            .observer
            .tracker()
            .with(|tracker| self.partial_timeseries.write(groups, tracker.buckets(), &self.rows));
        outcome.map_err(ExperimentError::writing(&self.context.folder.join("timeseries.csv").display()))
    }

    fn ledger(&self) -> Ledger {
        let mut total = Ledger::default();
        self.snapshots.iter().for_each(|snapshot| total.add(&snapshot.ledger));
        total
    }

    /// Whether a threshold that ends the run is missed, which is kept. Messages of the last interval may still be
    /// under way, so those before it are looked at.
    fn check_thresholds(&mut self, now: Time) -> bool {
        let point = self.context.point;
        let settled = now - point.plan.interval.0;
        self.misses = self.observer.tracker().with(|tracker| {
            let miss = |entry: &ThresholdEntry| {
                let stats = windows::stats(point, tracker.buckets(), &entry.check.scope, settled);
                let value = entry.check.value(&stats).filter(|_| entry.abort && stats.generated > 0)?;
                let (at_s, settled_s) = (now.elapsed().as_secs_f64(), settled.elapsed().as_secs_f64());
                (!entry.check.holds(Some(value))).then_some(ThresholdMiss { at_s, settled_s, value })
            };
            point.plan.thresholds.iter().map(miss).collect()
        });
        self.misses.iter().any(Option::is_some)
    }
}
