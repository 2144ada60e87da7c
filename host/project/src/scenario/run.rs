//! Runs of scenarios.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;
use wasmote_engine::Engine;
use wasmote_experiment::ExperimentError;
use wasmote_experiment::delivery_tracker::DeliveryTracker;
use wasmote_experiment::driver::Driver;
use wasmote_experiment::instrumented::SharedTracker;
use wasmote_experiment::orchestrator::{self, Orchestrator};
use wasmote_experiment::point::Point;
use wasmote_experiment::recorder::{Recorder, RunObserver};
use wasmote_experiment::sweep::Combination;
use wasmote_experiment::time_buckets::TimeBuckets;
use wasmote_fleet::blueprints::{Components, all_identities};
use wasmote_fleet::config::options::Options;
use wasmote_mqtt::time::Time;
use wasmote_registry::fetcher::Fetcher;
use wasmote_results::TimeMode;
use wasmote_sim::device::Now;
use wasmote_sim::rng::Seed;

use super::document::ScenarioFile;
use super::driver::{Answer, ScenarioDriver};
use super::evaluate::{Check, Expectation, unexpected_traps};
use super::golden::{self, Golden};
use super::trace::SharedTrace;

/// Scenarios that are checked, with their components, ready to run.
pub struct Scenarios {
    files: Vec<(ScenarioFile, Point)>,
    components: Components,
    /// Group of the component under test.
    group: Option<String>,
}

/// Outcome of a scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Whether all checks passed.
    pub passed: bool,
    /// Outcomes of its expectations.
    pub checks: Vec<Check>,
    /// Whether its golden trace was written.
    pub trace_written: bool,
    /// Simulated seconds.
    pub simulated_s: f64,
    /// Events of the simulation.
    pub events: u64,
    /// Real seconds.
    pub real_s: f64,
}

impl Scenarios {
    /// Checks scenarios and compiles their components, each once. `group` is that of the component under test.
    pub fn new(
        files: Vec<ScenarioFile>,
        group: Option<String>,
        engine: &Engine,
    ) -> Result<Self, ExperimentError> {
        let checked = |file: ScenarioFile| {
            let point = Point::new(&file.plan, Combination::default(), &Options::default())?;
            check_expectations(&file, &point)?;
            Ok((file, point))
        };
        let files: Vec<_> = files.into_iter().map(checked).collect::<Result<_, ExperimentError>>()?;
        let components = Components::load(
            files.iter().flat_map(|(_, point)| point.sources()),
            engine,
            &Fetcher::default(),
        )?;
        Ok(Self { files, components, group })
    }

    /// Number of scenarios.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// Runs the scenario at this position; `None` past the end. With `update` its golden trace is written.
    pub fn run(&self, index: usize, update: bool) -> Option<Result<Outcome, ExperimentError>> {
        let (file, point) = self.files.get(index)?;
        Some(self.run_file(file, point, update))
    }

    fn run_file(&self, file: &ScenarioFile, point: &Point, update: bool) -> Result<Outcome, ExperimentError> {
        let began = Instant::now();
        let (end, group) = (point.end(), self.group.as_deref());
        let entries = file.scenario.expect.iter().enumerate();
        let expectations: Vec<Expectation<'_>> =
            entries.filter_map(|(index, entry)| Expectation::new(index, entry, end, group)).collect();
        // The recorder of experiments writes files, which a scenario does not keep.
        let folder =
            tempfile::tempdir().map_err(ExperimentError::writing(&std::env::temp_dir().display()))?;
        let recorder = Recorder::new(Some(folder.path()), TimeMode::Virtual, 0)
            .map_err(ExperimentError::writing(&folder.path().display()))?;
        let buckets = TimeBuckets::new(point.window_ends(), point.settings.groups.len());
        let observer = RunObserver::new(recorder, SharedTracker::new(DeliveryTracker::new(buckets), None));
        let trace = SharedTrace::default();
        let answers: Vec<Answer> = file.scenario.http.iter().map(Answer::from).collect();
        let seed = Seed::new(file.scenario.seed.unwrap_or(1));
        let at = Now { run: Time::ZERO, wall: point.epoch };
        let options = orchestrator::options(point);
        let start = |devices| Ok(ScenarioDriver::new(options, devices, answers, trace.clone()));
        let mut orchestrator = Orchestrator::new(point, seed, &self.components, observer, at, start)?;

        let mut states: Vec<(Time, usize)> =
            expectations.iter().enumerate().filter_map(|(index, it)| Some((it.state_at()?, index))).collect();
        states.sort();
        let mut checks: Vec<Option<Check>> = vec![None; expectations.len()];
        let mut steps = point.timeline.steps.iter().peekable();
        let times = states.iter().map(|(at, _)| *at).chain([end]);
        for (position, until) in times.enumerate() {
            while let Some((at, step)) = steps.next_if(|(at, _)| *at <= until) {
                orchestrator.driver.run_until(*at)?;
                orchestrator.apply(&**step)?;
            }
            orchestrator.driver.run_until(until)?;
            if let Some((_, index)) = states.get(position) {
                checks[*index] = Some(expectations[*index].check_state(&orchestrator.driver));
            }
        }
        let events = orchestrator.driver.events();
        let (mut checks, golden) = trace.with(|trace| {
            let of_event = |(check, it): (Option<Check>, &Expectation<'_>)| {
                check.unwrap_or_else(|| it.check_events(trace))
            };
            let checks: Vec<Check> = checks.into_iter().zip(&expectations).map(of_event).collect();
            let traps = unexpected_traps(trace, &expectations);
            let golden = file.scenario.trace.as_ref().map(|_| golden::render(trace, group));
            (checks.into_iter().chain(traps).collect::<Vec<_>>(), golden)
        });
        let mut trace_written = false;
        if let (Some(text), Some(path)) = (golden, &file.scenario.trace) {
            let path = file.path.parent().map_or_else(|| PathBuf::from(path), |folder| folder.join(path));
            let outcome = golden::compare(&path, &text, update);
            let outcome = outcome.map_err(ExperimentError::writing(&path.display()))?;
            trace_written = outcome == Golden::Written;
            checks.push(golden_check(&path.display().to_string(), outcome));
        }
        Ok(Outcome {
            name: file.name.clone(),
            file: file.shown.clone(),
            passed: checks.iter().all(|check| check.passed),
            checks,
            trace_written,
            simulated_s: file.scenario.duration.0.as_secs_f64(),
            events,
            real_s: began.elapsed().max(Duration::from_micros(1)).as_secs_f64(),
        })
    }
}

fn check_expectations(file: &ScenarioFile, point: &Point) -> Result<(), ExperimentError> {
    let devices = all_identities(&point.settings);
    let names: Vec<&str> = devices.iter().map(|device| device.id.as_str()).collect();
    for (index, entry) in file.scenario.expect.iter().enumerate() {
        entry.check(file.scenario.duration, &names).map_err(|(field, problem)| {
            let dot = if field.is_empty() { "" } else { "." };
            ExperimentError::invalid(format!("{}: expect[{index}]{dot}{field}", file.shown), problem)
        })?;
    }
    Ok(())
}

fn golden_check(path: &str, outcome: Golden) -> Check {
    let (passed, found, instead) = match outcome {
        Golden::Equal => (true, "equal", Vec::new()),
        Golden::Written => (true, "written", Vec::new()),
        Golden::Missing => (
            false,
            "there is no such file",
            vec!["`wasmote test --update` writes it from this run; look at it before you keep it".to_owned()],
        ),
        Golden::Differs(mut lines) => {
            lines.push("(- the file, + this run; `wasmote test --update` writes the new trace)".to_owned());
            (false, "another trace", lines)
        }
    };
    Check {
        field: "trace".to_owned(),
        expected: format!("the trace in {path}"),
        passed,
        found: found.to_owned(),
        instead,
    }
}
