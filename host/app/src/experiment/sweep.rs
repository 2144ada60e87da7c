//! From a plan to its points: every combination of the values that the sweep lists.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ExperimentError;
use super::path;
use super::range::SweepEntry;
use super::source::PlanSource;

/// The values of swept fields in one run.
pub type PointValues = BTreeMap<String, Value>;

/// More points than anybody means.
const MOST: usize = 100_000;

/// Every combination, the last field changing fastest. Without a sweep there is one, which sets nothing.
pub fn combinations(sweep: &BTreeMap<String, SweepEntry>) -> Result<Vec<PointValues>, String> {
    let count = sweep.values().try_fold(1_usize, |count, entry| count.checked_mul(entry.0.len()));
    if count.is_none_or(|count| count > MOST) {
        return Err(format!("it has more than {MOST} combinations; list fewer values"));
    }
    let mut points = vec![PointValues::new()];
    for (field, SweepEntry(values)) in sweep {
        let with = |point: &PointValues, value: &Value| {
            let mut point = point.clone();
            point.insert(field.clone(), value.clone());
            point
        };
        points = points.iter().flat_map(|point| values.iter().map(move |value| with(point, value))).collect();
    }
    Ok(points)
}

/// The plan of one point.
pub fn at_point(source: &PlanSource, point: &PointValues) -> Result<PlanSource, ExperimentError> {
    let mut source = source.clone();
    for (field, value) in point {
        path::set(&mut source.value, field, value.clone()).map_err(|problem| {
            ExperimentError::invalid(format!("{}: sweep.\"{field}\"", source.shown), problem)
        })?;
    }
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_combination_is_a_point() {
        let sweep = [("a", vec![json!(1), json!(2)]), ("b", vec![json!("x"), json!("y"), json!("z")])];
        let sweep = sweep.into_iter().map(|(field, values)| (field.to_owned(), SweepEntry(values))).collect();
        let points = combinations(&sweep).unwrap();
        assert_eq!(points.len(), 6);
        assert_eq!(points[1], [("a".to_owned(), json!(1)), ("b".to_owned(), json!("y"))].into());
        assert_eq!(combinations(&BTreeMap::new()).unwrap(), [PointValues::new()]);
    }
}
