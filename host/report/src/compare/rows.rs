//! Rows of a comparison: the figures of one metric at one point.

use serde_json::Value;
use wasmote_results::PointValues;

use super::ComparedExperiment;
use crate::cohort::{CUT_SHORT_MARK, Cohort, by_point};
use crate::metric::Metric;
use crate::number::Unit;
use crate::statistics::{Difference, Estimate};

/// One metric at one point.
#[derive(Clone, Debug)]
pub struct Row {
    /// Values of the swept fields; empty if every experiment has a single point.
    pub point: PointValues,
    /// The metric.
    pub metric: Metric,
    /// Unit of all figures of the row.
    pub unit: Unit,
    /// Estimate of each experiment; `None` if it does not have the point or the metric.
    pub estimates: Vec<Option<Estimate>>,
    /// For each experiment, true if all runs of the point ended early. Such figures have no difference.
    pub cut: Vec<bool>,
    /// Difference of each experiment but the first from the first.
    pub differences: Vec<Option<Difference>>,
}

/// A row for each point and metric. Points match if their values are equal. If every experiment has a single point, those
/// points are compared even if they differ.
pub(super) fn rows(experiments: &[ComparedExperiment]) -> Vec<Row> {
    let cohorts: Vec<Vec<Cohort<'_>>> =
        experiments.iter().map(|experiment| by_point(&experiment.results)).collect();
    if cohorts.iter().all(|cohorts| cohorts.len() == 1) {
        let only: Vec<Option<&Cohort<'_>>> = cohorts.iter().map(|cohorts| cohorts.first()).collect();
        return at_point(&PointValues::new(), &only);
    }
    let mut points: Vec<&PointValues> = Vec::new();
    for cohort in cohorts.iter().flatten() {
        if !points.contains(&&cohort.point) {
            points.push(&cohort.point);
        }
    }
    let experiment = |cohorts| move |point: &PointValues| find(cohorts, point);
    points
        .into_iter()
        .flat_map(|point| {
            at_point(point, &cohorts.iter().map(|cohorts| experiment(cohorts)(point)).collect::<Vec<_>>())
        })
        .collect()
}

fn find<'a>(cohorts: &'a [Cohort<'a>], point: &PointValues) -> Option<&'a Cohort<'a>> {
    cohorts.iter().find(|cohort| cohort.point == *point)
}

fn at_point(point: &PointValues, cohorts: &[Option<&Cohort<'_>>]) -> Vec<Row> {
    let row = |metric: Metric| {
        let estimates: Vec<Option<Estimate>> =
            cohorts.iter().map(|cohort| cohort.and_then(|cohort| cohort.estimate(metric))).collect();
        let largest = estimates.iter().flatten().map(|it| it.mean).fold(0.0, f64::max);
        let cut: Vec<bool> = cohorts.iter().map(|cohort| cohort.is_some_and(Cohort::is_cut_short)).collect();
        let whole = |experiment: usize| estimates[experiment].filter(|_| !cut[experiment]);
        let from_first = |experiment: usize| Some(Difference::between(&whole(0)?, &whole(experiment)?));
        let differences = (1..estimates.len()).map(from_first).collect();
        Row { point: point.clone(), metric, unit: metric.unit(largest), estimates, cut, differences }
    };
    let traffic = || cohorts.iter().copied().flatten().flat_map(Cohort::traffic);
    let metrics = Metric::ALL.into_iter().filter(|metric| metric.is_of_interest(traffic()));
    metrics.map(row).filter(|row| row.estimates.iter().any(Option::is_some)).collect()
}

impl Row {
    /// The point as text; empty if every experiment has a single point.
    pub fn point_text(&self) -> String {
        let field =
            |(field, value): (&String, &Value)| format!("{field} = {}", crate::cohort::format_value(value));
        self.point.iter().map(field).collect::<Vec<_>>().join(", ")
    }

    /// The metric with its unit.
    pub fn heading(&self) -> String {
        self.unit.heading(self.metric.name())
    }

    /// The figure of each experiment as text; marked if its runs ended early.
    pub fn values(&self) -> Vec<String> {
        let value = |(it, cut): (&Option<Estimate>, &bool)| match it {
            None => "–".to_owned(),
            Some(it) if *cut => format!("{} {CUT_SHORT_MARK}", self.unit.estimate(it.mean, it.half_width)),
            Some(it) => self.unit.estimate(it.mean, it.half_width),
        };
        self.estimates.iter().zip(&self.cut).map(value).collect()
    }

    /// Each difference as text; a star marks a significant one.
    pub fn changes(&self) -> Vec<String> {
        let change = |it: &Difference| {
            let star = if it.is_significant() == Some(true) { " *" } else { "" };
            format!("{}{star}", self.unit.difference(it.value, it.half_width))
        };
        self.differences.iter().map(|it| it.as_ref().map_or("–".to_owned(), change)).collect()
    }
}
