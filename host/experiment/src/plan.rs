//! Experiment: a plan's points and seeds, all checked before the first run.

use std::collections::BTreeMap;

use serde_json::Value;
use wasmote_engine::{Engine, Inspection};
use wasmote_fleet::blueprints::Components;
use wasmote_fleet::source::Source;
use wasmote_results::PointValues;
use wasmote_sim::rng::Seed;

use super::ExperimentError;
use super::dry_run::dry_run;
use super::error_attribution::attribute_error;
use super::plan_file::PlanFile;
use super::point::{Overrides, Point, RunId};
use super::seeds::Seeds;
use super::source::PlanSource;
/// Maximum number of rows in a time series.
use super::sweep::{Combination, combinations, fields};

/// Plan with its points and compiled behaviours, ready to run.
pub struct Experiment {
    /// The plan with the values from the command line.
    pub source: PlanSource,
    /// The parsed plan.
    pub plan: PlanFile,
    /// The points of the sweep, at least one.
    pub points: Vec<Point>,
    /// The behaviours of all points, each compiled once.
    pub components: Components,
}

impl Experiment {
    /// Checks a plan and compiles its behaviours.
    pub fn new(
        mut source: PlanSource,
        overrides: &Overrides,
        engine: &Engine,
    ) -> Result<Self, ExperimentError> {
        let written = source.clone();
        let attribute = |error, values: &PointValues| {
            attribute_error(error, &written, overrides, values, |plan| {
                Point::new(plan, Combination::default(), &overrides.live).is_ok()
            })
        };
        for (field, value) in &overrides.set {
            source
                .set(field, value.clone())
                .map_err(|problem| ExperimentError::invalid(format!("--set {field}"), problem))?;
        }
        let mut plan = source.plan_file().map_err(|error| attribute(error, &PointValues::new()))?;
        if let Some(count) = overrides.seeds {
            let base = plan.seeds.0.first().copied().unwrap_or(1);
            plan.seeds = Seeds::count(count, base);
            source.value["seeds"] = plan.seeds.0.clone().into();
        }
        let combinations = combinations(&fields(&plan.sweep, &source)?)
            .map_err(|problem| ExperimentError::invalid(format!("{}: sweep", source.shown), problem))?;
        let point = |values: Combination| {
            Point::new(&source, values.clone(), &overrides.live)
                .map_err(|error| attribute(error, &values.set))
        };
        let points: Vec<Point> = combinations.into_iter().map(point).collect::<Result<_, _>>()?;
        let components =
            Components::load(points.iter().flat_map(Point::sources), engine, source.models.fetcher())?;
        Ok(Self { source, plan, points, components })
    }

    /// Creates an experiment and checks in a dry run that behaviours accept their configuration.
    pub fn validated(
        source: PlanSource,
        overrides: &Overrides,
        engine: &Engine,
    ) -> Result<Self, ExperimentError> {
        let written = source.clone();
        let experiment = Self::new(source, overrides, engine)?;
        let is_sound = |plan: &PlanSource| {
            let point = Point::new(plan, Combination::default(), &overrides.live);
            let fetcher = plan.models.fetcher();
            point
                .and_then(|point| dry_run(&point, &Components::load(point.sources(), engine, fetcher)?, ""))
                .is_ok()
        };
        for point in &experiment.points {
            dry_run(point, &experiment.components, &written.shown)
                .map_err(|error| attribute_error(error, &written, overrides, &point.set, is_sound))?;
        }
        Ok(experiment)
    }

    /// Inspections of the components of all runs: behaviours, then fault models.
    pub fn inspections(&self) -> Vec<(Source, Inspection)> {
        let behaviours = self.components.iter().map(|(source, it)| (source.clone(), it.inspect()));
        let models = self.source.models.loaded().into_iter().map(|(source, it)| (source, it.inspect()));
        behaviours.chain(models).collect()
    }

    /// Every run, points before seeds.
    pub fn runs(&self) -> Vec<RunId> {
        let pairs =
            (0..self.points.len()).flat_map(|point| self.plan.seeds.0.iter().map(move |seed| (point, *seed)));
        let run = |(index, (point, seed))| RunId { index, point, seed: Seed::new(seed) };
        pairs.enumerate().map(run).collect()
    }

    /// Number of devices at the beginning of the largest run.
    pub fn devices(&self) -> usize {
        self.devices_by_point().max().unwrap_or(0)
    }

    /// Number of devices at the beginning of a run, for each point.
    pub fn devices_by_point(&self) -> impl Iterator<Item = usize> {
        self.points.iter().map(|point| point.settings.devices())
    }
}

/// Labels of a point's values, for names of folders and lines of reports.
pub fn point_labels(values: &BTreeMap<String, Value>) -> Vec<String> {
    let label = |(field, value): (&String, &Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!("{field}={value}")
    };
    values.iter().map(label).collect()
}
