//! Sweep: every combination of the swept values is a point.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use wasmote_results::PointValues;

use super::ExperimentError;
use super::range::SweepEntry;
use super::source::PlanSource;

/// One combination of swept values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Combination {
    /// Values as results show them: a value, or its label.
    pub labels: PointValues,
    /// Values as set in the plan.
    pub set: PointValues,
}

impl Combination {
    fn with(&self, field: &str, value: &Value) -> Self {
        let mut with = self.clone();
        let (label, value) = label_and_value(value);
        with.labels.insert(field.to_owned(), label.clone());
        with.set.insert(field.to_owned(), value.clone());
        with
    }
}

/// Label and value of a swept value such as `{ label = "flooding", value = "./flooding.wasm" }`. A value without a
/// label is its own label.
pub fn label_and_value(value: &Value) -> (&Value, &Value) {
    match (value.get("label"), value.get("value"), value.as_object().map(Map::len)) {
        (Some(label), Some(value), Some(2)) => (label, value),
        _ => (value, value),
    }
}

/// Maximum number of points, against typing errors.
const MAX_COMBINATIONS: usize = 100_000;

/// Values of each swept field of a plan.
pub fn fields(
    sweep: &BTreeMap<String, SweepEntry>,
    source: &PlanSource,
) -> Result<BTreeMap<String, Vec<Value>>, ExperimentError> {
    let of_field = |(field, entry): (&String, &SweepEntry)| {
        let invalid =
            |problem| ExperimentError::invalid(format!("{}: sweep.\"{field}\"", source.shown), problem);
        check(field).map_err(invalid)?;
        let is_accepted = |value: &Value| is_accepted(source, field, value);
        Ok((field.clone(), entry.values(is_accepted).map_err(invalid)?))
    };
    sweep.iter().map(of_field).collect()
}

/// Rejects fields that are the same at all points.
fn check(field: &str) -> Result<(), String> {
    let instead = match field.split('.').next() {
        Some("seeds") => {
            "every point runs with every seed; list them in `seeds`, such as `seeds = [1, 2]`, and leave this out"
        }
        Some("name") => {
            "all points are one experiment and have one name; leave this out, results name the point"
        }
        Some("sweep") => {
            "a sweep goes through other fields; list the values of `sweep.<field>` under `<field>`"
        }
        _ => return Ok(()),
    };
    Err(instead.to_owned())
}

/// Whether the type of a plan field accepts a value.
fn is_accepted(source: &PlanSource, field: &str, value: &Value) -> bool {
    let point = [(field.to_owned(), value.clone())].into();
    at_point(source, &point).and_then(|plan| plan.plan_file()).is_ok()
}

/// Every combination; the last field changes fastest. Without a sweep there is one empty combination.
pub fn combinations(sweep: &BTreeMap<String, Vec<Value>>) -> Result<Vec<Combination>, String> {
    let count = sweep.values().try_fold(1_usize, |count, values| count.checked_mul(values.len()));
    if count.is_none_or(|count| count > MAX_COMBINATIONS) {
        return Err(format!("it has more than {MAX_COMBINATIONS} combinations; list fewer values"));
    }
    let mut points = vec![Combination::default()];
    for (field, values) in sweep {
        let each =
            |point: &Combination| values.iter().map(|value| point.with(field, value)).collect::<Vec<_>>();
        points = points.iter().flat_map(each).collect();
    }
    Ok(points)
}

/// Plan of one point, with these values set.
pub fn at_point(source: &PlanSource, set: &PointValues) -> Result<PlanSource, ExperimentError> {
    let mut source = source.clone();
    for (field, value) in set {
        source.set(field, value.clone()).map_err(|problem| {
            ExperimentError::invalid(format!("{}: sweep.\"{field}\"", source.shown), problem)
        })?;
    }
    Ok(source)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_combination_is_a_point() {
        let sweep = [("a", vec![json!(1), json!(2)]), ("b", vec![json!("x"), json!("y"), json!("z")])];
        let sweep = sweep.into_iter().map(|(field, values)| (field.to_owned(), values)).collect();
        let points = combinations(&sweep).unwrap();
        assert_eq!(points.len(), 6);
        assert_eq!(points[1].set, [("a".to_owned(), json!(1)), ("b".to_owned(), json!("y"))].into());
        assert_eq!(points[1].labels, points[1].set);
        assert_eq!(combinations(&BTreeMap::new()).unwrap(), [Combination::default()]);
    }

    #[test]
    fn a_label_stands_in_the_place_of_its_value() {
        let values = vec![json!({"label": "calm", "value": {"fault": []}}), json!({"label": "no value"})];
        let points = combinations(&[("faults".to_owned(), values)].into()).unwrap();
        assert_eq!(points[0].labels["faults"], "calm");
        assert_eq!(points[0].set["faults"], json!({"fault": []}));
        assert_eq!(points[1].labels, points[1].set, "that is a value of its own");
    }
}
