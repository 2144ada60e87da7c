//! Runs that differ in their seed alone.

use serde_json::Value;
use wasmote_results::PointValues;

use super::metric::Metric;
use super::results::{Results, Run};
use super::statistics::Estimate;

/// Runs that differ in their seed alone, and what to call them.
#[derive(Clone, Debug)]
pub struct Cohort<'a> {
    /// Short enough for a legend; empty when there is but one.
    pub label: String,
    /// What a sweep set for them, by field.
    pub point: PointValues,
    /// One a seed. Runs that were ended before their time are here only where none is whole.
    pub runs: Vec<&'a Run>,
    /// Those that are not, beside whole ones: their figures are of another length of time.
    pub left_out: Vec<&'a Run>,
}

/// Marks what runs found that were ended before their time.
pub const CUT_SHORT_MARK: &str = "†";
/// What the mark says.
pub const CUT_SHORT_NOTE: &str = "† marks runs that were ended before their time, where no run of their point was whole: they \
                          are shown as far as they went.";

impl Cohort<'_> {
    /// A metric over the seeds, of those runs that have it.
    pub fn estimate(&self, metric: Metric) -> Option<Estimate> {
        let values: Vec<f64> = self.runs.iter().filter_map(|run| metric.of(run)).collect();
        Estimate::of(&values)
    }

    /// Whether its runs were ended before their time, all of them.
    pub fn is_cut_short(&self) -> bool {
        self.runs.iter().any(|run| !run.summary.is_whole())
    }

    /// A label, marked if need be.
    pub fn mark_label(&self, label: &str) -> String {
        match (self.is_cut_short(), label) {
            (false, _) | (_, "") => label.to_owned(),
            (true, label) => format!("{label} {CUT_SHORT_MARK}"),
        }
    }
}

/// The cohorts of an experiment, in the order of its runs.
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

/// The fields that a sweep sets, as one name for them all.
pub fn fields(cohorts: &[Cohort<'_>]) -> String {
    cohorts.first().map(|cohort| field_names(&cohort.point)).unwrap_or_default()
}

/// The fields of a point, short but still different from each other.
pub fn field_names(point: &PointValues) -> String {
    let names = |name: fn(&str) -> &str| point.keys().map(|field| name(field)).collect::<Vec<_>>();
    let short = names(short_path);
    let unique = (1..short.len()).all(|i| !short[..i].contains(&short[i]));
    if unique { short } else { names(|field| field) }.join(", ")
}

/// The last two parts of a field's path, which say enough where there is little room.
pub fn short_path(field: &str) -> &str {
    let dots = field.rmatch_indices('.').nth(1);
    dots.map_or(field, |(dot, _)| &field[dot + 1..])
}

fn label(point: &PointValues) -> String {
    point.values().map(format_value).collect::<Vec<_>>().join(", ")
}

/// A value as a plan would have it, without quotes.
pub fn format_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number.as_f64().unwrap_or_default().to_string(),
        other => other.to_string(),
    }
}

/// A value as a number: a number itself, or a span of time such as `10ms`, in seconds.
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

/// Whether a value is a span of time.
pub fn is_duration(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<f64>().is_err() && humantime::parse_duration(text).is_ok())
}
