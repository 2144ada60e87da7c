//! The JSON document of a comparison.

use serde_json::{Value, json};

use super::ComparedExperiment;
use super::agreement::{self, Agreement};
use super::notices::{self, EarlyEnds};
use super::plans::{self, Field};
use super::rows::Row;
use crate::statistics::{Difference, Estimate};

/// The comparison with all figures in base units.
pub(super) fn json(experiments: &[ComparedExperiment], rows: &[Row]) -> Value {
    let experiment = |experiment: &ComparedExperiment| {
        let early = EarlyEnds::of(experiment);
        json!({
            "letter": experiment.letter,
            "folder": experiment.folder,
            "plan": experiment.results.manifest.plan.name,
            "runs": experiment.results.runs.len(),
            "complete": experiment.results.is_complete(),
            "aborted": early.aborted,
            "interrupted": early.interrupted,
            "left_out": early.left_out,
            "time": experiment.results.manifest.time,
        })
    };
    let estimate = |it: &Option<Estimate>| {
        it.map(|it| json!({"count": it.count, "mean": it.mean, "half_width": it.half_width}))
    };
    let difference = |it: &Option<Difference>| {
        it.map(|it| {
            json!({
                "value": it.value,
                "half_width": it.half_width,
                "low": it.half_width.map(|half| it.value - half),
                "high": it.half_width.map(|half| it.value + half),
                "significant": it.is_significant(),
            })
        })
    };
    let agreed = |it: &Agreement| {
        let disagreeing: Vec<&str> = it.disagreeing.iter().map(|metric| metric.key()).collect();
        json!({"virtual": it.computed, "real": it.real, "figures": it.judged, "apart": disagreeing, "edits": it.edits})
    };
    let field = |it: &Field| json!({"path": it.path, "values": it.values});
    let row = |row: &Row| {
        json!({
            "point": row.point,
            "metric": row.metric.key(),
            "cut_short": row.cut,
            "values": row.estimates.iter().map(estimate).collect::<Vec<_>>(),
            "differences": row.differences.iter().map(difference).collect::<Vec<_>>(),
        })
    };
    json!({
        "format": 1,
        "confidence": 0.95,
        "experiments": experiments.iter().map(experiment).collect::<Vec<_>>(),
        "notices": notices::all(experiments),
        "plans_differ": plans::differing(experiments).iter().map(field).collect::<Vec<_>>(),
        "agreements": agreement::all(experiments, rows).iter().map(agreed).collect::<Vec<_>>(),
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}
