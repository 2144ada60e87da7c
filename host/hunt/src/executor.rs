//! Executor: runs cases without files.

use std::collections::BTreeSet;

use serde_json::Value;
use wasmote_engine::Engine;
use wasmote_experiment::ExperimentError;
use wasmote_experiment::plan::Experiment;
use wasmote_experiment::point::{Overrides, Point};
use wasmote_experiment::progress::{Progress, Totals};
use wasmote_experiment::run::{RunContext, run};
use wasmote_experiment::source::PlanSource;
use wasmote_experiment::sweep::Combination;
use wasmote_fleet::blueprints::Components;
use wasmote_fleet::config::options::Options;
use wasmote_sim::rng::Seed;

use super::case::Case;
use super::failure::{Failure, failures};

/// Runs cases of one plan. The components are compiled once, and all runs share their code.
pub struct Executor {
    source: PlanSource,
    engine: Engine,
    components: Components,
    /// Signals that end the hunt.
    pub totals: Totals,
}

impl Executor {
    /// Checks a plan and compiles its behaviours.
    pub fn new(source: PlanSource, engine: Engine, totals: Totals) -> Result<Self, ExperimentError> {
        let mut plain = source.clone();
        if let Some(fields) = plain.value.as_object_mut() {
            fields.remove("hunt");
        }
        let experiment = Experiment::validated(plain, &Overrides::default(), &engine)?;
        Ok(Self { source, engine, components: experiment.components, totals })
    }

    /// The plan of the hunt.
    pub fn source(&self) -> &PlanSource {
        &self.source
    }

    /// The engine, for runs with files.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Hashes of the components.
    pub fn fingerprint(&self) -> Vec<String> {
        self.components.iter().map(|(_, component)| component.inspect().sha256).collect()
    }

    /// The plan source with another document.
    pub fn with_plan(&self, plan: Value) -> PlanSource {
        PlanSource { value: plan, ..self.source.clone() }
    }

    /// Loads the behaviours that a plan uses in addition to those known.
    pub fn load(&mut self, plan: &Value) -> Result<(), ExperimentError> {
        let point = self.point(plan)?;
        let known = self.components.iter().map(|(source, _)| source.clone()).collect::<Vec<_>>();
        if point.sources().any(|source| !known.contains(source)) {
            self.components = Components::load(
                known.iter().chain(point.sources()),
                &self.engine,
                self.source.models.fetcher(),
            )?;
        }
        Ok(())
    }

    /// Checks a plan.
    pub fn point(&self, plan: &Value) -> Result<Point, ExperimentError> {
        Point::new(&self.with_plan(plan.clone()), Combination::default(), &Options::default())
    }

    /// Runs a case and returns its failures.
    pub fn run(&self, case: &Case) -> Result<Vec<Failure>, ExperimentError> {
        self.run_with_coverage(case).map(|(failures, _)| failures)
    }

    /// Runs a case and returns its failures and what it has covered.
    pub fn run_with_coverage(&self, case: &Case) -> Result<(Vec<Failure>, BTreeSet<u64>), ExperimentError> {
        let point = self.point(&case.assembled())?;
        let progress = Progress::new(&self.totals);
        let finished = run(RunContext {
            point: &point,
            seed: Seed::new(case.seed),
            components: &self.components,
            folder: None,
            progress: &progress,
        })?;
        let failures = if finished.summary.interrupted { Vec::new() } else { failures(&finished.summary) };
        Ok((failures, finished.coverage))
    }
}
