//! Minimiser: makes a failing case smaller as long as it fails in the same way.
//!
//! Delta debugging (Zeller and Hildebrandt, 2002) removes sets of faults, timeline entries and settings, first large
//! ones and then single ones. Then the duration is cut behind the failure, groups get fewer devices, and values become
//! simpler. All of it is repeated until nothing changes. A candidate runs with the seed of the case and with a few
//! others, because a smaller case may need other draws to fail.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::case::Case;
use super::executor::Executor;
use super::failure::{Failure, Signature};
use super::parts::{Part, parts, without};
use super::search::Found;
use super::template::{rounded, time, time_text};

/// A case that cannot be made smaller within the limit of runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Minimal {
    /// The case.
    pub case: Case,
    /// Its failure.
    pub failure: Failure,
    /// Number of cases that were tried.
    pub tried: u64,
}

/// Seeds that a candidate is tried with, in addition to that of the best case.
const OTHER_SEEDS: [u64; 3] = [1, 2, 3];

/// Makes a finding smaller, with at most `limit` further runs.
pub fn minimise(executor: &Executor, found: &Found, limit: u64, jobs: usize) -> Minimal {
    let mut shrinker = Shrinker {
        executor,
        signature: found.failure.signature.clone(),
        best: found.case.clone(),
        failure: found.failure.clone(),
        known: BTreeSet::new(),
        tried: 0,
        limit,
        jobs: jobs.max(1),
    };
    loop {
        let mut changed = shrinker.cut_duration();
        changed |= shrinker.remove_parts();
        changed |= shrinker.remove_devices();
        changed |= shrinker.simplify();
        if !changed || shrinker.tried >= limit || executor.totals.is_interrupted() {
            break;
        }
    }
    shrinker.choose_seed();
    Minimal { case: shrinker.best, failure: shrinker.failure, tried: shrinker.tried }
}

struct Shrinker<'a> {
    executor: &'a Executor,
    signature: Signature,
    best: Case,
    failure: Failure,
    /// Cases that did not fail.
    known: BTreeSet<String>,
    tried: u64,
    limit: u64,
    jobs: usize,
}

impl Shrinker<'_> {
    /// Tries candidates in order and keeps the first that fails in the same way.
    fn attempt(&mut self, candidates: Vec<Case>, other_seeds: bool) -> bool {
        let mut cases = Vec::new();
        for candidate in candidates {
            let others = OTHER_SEEDS.into_iter().filter(|_| other_seeds);
            for seed in [candidate.seed].into_iter().chain(others) {
                let case = Case { seed, ..candidate.clone() };
                let text = case.assembled().to_string();
                if case != self.best && self.known.insert(text) {
                    cases.push(case);
                }
            }
        }
        for chunk in cases.chunks(self.jobs) {
            if self.tried >= self.limit || self.executor.totals.is_interrupted() {
                return false;
            }
            let outcomes = self.run_all(chunk);
            let first = outcomes.iter().position(Option::is_some);
            // As many as one thread would have tried, so that the limit has the same effect for any number of threads.
            self.tried += first.map_or(chunk.len(), |first| first + 1) as u64;
            if let Some(first) = first
                && let Some(failure) = outcomes[first].clone()
            {
                (self.best, self.failure) = (chunk[first].clone(), failure);
                return true;
            }
        }
        false
    }

    /// Runs cases at the same time, and returns for each the failure with the signature.
    fn run_all(&self, cases: &[Case]) -> Vec<Option<Failure>> {
        let outcomes = Mutex::new(vec![None; cases.len()]);
        std::thread::scope(|scope| {
            for (index, case) in cases.iter().enumerate() {
                let outcomes = &outcomes;
                scope.spawn(move || {
                    // A candidate that is no valid plan does not fail in this way.
                    let failures = self.executor.run(case).unwrap_or_default();
                    let same = failures.into_iter().find(|failure| failure.signature == self.signature);
                    outcomes.lock().unwrap_or_else(PoisonError::into_inner)[index] = same;
                });
            }
        });
        outcomes.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes sets of parts, from all of them down to single ones.
    fn remove_parts(&mut self) -> bool {
        let mut changed = false;
        let mut size = parts(&self.best).len();
        while size > 0 {
            let all = parts(&self.best);
            let candidates = all.chunks(size).map(|removed| without(&self.best, removed)).collect();
            if self.attempt(candidates, true) {
                changed = true;
                size = size.min(parts(&self.best).len());
            } else {
                size /= 2;
            }
        }
        changed
    }

    /// Ends the run soon after the failure.
    fn cut_duration(&mut self) -> bool {
        let at = Duration::from_secs_f64(self.failure.at_s.max(0.0));
        let ends = [Duration::from_secs(at.as_secs() + 1), Duration::from_secs(at.as_secs() + 5)];
        let present = duration(&self.best);
        let shorter = ends.into_iter().filter(|end| *end < present);
        let candidates = shorter.map(|end| with_duration(&self.best, end)).collect();
        self.attempt(candidates, false)
    }

    /// Gives groups fewer devices.
    fn remove_devices(&mut self) -> bool {
        let mut changed = false;
        let groups = self.best.plan["group"].as_array().map_or(0, Vec::len);
        for group in 0..groups {
            let count = self.count(group);
            let mut fewer: Vec<u64> = [1, 2, 3, count / 2, count.saturating_sub(1)].into();
            fewer.retain(|fewer| (1..count).contains(fewer));
            fewer.sort_unstable();
            fewer.dedup();
            let candidates = fewer.into_iter().map(|count| self.with_count(group, count)).collect();
            changed |= self.attempt(candidates, true);
        }
        changed
    }

    fn count(&self, group: usize) -> u64 {
        self.best.assembled()["group"][group]["count"].as_u64().unwrap_or(1)
    }

    fn with_count(&self, group: usize, count: u64) -> Case {
        let mut case = self.best.clone();
        let name = case.plan["group"][group]["name"].as_str().unwrap_or_default().to_owned();
        case.settings.retain(|(field, _)| *field != format!("group.{name}.count"));
        case.plan["group"][group]["count"] = count.into();
        case
    }

    /// Gives faults and actions simpler values.
    fn simplify(&mut self) -> bool {
        let mut changed = false;
        for part in parts(&self.best) {
            let Some(fields) = fields_of(&mut self.best.clone(), part).cloned() else { continue };
            let mut paths = Vec::new();
            leaves(&fields, String::new(), &mut paths);
            for path in paths {
                let Some(value) = fields.pointer(&path) else { continue };
                let field = path.rsplit('/').next().unwrap_or_default();
                let simpler = simpler(field, value);
                let mut candidates: Vec<Case> = Vec::new();
                if !["kind", "id"].contains(&field) {
                    candidates.extend(self.changed(part, |fields| remove(fields, &path)));
                }
                for value in simpler {
                    candidates.extend(self.changed(part, |fields| {
                        fields.pointer_mut(&path).is_some_and(|found| {
                            *found = value.clone();
                            true
                        })
                    }));
                }
                changed |= self.attempt(candidates, false);
            }
            let candidates = self.aimed(part);
            changed |= self.attempt(candidates, false);
        }
        changed
    }

    fn changed(&self, part: Part, change: impl Fn(&mut Value) -> bool) -> Option<Case> {
        let mut case = self.best.clone();
        let fields = fields_of(&mut case, part)?;
        change(fields).then_some(case)
    }

    /// The part with its effect limited to one of the devices that are involved.
    fn aimed(&self, part: Part) -> Vec<Case> {
        let mut cases = Vec::new();
        for device in &self.failure.devices {
            cases.extend(self.changed(part, |fields| match part {
                Part::Fault(..) => {
                    let is_open = fields.get("device").is_none()
                        && fields["kind"].as_str().is_some_and(|kind| !kind.starts_with("broker"));
                    if is_open {
                        fields["device"] = device.as_str().into();
                    }
                    is_open
                }
                Part::Action(_) => {
                    let action = ["crash", "stop", "start", "disconnect"];
                    let selector = action.iter().find(|name| fields.get(**name).is_some());
                    let Some(selector) = selector.and_then(|name| fields[*name].as_object_mut()) else {
                        return false;
                    };
                    if selector.contains_key("devices") {
                        return false;
                    }
                    ["count", "share", "group"].iter().for_each(|field| drop(selector.remove(*field)));
                    selector.insert("devices".to_owned(), json!([device]));
                    true
                }
                _ => false,
            }));
        }
        cases
    }

    /// Takes a small seed, if the case fails with one.
    fn choose_seed(&mut self) {
        let candidates = (1..=10).filter(|seed| *seed < self.best.seed);
        let candidates = candidates.map(|seed| Case { seed, ..self.best.clone() }).collect();
        self.attempt(candidates, false);
    }
}

/// The fields of a fault or of an action.
fn fields_of(case: &mut Case, part: Part) -> Option<&mut Value> {
    match part {
        Part::Fault(None, at) => case.plan.pointer_mut(&format!("/faults/fault/{at}")),
        Part::Fault(Some(group), at) => case.plan.pointer_mut(&format!("/group/{group}/faults/fault/{at}")),
        Part::Action(at) => case.plan.pointer_mut(&format!("/timeline/{at}")),
        Part::Setting(_) | Part::Group(_) => None,
    }
}

fn leaves(value: &Value, path: String, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                leaves(value, format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(_) => {}
        _ => found.push(path),
    }
}

/// Removes a field. False for a field that does not exist.
fn remove(fields: &mut Value, path: &str) -> bool {
    let Some((parent, name)) = path.rsplit_once('/') else { return false };
    let parent = fields.pointer_mut(parent).and_then(Value::as_object_mut);
    parent.is_some_and(|parent| parent.remove(&name.replace("~1", "/").replace("~0", "~")).is_some())
}

/// Simpler values of a field.
fn simpler(field: &str, value: &Value) -> Vec<Value> {
    let mut simpler: Vec<Value> = Vec::new();
    if let Some(time) = time(value) {
        let millis = time.as_millis() as u64;
        for unit in [60_000, 10_000, 1_000, 100].into_iter().filter(|unit| *unit <= millis) {
            let round = |millis: u64| Duration::from_millis(millis / unit * unit);
            let times = [round(millis), round(millis + unit)];
            simpler.extend(times.into_iter().filter(|it| !it.is_zero()).map(|it| time_text(it).into()));
        }
    } else if field == "probability" {
        // Certainty is the simplest probability.
        return if value.as_f64() == Some(1.0) { Vec::new() } else { vec![json!(1)] };
    } else if let Some(number) = value.as_f64() {
        let round = rounded(number);
        simpler.push(if round.fract() == 0.0 { json!(round as i64) } else { json!(round) });
    }
    let complexity = |value: &Value| value.to_string().trim_matches('"').len();
    simpler.retain(|it| complexity(it) < complexity(value));
    simpler.dedup();
    simpler
}

fn duration(case: &Case) -> Duration {
    let value = &case.plan["duration"];
    time(value).or_else(|| value.as_f64().map(Duration::from_secs_f64)).unwrap_or_default()
}

fn with_duration(case: &Case, end: Duration) -> Case {
    let mut case = case.clone();
    case.plan["duration"] = time_text(end).into();
    let at = |value: &Value| time(value).or_else(|| value.as_f64().map(Duration::from_secs_f64));
    if at(&case.plan["warm_up"]).is_some_and(|warm_up| warm_up >= end) {
        case.plan["warm_up"] = "0s".into();
    }
    if let Some(timeline) = case.plan.get_mut("timeline").and_then(Value::as_array_mut) {
        timeline.retain(|entry| at(&entry["at"]).is_none_or(|at| at < end));
    }
    case
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case() -> Case {
        let plan = json!({
            "duration": "1m", "group": [{"name": "a", "faults": {"fault": [{"kind": "loss"}]}}, {"name": "b"}],
            "faults": {"fault": [{"kind": "delay", "max": "1s"}, {"kind": "crash"}]},
            "timeline": [{"at": "50s", "crash": {"count": 1}}, {"at": "5s", "phase": "x"}],
        });
        Case { plan, settings: vec![("group.a.count".into(), json!(3))], seed: 9 }
    }

    #[test]
    fn every_part_is_removed_alone_and_all_together() {
        let case = case();
        let all = parts(&case);
        assert_eq!(all.len(), 1 + 2 + 1 + 2 + 2);
        for part in &all {
            assert!(parts(&without(&case, &[*part])).len() < all.len(), "{part:?}");
        }
        let size = without(&case, &all[..6]).size();
        assert_eq!((size.faults, size.actions, size.settings), (0, 0, 0));
    }

    #[test]
    fn a_shorter_run_has_no_later_actions() {
        let cut = with_duration(&case(), Duration::from_secs(9));
        assert_eq!((&cut.plan["duration"], cut.size().actions), (&json!("9s"), 1));
    }

    #[test]
    fn simpler_values_are_rounder() {
        assert_eq!(simpler("for", &json!("12s 345ms"))[..2], [json!("10s"), json!("20s")]);
        assert_eq!(simpler("probability", &json!(0.37)), [json!(1)]);
        assert_eq!(simpler("count", &json!(3)), Vec::<Value>::new());
    }
}
