//! Checks that a cluster supports a plan, before anything is applied.

use wasmote_engine::estimate_of;
use wasmote_experiment::plan::Experiment;
use wasmote_experiment::point::Point;
use wasmote_fleet::actions::pods::PodFleet;
use wasmote_fleet::actions::step::Step;
use wasmote_fleet::blueprints::all_identities;
use wasmote_fleet::fault_registry::FaultRegistry;
use wasmote_registry::fetcher::Fetcher;

use super::{ClusterError, Options};
use crate::manifests::fleet::faults_request;
use crate::manifests::memory;
use crate::manifests::name::Quantity;

/// Checks that the whole experiment can be run on a cluster.
pub fn check(experiment: &Experiment, options: &Options) -> Result<(), ClusterError> {
    let unsupported =
        |field, problem: &str| Err(ClusterError::Unsupported { field, problem: problem.to_owned() });
    for point in &experiment.points {
        let plan = &point.plan;
        check_timeline(point, options).or_else(|problem| unsupported("timeline", &problem))?;
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
        (
            "invariant",
            "pods do not report single messages, which invariants need; run the plan in virtual or real time",
        ),
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
fn check_timeline(point: &Point, options: &Options) -> Result<(), String> {
    let settings = &point.settings;
    let identities = all_identities(settings);
    let mut pods = PodFleet { identities, seed: settings.seed, faults: FaultRegistry::new(settings) };
    for (_, step) in &point.timeline.steps {
        check_step(&**step, &mut pods, point)?;
        check_memory(&**step, options, settings.models.fetcher())?;
    }
    Ok(())
}

/// Checks that pods have the memory to compile the behaviour that a step gives them: only their first behaviour is compiled by
/// an init container.
fn check_memory(step: &dyn Step, options: &Options, fetcher: &Fetcher) -> Result<(), String> {
    let (Some(needed), Some(memory)) = (memory_of_step(step, options, fetcher)?, &options.memory) else {
        return Ok(());
    };
    match (memory.value() as u64) < needed {
        true => Err(format!(
            "`{}`: to compile the behaviour, a pod needs about {} MiB, and --memory is {}; use --memory {}, or leave it out",
            step.name(),
            needed.div_ceil(1 << 20),
            memory.as_str(),
            Quantity::memory(needed).as_str()
        )),
        false => Ok(()),
    }
}

/// Memory of a pod that compiles the behaviour of a step, in bytes; `None` if the step has none.
fn memory_of_step(step: &dyn Step, options: &Options, fetcher: &Fetcher) -> Result<Option<u64>, String> {
    let Some(group) = step.changed_group() else { return Ok(None) };
    let bytes = group.behaviour.read(fetcher).map_err(|problem| problem.to_string())?;
    // Pods refuse a component without an estimate, and say why.
    let estimate = estimate_of(&bytes).ok();
    Ok(estimate
        .map(|estimate| memory::to_compile(estimate.compile_bytes(memory::compile_mode(&options.cpu)))))
}

/// Memory limit of the pods of a run: that of the options, or what its timeline needs if that is more than the default.
pub fn memory_limit(point: &Point, options: &Options) -> Option<Quantity> {
    if options.memory.is_some() {
        return options.memory.clone();
    }
    let (steps, fetcher) = (point.timeline.steps.iter(), point.settings.models.fetcher());
    let needed =
        steps.filter_map(|(_, step)| memory_of_step(&**step, options, fetcher).ok().flatten()).max()?;
    (needed > memory::DEFAULT_BYTES).then(|| Quantity::memory(needed))
}

fn check_step(step: &dyn Step, pods: &mut PodFleet, point: &Point) -> Result<(), String> {
    step.requests(pods)?;
    let Some(set) = step.fault_set() else { return Ok(()) };
    point.settings.groups.iter().try_for_each(|group| match faults_request(set, &group.name) {
        Ok(_) => Ok(()),
        Err(problem) => Err(problem.to_string()),
    })
}
