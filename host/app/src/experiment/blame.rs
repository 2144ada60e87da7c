//! Which change made a plan one that makes no sense: what the command line set, or a value of the sweep.
//!
//! A plan is read before anything is set in it, and what is wrong then is told with its line. What was set has no
//! line; so an error that comes up after that names the change without which there would be none.

use serde_json::Value;

use super::ExperimentError;
use super::plan::Changes;
use super::source::PlanSource;
use super::sweep::PointValues;

/// One field that was set.
struct Change<'a> {
    /// As the user wrote it.
    shown: String,
    field: &'a str,
    value: &'a Value,
}

/// The error, with the change that is to blame for it in front.
pub(super) fn blamed(
    error: ExperimentError,
    plan: &PlanSource,
    changes: &Changes,
    point: &PointValues,
    check: impl Fn(&PlanSource) -> bool,
) -> ExperimentError {
    // A path that leads nowhere has said so itself.
    if error.to_string().contains(": sweep.\"") {
        return error;
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let set = changes.set.iter().map(|(field, value)| Change {
        shown: format!("--set {field}={}", text(value)),
        field,
        value,
    });
    let swept = point.iter().map(|(field, value)| Change {
        shown: format!("{}: sweep.\"{field}\" = {value}", plan.shown),
        field,
        value,
    });
    let all: Vec<Change<'_>> = set.chain(swept).collect();
    let without = |left_out: usize| {
        let mut plan = plan.clone();
        let others = all.iter().enumerate().filter(|(at, _)| *at != left_out);
        let set = others.map(|(_, change)| plan.set(change.field, change.value.clone()));
        set.collect::<Result<(), String>>().map(|()| plan).ok()
    };
    let culprit = (0..all.len()).find(|at| without(*at).is_some_and(|plan| check(&plan)));
    match culprit {
        None => error,
        Some(at) => {
            let told = error.to_string();
            let told = told.strip_prefix(&format!("{}: ", plan.shown)).unwrap_or(&told);
            ExperimentError::invalid(all[at].shown.clone(), told)
        }
    }
}
