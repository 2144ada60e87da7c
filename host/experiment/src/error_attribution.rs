//! Error attribution: finds the `--set` flag or the swept value that makes a plan invalid.
//!
//! A plan is parsed before values are set in it, so errors of the file itself have a line. Set values have no line;
//! an error that appears after they are set names the override without which the plan is valid.

use serde_json::Value;
use wasmote_results::PointValues;

use super::ExperimentError;
use super::point::Overrides;
use super::source::PlanSource;

/// One field that was set.
struct FieldOverride<'a> {
    /// The override as the user wrote it.
    shown: String,
    field: &'a str,
    value: &'a Value,
}

/// Prefixes the error with the override that causes it, if there is one.
pub(super) fn attribute_error(
    error: ExperimentError,
    plan: &PlanSource,
    overrides: &Overrides,
    point: &PointValues,
    check: impl Fn(&PlanSource) -> bool,
) -> ExperimentError {
    // An error about an unknown path already names the swept field.
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
