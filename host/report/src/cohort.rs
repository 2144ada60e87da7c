//! Cohorts: groups of runs that differ only in their seed.

use serde_json::Value;
use wasmote_results::{PointValues, Traffic};

use super::metric::Metric;
use super::results::{Results, Run};
use super::statistics::Estimate;

/// Runs that differ only in their seed, with a label.
#[derive(Clone, Debug)]
pub struct Cohort<'a> {
    /// Label for legends; empty for the only cohort of an experiment.
    pub label: String,
    /// Values of the swept fields.
    pub point: PointValues,
    /// One run for each seed. Runs that ended early are included only if the cohort has no whole run.
    pub runs: Vec<&'a Run>,
    /// Runs that ended early in a cohort with whole runs. Their figures cover a shorter time and are not comparable.
    pub left_out: Vec<&'a Run>,
}

/// Mark of figures from runs that ended early.
pub const CUT_SHORT_MARK: &str = "†";
/// Explanation of the mark.
pub const CUT_SHORT_NOTE: &str = "† marks points without a whole run: their runs ended early, and their figures cover \
                          only the time until then.";

impl Cohort<'_> {
    /// The estimate of a metric over the runs that have it.
    pub fn estimate(&self, metric: Metric) -> Option<Estimate> {
        let values: Vec<f64> = self.runs.iter().filter_map(|run| metric.of(run)).collect();
        Estimate::of(&values)
    }

    /// Messages and latencies of each run.
    pub fn traffic(&self) -> impl Iterator<Item = &Traffic> {
        self.runs.iter().map(|run| &run.summary.traffic)
    }

    /// True if all runs ended early.
    pub fn is_cut_short(&self) -> bool {
        self.runs.iter().any(|run| !run.summary.is_whole())
    }

    /// The label, with a mark if the runs ended early.
    pub fn mark_label(&self, label: &str) -> String {
        match (self.is_cut_short(), label) {
            (false, _) | (_, "") => label.to_owned(),
            (true, label) => format!("{label} {CUT_SHORT_MARK}"),
        }
    }
}

/// Groups the runs of an experiment by point, in the order of the runs.
pub fn by_point(results: &Results) -> Vec<Cohort<'_>> {
    let mut cohorts: Vec<Cohort<'_>> = Vec::new();
    for run in &results.runs {
        let point = &run.entry.point;
        match cohorts.iter_mut().find(|cohort| cohort.point == *point) {
            Some(cohort) => cohort.runs.push(run),
            None => {
                let (label, point) = (label(point), point.clone());
                cohorts.push(Cohort { label, point, runs: vec![run], left_out: Vec::new() });
            }
        }
    }
    for cohort in &mut cohorts {
        let runs = std::mem::take(&mut cohort.runs);
        let (whole, cut): (Vec<_>, Vec<_>) = runs.into_iter().partition(|run| run.summary.is_whole());
        (cohort.runs, cohort.left_out) = if whole.is_empty() { (cut, whole) } else { (whole, cut) };
        cohort.label = cohort.mark_label(&cohort.label);
    }
    cohorts
}

/// Names of all swept fields, joined into one text.
pub fn fields(cohorts: &[Cohort<'_>]) -> String {
    cohorts.first().map(|cohort| field_names(&cohort.point)).unwrap_or_default()
}

/// Names of the fields of a point, shortened as long as they remain distinct.
pub fn field_names(point: &PointValues) -> String {
    let names = |name: fn(&str) -> &str| point.keys().map(|field| name(field)).collect::<Vec<_>>();
    let short = names(short_path);
    let unique = (1..short.len()).all(|i| !short[..i].contains(&short[i]));
    if unique { short } else { names(|field| field) }.join(", ")
}

/// The last two parts of a field's path, for narrow labels.
pub fn short_path(field: &str) -> &str {
    let dots = field.rmatch_indices('.').nth(1);
    dots.map_or(field, |(dot, _)| &field[dot + 1..])
}

fn label(point: &PointValues) -> String {
    point.values().map(format_value).collect::<Vec<_>>().join(", ")
}

/// A value as written in a plan, without quotes.
pub fn format_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number.as_f64().unwrap_or_default().to_string(),
        other => other.to_string(),
    }
}

/// A value as a number; a duration such as `10ms` is converted to seconds.
pub fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .or_else(|| humantime::parse_duration(text).ok().map(|span| span.as_secs_f64())),
        _ => None,
    }
}

/// True if the value is a duration.
pub fn is_duration(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<f64>().is_err() && humantime::parse_duration(text).is_ok())
}
