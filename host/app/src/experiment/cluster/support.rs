//! What a cluster cannot do yet. It is said before anything is applied, and nothing is quietly left out.

use super::{ClusterError, timeline};
use crate::experiment::plan::Experiment;

/// Whether the whole experiment can be run on a cluster.
pub fn check(experiment: &Experiment) -> Result<(), ClusterError> {
    let unsupported =
        |field, problem: &str| Err(ClusterError::Unsupported { field, problem: problem.to_owned() });
    for point in &experiment.points {
        let plan = &point.plan;
        let mut actions = point.timeline.actions.iter();
        let supported = actions.try_for_each(|(_, action)| timeline::check(action, &point.settings));
        supported.or_else(|problem| unsupported("timeline", &problem))?;
        if let Some(entry) = plan.thresholds.iter().find(|entry| entry.check.needs_deliveries()) {
            let problem = format!(
                "`{}` needs to know who should have been given each message, which pods do not know of each other; \
                 thresholds on generated, sent and latency_seconds (not max) can be judged, such as --set \
                 'thresholds=[\"latency_seconds p95 < 1\"]'",
                entry.check.text
            );
            return Err(ClusterError::Unsupported { field: "thresholds", problem });
        }
    }
    for (field, why) in [
        ("packet_latency", "the cluster's network takes the time that it takes"),
        ("starts_at", "a cluster has the calendar's own time"),
    ] {
        if experiment.source.value.get(field).is_some() {
            return unsupported(field, why);
        }
    }
    Ok(())
}
