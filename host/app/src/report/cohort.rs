//! Runs that differ in their seed alone.

use serde_json::{Map, Value};

use super::metric::Metric;
use super::results::{Results, Run};
use super::statistics::Estimate;

/// Runs that differ in their seed alone, and what to call them.
#[derive(Clone, Debug)]
pub struct Cohort<'a> {
    /// Short enough for a legend; empty when there is but one.
    pub label: String,
    /// What a sweep set for them, by field.
    pub point: Map<String, Value>,
    /// One a seed.
    pub runs: Vec<&'a Run>,
}

impl Cohort<'_> {
    /// A metric over the seeds, of those runs that have it.
    pub fn estimate(&self, metric: Metric) -> Option<Estimate> {
        let values: Vec<f64> = self.runs.iter().filter_map(|run| metric.of(&run.summary)).collect();
        Estimate::of(&values)
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
                cohorts.push(Cohort { label: label(point), point: point.clone(), runs: vec![run] });
            }
        }
    }
    cohorts
}

/// The fields that a sweep sets, as one name for them all.
pub fn fields(cohorts: &[Cohort<'_>]) -> String {
    cohorts.first().map(|cohort| named(&cohort.point)).unwrap_or_default()
}

/// The fields of a point, short but still different from each other.
pub fn named(point: &Map<String, Value>) -> String {
    let names = |name: fn(&str) -> &str| point.keys().map(|field| name(field)).collect::<Vec<_>>();
    let short = names(short);
    let unique = (1..short.len()).all(|i| !short[..i].contains(&short[i]));
    if unique { short } else { names(|field| field) }.join(", ")
}

/// The last two parts of a field's path, which say enough where there is little room.
pub fn short(field: &str) -> &str {
    let dots = field.rmatch_indices('.').nth(1);
    dots.map_or(field, |(dot, _)| &field[dot + 1..])
}

fn label(point: &Map<String, Value>) -> String {
    point.values().map(shown).collect::<Vec<_>>().join(", ")
}

/// A value as a plan would have it, without quotes.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number.as_f64().unwrap_or_default().to_string(),
        other => other.to_string(),
    }
}

/// A value as a number: a number itself, or a span of time such as `10ms`, in seconds.
pub fn number(value: &Value) -> Option<f64> {
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
pub fn is_span(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<f64>().is_err() && humantime::parse_duration(text).is_ok())
}
