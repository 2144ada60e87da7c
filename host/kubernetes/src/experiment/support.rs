//! Checks that a cluster supports a plan, before anything is applied.

use wasmote_experiment::plan::Experiment;
use wasmote_experiment::point::Point;
use wasmote_fleet::actions::pods::PodFleet;
use wasmote_fleet::actions::selector::Devices;
use wasmote_fleet::actions::step::Step;
use wasmote_fleet::blueprints::all_identities;
use wasmote_fleet::fault_registry::FaultRegistry;

use super::ClusterError;
use crate::manifests::fleet::faults_request;

/// Checks that the whole experiment can be run on a cluster.
pub fn check(experiment: &Experiment) -> Result<(), ClusterError> {
    let unsupported =
        |field, problem: &str| Err(ClusterError::Unsupported { field, problem: problem.to_owned() });
    for point in &experiment.points {
        let plan = &point.plan;
        check_timeline(point).or_else(|problem| unsupported("timeline", &problem))?;
        if let Some(entry) = plan.thresholds.iter().find(|entry| entry.check.needs_deliveries()) {
            let problem = format!(
                "`{}` needs the expected receivers of each message, which pods do not know; \
                 thresholds on generated, sent and latency_seconds (not max) can be judged, such as --set \
                 'thresholds=[\"latency_seconds p95 < 1\"]'",
                entry.check.text
            );
            return Err(ClusterError::Unsupported { field: "thresholds", problem });
        }
    }
    for (field, why) in [
        ("packet_latency", "the cluster's network determines the latency of packets"),
        ("starts_at", "a cluster runs in real time"),
    ] {
        if experiment.source.value.get(field).is_some() {
            return unsupported(field, why);
        }
    }
    Ok(())
}

/// Checks that every step of a timeline can be sent to pods.
fn check_timeline(point: &Point) -> Result<(), String> {
    let settings = &point.settings;
    let identities = all_identities(settings);
    let devices = Devices { identities: &identities, seed: settings.seed };
    let mut pods = PodFleet { devices, faults: FaultRegistry::new(settings) };
    point.timeline.steps.iter().try_for_each(|(_, step)| check_step(&**step, &mut pods, point))
}

fn check_step(step: &dyn Step, pods: &mut PodFleet<'_>, point: &Point) -> Result<(), String> {
    step.requests(pods)?;
    let Some(set) = step.fault_set() else { return Ok(()) };
    point.settings.groups.iter().try_for_each(|group| match faults_request(set, &group.name) {
        Ok(_) => Ok(()),
        Err(problem) => Err(problem.to_string()),
    })
}
