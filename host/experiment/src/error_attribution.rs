//! Which change made a plan one that makes no sense: what the command line set, or a value of the sweep.
//!
//! A plan is read before anything is set in it, and what is wrong then is told with its line. What was set has no
//! line; so an error that comes up after that names the change without which there would be none.

use serde_json::Value;
use wasmote_results::PointValues;

use super::ExperimentError;
use super::point::Overrides;
use super::source::PlanSource;

/// One field that was set.
struct FieldOverride<'a> {
    /// As the user wrote it.
    shown: String,
    field: &'a str,
    value: &'a Value,
}

/// The error, with the change that is to blame for it in front.
pub(super) fn attribute_error(
    error: ExperimentError,
    plan: &PlanSource,
    overrides: &Overrides,
    point: &PointValues,
    check: impl Fn(&PlanSource) -> bool,
) -> ExperimentError {
    // A path that leads nowhere has said so itself.
    if error.to_string().contains(": sweep.\"") {
        return error;
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let set = overrides.set.iter().map(|(field, value)| FieldOverride {
        shown: format!("--set {field}={}", text(value)),
        field,
        value,
    });
    let swept = point.iter().map(|(field, value)| FieldOverride {
        shown: format!("{}: sweep.\"{field}\" = {value}", plan.shown),
        field,
        value,
    });
    let all: Vec<FieldOverride<'_>> = set.chain(swept).collect();
    let without = |skipped: usize| {
        let mut plan = plan.clone();
        let others = all.iter().enumerate().filter(|(at, _)| *at != skipped);
        let set =
            others.map(|(_, field_override)| plan.set(field_override.field, field_override.value.clone()));
        set.collect::<Result<(), String>>().map(|()| plan).ok()
    };
    let cause = (0..all.len()).find(|at| without(*at).is_some_and(|plan| check(&plan)));
    match cause {
        None => error,
        Some(at) => {
            let message = error.to_string();
            let message = message.strip_prefix(&format!("{}: ", plan.shown)).unwrap_or(&message);
            ExperimentError::invalid(all[at].shown.clone(), message)
        }
    }
}
