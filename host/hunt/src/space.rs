//! Space of a hunt: the pools of a plan, from which runs are drawn.
//!
//! Run 0 is the plan itself. Every other run first draws how likely each feature is, then for each feature of the pools
//! whether the run has it, and then the values of these features. Runs with few features find what many faults at once
//! hide, as in swarm testing (Groce et al., ISSTA 2012).

use std::time::Duration;

use serde_json::{Value, json};
use wasmote_experiment::ExperimentError;
use wasmote_experiment::hunt_table::{HuntTable, Template};
use wasmote_experiment::source::PlanSource;
use wasmote_mqtt::device_id::DeviceId;
use wasmote_sim::rng::{Seed, Stream};

use super::case::Case;
use super::pool;
use super::template::{Choice, draw, time_text};

/// How the features of a run are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Every run has all features, each with random values.
    All,
    /// Every feature is on or off at random.
    Swarm,
}

/// Pools of a plan.
#[derive(Clone, Debug)]
pub struct Space {
    /// The plan without pools, with the rules that the table adds.
    base: Value,
    duration: Duration,
    features: Vec<Feature>,
    seed: Seed,
}

/// Something that a run may have.
#[derive(Clone, Debug)]
enum Feature {
    Fault(String, Value),
    Action(Value),
    Setting(String, Value),
}

/// Name of the invariant for traps.
pub const NO_TRAP: &str = "no-trap";
/// Name of the invariant for log lines at `error`.
pub const NO_ERROR: &str = "no-error-line";

impl Space {
    /// Reads the pools of a plan. `check` says whether a plan is valid.
    pub fn new(
        source: &PlanSource,
        seed: Seed,
        check: &dyn Fn(&Value) -> Result<(), ExperimentError>,
    ) -> Result<Self, ExperimentError> {
        let plan = source.plan_file()?;
        let invalid = |field: &str, problem: String| {
            ExperimentError::invalid(format!("{}: {field}", source.shown), problem)
        };
        if !plan.sweep.is_empty() {
            let problem =
                "a hunt draws values itself; leave the sweep out, and list values of fields in `[hunt.set]`";
            return Err(invalid("sweep", problem.to_owned()));
        }
        let table = plan.hunt.unwrap_or_default();
        let duration = table.duration.map_or(plan.duration.0, |duration| duration.0);
        let mut base = source.value.clone();
        prepare(&mut base, &table);
        if table.duration.is_some() {
            base["duration"] = time_text(duration).into();
        }
        let mut space = Self { base, duration, features: Vec::new(), seed };
        check(&space.base)?;
        space.fill(&table);
        let features = std::mem::take(&mut space.features);
        for feature in features {
            space.check(&feature, check).map_err(|(field, problem)| invalid(&field, problem))?;
            space.features.push(feature);
        }
        Ok(space)
    }

    fn fill(&mut self, table: &HuntTable) {
        let own = !table.fault.is_empty() || !table.action.is_empty() || !table.set.is_empty();
        let defaults = table.defaults.unwrap_or(!own);
        let values = |templates: &[Template]| {
            templates.iter().map(|template| Value::Object(template.0.clone())).collect()
        };
        let mut faults: Vec<Value> = values(&table.fault);
        let mut actions: Vec<Value> = values(&table.action);
        if defaults {
            faults.extend(pool::faults());
            actions.extend(pool::actions());
        }
        let name = |(at, fault): (usize, Value)| {
            let kind = fault["kind"].as_str().unwrap_or("fault");
            let id = fault["id"].as_str().map_or_else(|| format!("hunt-{at}-{kind}"), str::to_owned);
            Feature::Fault(id, fault)
        };
        self.features.extend(faults.into_iter().enumerate().map(name));
        self.features.extend(actions.into_iter().map(Feature::Action));
        for (field, value) in &table.set {
            let value = match &value.0 {
                Value::Array(list) => json!({ "any": list }),
                other => other.clone(),
            };
            self.features.push(Feature::Setting(field.clone(), value));
        }
    }

    /// Checks that the least and the greatest values of a feature make a valid plan.
    fn check(
        &self,
        feature: &Feature,
        check: &dyn Fn(&Value) -> Result<(), ExperimentError>,
    ) -> Result<(), (String, String)> {
        let place = self.place(feature);
        for mut choice in [Choice::Least, Choice::Greatest] {
            let mut case = Case { plan: self.base.clone(), settings: Vec::new(), seed: 1 };
            self.add(&mut case, feature, &mut choice, None)
                .map_err(|(path, problem)| (format!("{place}{path}"), problem))?;
            if let Feature::Setting(field, _) = feature {
                let mut plan = case.plan.clone();
                let value = case.settings[0].1.clone();
                wasmote_fleet::field_path::set(&mut plan, field, value)
                    .map_err(|problem| (place.clone(), problem))?;
            }
            check(&case.assembled()).map_err(|error| (place.clone(), error.to_string()))?;
        }
        Ok(())
    }

    fn place(&self, feature: &Feature) -> String {
        let same = |other: &&Feature| std::mem::discriminant(*other) == std::mem::discriminant(feature);
        let index = self.features.iter().filter(same).count();
        match feature {
            Feature::Fault(..) => format!("hunt.fault[{index}]"),
            Feature::Action(_) => format!("hunt.action[{index}]"),
            Feature::Setting(field, _) => format!("hunt.set.\"{field}\""),
        }
    }

    /// Number of features.
    pub fn features(&self) -> usize {
        self.features.len()
    }

    /// A plan with all features, whose behaviours are those of all runs.
    pub fn everything(&self) -> Value {
        let mut case = Case { plan: self.base.clone(), settings: Vec::new(), seed: 1 };
        for feature in self.features.iter().filter(|feature| matches!(feature, Feature::Action(_))) {
            // The templates have been checked.
            let _ = self.add(&mut case, feature, &mut Choice::Least, None);
        }
        case.assembled()
    }

    /// The run at this position.
    pub fn case(&self, index: u64, strategy: Strategy) -> Case {
        let mut case = Case { plan: self.base.clone(), settings: Vec::new(), seed: 1 };
        let Ok(owner) = DeviceId::new("hunt") else { return case };
        let mut stream = self.seed.stream(&owner, &format!("run/{index}"));
        // Small enough for every format of numbers, and for people.
        case.seed = stream.below(1 << 32);
        if index == 0 {
            return case;
        }
        const LIKELY: [f64; 3] = [0.2, 0.5, 0.8];
        let likely = LIKELY[stream.below(LIKELY.len() as u64) as usize];
        for feature in &self.features {
            if strategy == Strategy::Swarm && !stream.chance(likely) {
                continue;
            }
            self.add_random(&mut case, feature, &mut stream);
        }
        case
    }

    fn add_random(&self, case: &mut Case, feature: &Feature, stream: &mut Stream) {
        let mut times = 1;
        if let Feature::Action(template) = feature
            && let Ok(drawn) = draw(&template["times"], &mut Choice::Random(stream))
        {
            times = drawn.as_u64().unwrap_or(1);
        }
        for _ in 0..times {
            let at = self.time(stream);
            // The templates have been checked.
            let _ = self.add(case, feature, &mut Choice::Random(stream), Some(at));
        }
    }

    /// A time at which an action has an effect.
    fn time(&self, stream: &mut Stream) -> Duration {
        let share = 0.02 + 0.93 * stream.uniform();
        let millis = (self.duration.as_millis() as f64 * share) as u64;
        Duration::from_millis(if millis > 10_000 { millis / 100 * 100 } else { millis })
    }

    fn add(
        &self,
        case: &mut Case,
        feature: &Feature,
        choice: &mut Choice<'_>,
        at: Option<Duration>,
    ) -> Result<(), (String, String)> {
        match feature {
            Feature::Fault(id, template) => {
                let mut fault = draw(template, choice)?;
                if fault.get("id").is_none() {
                    fault["id"] = id.as_str().into();
                }
                add_fault(&mut case.plan, &fault);
            }
            Feature::Action(template) => {
                let mut template = template.clone();
                if let Some(fields) = template.as_object_mut() {
                    fields.remove("times");
                }
                let mut entry = draw(&template, choice)?;
                if entry.get("at").is_none() {
                    entry["at"] = time_text(at.unwrap_or(self.duration / 2)).into();
                }
                push(&mut case.plan["timeline"], entry);
            }
            Feature::Setting(field, template) => {
                let value = draw(template, choice)?;
                case.settings.retain(|(known, _)| known != field);
                case.settings.push((field.clone(), value));
            }
        }
        Ok(())
    }
}

/// Removes the table from a plan, and adds the rules that it asks for.
fn prepare(plan: &mut Value, table: &HuntTable) {
    if let Some(fields) = plan.as_object_mut() {
        fields.remove("hunt");
        fields.remove("sweep");
        if table.thresholds == Some(false) {
            fields.remove("thresholds");
        }
    }
    let rules =
        [(table.traps != Some(false), NO_TRAP, "never traps"), (table.errors, NO_ERROR, "never logs error")];
    for (wanted, name, check) in rules {
        let is_known = plan["invariant"].as_array().is_some_and(|list| {
            list.iter()
                .any(|entry| entry["check"].as_str().map(str::trim) == Some(check) || entry["name"] == name)
        });
        if wanted && !is_known {
            push(&mut plan["invariant"], json!({ "name": name, "check": check }));
        }
    }
}

/// Adds a fault to those of the fleet, and to those of each group that has its own.
fn add_fault(plan: &mut Value, fault: &Value) {
    push(&mut plan["faults"]["fault"], fault.clone());
    if fault["kind"].as_str().is_some_and(|kind| kind.starts_with("broker")) {
        return;
    }
    for group in plan["group"].as_array_mut().into_iter().flatten() {
        if group.get("faults").is_some_and(|faults| !faults.is_null()) {
            push(&mut group["faults"]["fault"], fault.clone());
        }
    }
}

fn push(list: &mut Value, item: Value) {
    match list.as_array_mut() {
        Some(list) => list.push(item),
        None => *list = json!([item]),
    }
}
