//! Executes one run: a point and a seed produce a folder. Files, counts and thresholds are the same in virtual and in
//! real time.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use wasmote_fleet::actions::step::describe;
use wasmote_fleet::actions::target::Target;
use wasmote_fleet::blueprints::Components;
use wasmote_fleet::config::Settings;
use wasmote_fleet::config::values::Switch;
use wasmote_fleet::refusals;
use wasmote_fleet::startup::RunError;
use wasmote_mqtt::time::Time;
use wasmote_results::{
    Edit, EventLine, JsonFile, LineFile, Row, Summary, ThresholdMiss, TimeMode, TimeseriesRow, write_json,
};
use wasmote_sim::device::Now;
use wasmote_sim::ledger::{Ledger, REMOVED_FAULTS};
use wasmote_sim::rng::Seed;

use super::ExperimentError;
use super::audit::AuditRecord;
use super::delivery_tracker::DeliveryTracker;
use super::driver::{DeviceSnapshot, Driver, virtual_driver};
use super::failures::{RunFacts, failures};
use super::instrumented::SharedTracker;
use super::invariant::monitor::Monitor;
use super::ledger_file;
use super::orchestrator::{self, Orchestrator};
use super::partial_timeseries::PartialTimeseries;
use super::point::Point;
use super::progress::Progress;
use super::recorder::{Recorder, RunObserver};
use super::summary::{self, SummaryInput};
use super::tables::{GroupState, Performed, RunTables};
use super::threshold::ThresholdEntry;
use super::time_buckets::TimeBuckets;
use super::topology;
use super::windows;

/// Inputs of a run.
#[derive(Clone, Copy)]
pub struct RunContext<'a> {
    /// The plan with the values of the sweep.
    pub point: &'a Point,
    /// Seed of all random draws.
    pub seed: Seed,
    /// The behaviours.
    pub components: &'a Components,
    /// The run's folder, which exists. Without one the run writes no files, has no digest, and ends soon after an
    /// invariant is broken.
    pub folder: Option<&'a Path>,
    /// Receives the progress.
    pub progress: &'a Progress<'a>,
}

/// A run that has ended.
#[derive(Clone, Debug)]
pub struct FinishedRun {
    /// Summary of the run.
    pub summary: Summary,
    /// In real time: the changes that users made.
    pub edits: Vec<AuditRecord>,
    /// What the run has covered, without a folder.
    pub coverage: BTreeSet<u64>,
}

/// Executes a run in virtual time.
pub fn run(context: RunContext<'_>) -> Result<FinishedRun, ExperimentError> {
    let RunContext { point, seed, components, .. } = context;
    let observer = context.observer(TimeMode::Virtual)?;
    let at = Now { run: Time::ZERO, wall: point.epoch };
    let options = orchestrator::options(point);
    let start_driver = |devices| Ok(virtual_driver(options, devices, observer.clone()));
    let orchestrator = Orchestrator::new(point, seed, components, observer.clone(), at, start_driver)?;
    context.execute(orchestrator, &observer, Vec::new)
}

/// Number of messages that get records of their own. A run of a few minutes can have a million messages, which take
/// hundreds of megabytes, so by default only the first ones are recorded.
fn message_limit(settings: &Settings) -> u64 {
    const DEFAULT_LIMIT: u64 = 20_000;
    match settings.log_messages {
        Switch::Auto if settings.logs_messages() => DEFAULT_LIMIT,
        Switch::On => u64::MAX,
        Switch::Auto | Switch::Off => 0,
    }
}

impl RunContext<'_> {
    /// Creates the observer that records the run.
    pub(super) fn observer(&self, time_mode: TimeMode) -> Result<RunObserver, ExperimentError> {
        let settings = &self.point.settings;
        let budget = if self.folder.is_some() { message_limit(settings) } else { 0 };
        let recorder = Recorder::new(self.folder, time_mode, budget).map_err(self.writing(""))?;
        let invariants = &self.point.plan.invariant;
        if let Some(index) = invariants.iter().position(|entry| entry.check.rule.uses_retained())
            && time_mode == TimeMode::Real
        {
            let problem =
                "retained messages are observed in virtual time only; leave it out with --time real";
            return Err(ExperimentError::invalid(format!("invariant[{index}].check"), problem));
        }
        let buckets = TimeBuckets::new(self.point.window_ends(), settings.groups.len());
        let tracker = SharedTracker::new(DeliveryTracker::new(buckets), Monitor::new(invariants));
        Ok(RunObserver::new(recorder, tracker))
    }

    /// Executes the run and writes its files. `edits` returns the changes that users made and is called at the end.
    pub(super) fn execute<W: Driver>(
        self,
        orchestrator: Orchestrator<'_, W>,
        observer: &RunObserver,
        edits: impl FnOnce() -> Vec<AuditRecord>,
    ) -> Result<FinishedRun, ExperimentError> {
        let mut run = Run {
            context: self,
            observer,
            orchestrator,
            rows: Vec::new(),
            performed: Vec::new(),
            losses: Vec::new(),
            dropped_by: BTreeMap::new(),
            partial_timeseries: self
                .folder
                .map(PartialTimeseries::create)
                .transpose()
                .map_err(self.writing(TimeseriesRow::FILE))?,
            reported_steps: 0,
            last_counts: Vec::new(),
            snapshots: Vec::new(),
            warm_up_ledger: Ledger::default(),
            misses: Vec::new(),
            is_interrupted: false,
        };
        let end = run.run_timeline()?;
        let outcome = run.orchestrator.driver.finish()?;
        let invariants = observer.invariants(run.orchestrator.driver.now());
        let (outages, routes, swap_refusals) =
            observer.finish(run.orchestrator.driver.now()).map_err(self.writing(""))?;
        let (events, lag, health) = (outcome.events, outcome.lag, outcome.health.clone());
        let implausible = outcome.implausible;
        let published = |at: usize| observer.tracker().with(|tracker| tracker.published(at as u32));
        let population = &run.orchestrator.population;
        let ledger = ledger_file::run_ledger(&population.devices, outcome, published);
        let edits = edits();
        let summary = observer.tracker().with(|tracker| {
            let buckets = tracker.buckets();
            let tables = RunTables {
                point: self.point,
                population,
                buckets,
                states: &run.rows,
                performed: &run.performed,
                losses: &run.losses,
                outages: &outages,
                routes: &routes,
                end,
            };
            self.folder.map_or(Ok(()), |folder| tables.write(folder))?;
            let (from, to) = windows::measured(self.point, end);
            let measured = run.measured_ledger();
            let mut failures = failures(RunFacts {
                health: &health,
                time_mode: W::TIME_MODE,
                counts: &ledger.total,
                measured: &buckets.sum(from, to, None).traffic(),
                thresholds: &self.point.plan.thresholds,
                interrupted: run.is_interrupted,
            });
            let refused = refusals::nothing_accepted(&measured).map(RunError::NothingAccepted);
            failures.extend(refused.map(|error| error.to_string()));
            let input = SummaryInput {
                population,
                end,
                misses: run.misses.clone(),
                interrupted: run.is_interrupted,
                digest: observer.digest().1,
                events,
                failures,
                health: &health,
                measured,
                ledger_closes: ledger.closes,
                edits: edits.iter().map(|it| Edit { at_s: it.at_s, message: it.message.clone() }).collect(),
                swap_refusals,
                implausible,
                lag,
                invariants,
            };
            Ok::<_, ExperimentError>(summary::summary(self.point, self.seed, buckets, input))
        })?;
        if let Some(graph) = &self.point.topology {
            self.write_json(&topology::network(graph))?;
        }
        self.write_json(&ledger)?;
        self.write_json(&summary)?;
        Ok(FinishedRun { summary, edits, coverage: observer.take_coverage() })
    }

    fn write_json<T: JsonFile>(&self, value: &T) -> Result<(), ExperimentError> {
        let Some(folder) = self.folder else { return Ok(()) };
        write_json(folder, value).map_err(self.writing(T::FILE))
    }

    /// Converts errors of writing to this file of the run.
    fn writing(&self, file: &str) -> impl Fn(io::Error) -> ExperimentError + use<> {
        ExperimentError::writing(&self.folder.map(|folder| folder.join(file)).unwrap_or_default().display())
    }
}

struct Run<'a, W> {
    context: RunContext<'a>,
    observer: &'a RunObserver,
    orchestrator: Orchestrator<'a, W>,
    rows: Vec<GroupState>,
    /// Executed actions.
    performed: Vec<Performed>,
    /// Messages that each fault dropped, by the end of the interval.
    losses: Vec<(Time, String, u64)>,
    /// Messages that each fault had dropped at the last window, and has dropped since the last interval.
    dropped_by: BTreeMap<String, (u64, u64)>,
    /// Writer of `timeseries.csv` during the run.
    partial_timeseries: Option<PartialTimeseries>,
    /// Number of steps already reported as progress.
    reported_steps: u64,
    /// For each device, messages sent, refused, and dropped by faults at the last snapshot.
    last_counts: Vec<[u64; 3]>,
    /// The last snapshot of the devices.
    snapshots: Vec<DeviceSnapshot>,
    warm_up_ledger: Ledger,
    /// For each threshold, the miss that ended the run.
    misses: Vec<Option<ThresholdMiss>>,
    /// True if a signal ended the run.
    is_interrupted: bool,
}

impl<W: Driver> Run<'_, W> {
    /// Executes the timeline, window by window. Returns the end of the run.
    fn run_timeline(&mut self) -> Result<Time, ExperimentError> {
        let point = self.context.point;
        // The list of devices and their versions is on disk from the start.
        self.observer.check().map_err(self.context.writing(""))?;
        let mut steps = point.timeline.steps.iter().peekable();
        let mut next_row = Time::ZERO + point.plan.interval.0;
        for window_end in point.window_ends() {
            let mut reached = true;
            while reached && let Some((at, step)) = steps.next_if(|(at, _)| *at <= window_end) {
                reached = self.advance_to(*at)?;
                if reached {
                    let detail = describe(&**step, self.orchestrator.devices());
                    self.orchestrator.apply(&**step)?;
                    let statuses = self.orchestrator.take_statuses();
                    if !step.is_implicit() {
                        self.performed.push(Performed { at: *at, name: step.name(), detail, statuses });
                    }
                }
            }
            reached = reached && self.advance_to(window_end)?;
            let end = if reached { window_end } else { self.orchestrator.driver.now().run.min(window_end) };
            self.observer.check().map_err(self.context.writing(EventLine::FILE))?;
            self.snapshots = self.orchestrator.driver.snapshot()?;
            self.count(end);
            self.count_losses();
            if end == Time::ZERO + point.plan.warm_up.0 {
                self.warm_up_ledger = self.ledger();
            }
            let missed = reached && end < point.end() && self.check_thresholds(end);
            self.is_interrupted = self.context.progress.is_interrupted() && !missed && end < point.end();
            let broken = self.context.folder.is_none() && self.is_invariant_broken();
            let over = missed || broken || self.is_interrupted;
            if end >= next_row || end == point.end() || over {
                self.write_partial_timeseries()?;
                let rows = self.state(end);
                self.rows.extend(rows);
                self.end_interval_of_losses(end);
                next_row = end + point.plan.interval.0;
            }
            if over {
                self.observer.tracker().with(|tracker| tracker.end(end));
                return Ok(end);
            }
        }
        Ok(point.end())
    }

    /// Advances time and reports the progress. Returns false if a signal in real time ended the wait early.
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

    /// Adds to the time buckets the counts that only the devices' ledgers have.
    fn count(&mut self, end: Time) {
        self.last_counts.resize(self.snapshots.len(), [0; 3]);
        for (device, snapshot) in self.snapshots.iter().enumerate() {
            let Ledger { sent, refused, .. } = &snapshot.ledger;
            let now = [*sent, refused.total(), snapshot.ledger.fault_total().dropped()];
            let (column, last_counts) = (self.column(device), self.last_counts[device]);
            self.observer.tracker().with(|tracker| {
                let bucket = tracker.buckets_mut().bucket_mut(end, column);
                bucket.sent += now[0] - last_counts[0];
                bucket.refused += now[1] - last_counts[1];
                bucket.dropped += now[2] - last_counts[2];
            });
            self.last_counts[device] = now;
        }
    }

    /// Adds the messages that each fault has dropped since the last call.
    fn count_losses(&mut self) {
        let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
        for snapshot in &self.snapshots {
            for (id, counts) in snapshot.ledger.faults().filter(|(_, counts)| counts.dropped() > 0) {
                *totals.entry(id).or_default() += counts.dropped();
            }
        }
        for (id, total) in totals {
            let (last, recent) = match self.dropped_by.get_mut(id) {
                Some(counts) => counts,
                None => self.dropped_by.entry(id.to_owned()).or_default(),
            };
            // A ledger sums up the counts of faults that were removed long ago, so a total can shrink.
            *recent += total.saturating_sub(*last);
            *last = total;
        }
    }

    /// Ends an interval of `losses.csv`.
    fn end_interval_of_losses(&mut self, end: Time) {
        for (id, (_, recent)) in &mut self.dropped_by {
            // What was dropped by faults that were removed long ago has been counted for each of them.
            let dropped = std::mem::take(recent);
            if dropped > 0 && **id != *REMOVED_FAULTS {
                self.losses.push((end, id.clone(), dropped));
            }
        }
    }

    /// The state of each group, and of all groups together.
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

    /// Writes the intervals before the last one, for readers of a run that is active or was killed.
    fn write_partial_timeseries(&mut self) -> Result<(), ExperimentError> {
        let Some(partial_timeseries) = &mut self.partial_timeseries else { return Ok(()) };
        let groups = &self.orchestrator.population.groups;
        let outcome = self
            .observer
            .tracker()
            .with(|tracker| partial_timeseries.write(groups, tracker.buckets(), &self.rows));
        outcome.map_err(self.context.writing(TimeseriesRow::FILE))
    }

    fn is_invariant_broken(&self) -> bool {
        self.observer.tracker().with_monitor(|monitor| monitor.is_violated()).unwrap_or(false)
    }

    fn ledger(&self) -> Ledger {
        let mut total = Ledger::default();
        self.snapshots.iter().for_each(|snapshot| total.add(&snapshot.ledger));
        total
    }

    /// The ledger of all devices since the end of the warm-up.
    fn measured_ledger(&self) -> Ledger {
        let mut measured = self.ledger();
        measured.subtract(&self.warm_up_ledger);
        measured
    }

    /// Returns true if a threshold that ends the run is missed, and keeps the misses. Messages of the last interval
    /// may still be in flight, so only the time before it is evaluated.
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
