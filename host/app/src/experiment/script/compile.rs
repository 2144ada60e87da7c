//! From the timeline of a plan to its script.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use wasmote_sim::faults::Fault;
use wasmote_sim::faults::broker::Failure;
use wasmote_sim::faults::document::{FaultDocument, FaultEntry, Kind};
use wasmote_sim::faults::span::Span;
use wasmote_sim::faults::target::Pattern;
use wasmote_sim::http::HttpRequest;
use wasmote_sim::message::Message;
use wasmote_sim::time::Time;
use wasmote_sim::topic::Topic;

use super::whom::Chosen;
use super::{Deed, Phase, Scope, Script};
use crate::config::file::FaultsEntry;
use crate::config::values::Count;
use crate::config::{Group, Settings};
use crate::document;
use crate::experiment::document::{
    Add, Broker, Configure, Disconnect, Partition, PlanDocument, Publish, Ramp, Request, Swap, TimelineEntry,
    Whom,
};
use crate::experiment::path;
use crate::experiment::range::Scale;
use crate::fault_models::FaultModels;
use crate::fault_set::{BROKER_SERVES_ALL, FaultSet};
use crate::nearest::did_you_mean;
use crate::source::Source;

/// Instead of faults in a timeline: a device goes back to its group's, a group to the fleet's, and the fleet to
/// those that the run began with.
pub const INHERIT: &str = "inherit";

/// A field and what is wrong with it.
type Problem = (String, String);

/// Check a timeline and put it in order. The error names the field.
pub fn compile(plan: &PlanDocument, settings: &Settings, folder: &Path) -> Result<Script, Problem> {
    let own = settings.groups.iter().filter_map(|group| Some((group.name.clone(), group.faults.clone()?)));
    let mut compiler = Compiler {
        folder,
        models: &settings.models,
        end: Time::ZERO + plan.duration.0,
        at_the_start: &settings.faults,
        fleet: settings.faults.clone(),
        own: own.collect(),
        groups: settings.groups.iter().map(|group| (group.name.clone(), group.clone())).collect(),
        steps: Vec::new(),
        script: Script::default(),
    };
    for (index, entry) in plan.timeline.iter().enumerate() {
        let located = |(field, problem): Problem| match field.is_empty() {
            true => (format!("timeline[{index}]"), problem),
            false => (format!("timeline[{index}].{field}"), problem),
        };
        compiler.entry(index, entry).map_err(located)?;
    }
    compiler.finish()
}

struct Compiler<'a> {
    folder: &'a Path,
    models: &'a FaultModels,
    end: Time,
    at_the_start: &'a FaultSet,
    /// Documents as they are at the time that is looked at.
    fleet: FaultSet,
    own: BTreeMap<String, FaultSet>,
    groups: BTreeMap<String, Group>,
    steps: Vec<(Time, usize, Step)>,
    script: Script,
}

/// A deed, or something that becomes one when it is known what came before.
enum Step {
    Deed(Deed),
    Ramp { group: Option<String>, field: String, value: Value },
    Configure(Configure, Option<Source>),
    Swap(Swap, Source),
}

fn at(field: &str, problem: impl Into<String>) -> Problem {
    (field.to_owned(), problem.into())
}

impl Compiler<'_> {
    fn entry(&mut self, index: usize, entry: &TimelineEntry) -> Result<(), Problem> {
        let time = Time::ZERO + entry.at.0;
        if time >= self.end {
            return Err(at("at", "it is not before the end of the run"));
        }
        if let Some(name) = &entry.phase {
            let phase = Phase { name: name.to_string(), from: time, to: self.end };
            if self.script.phases.iter().any(|other| other.name == phase.name) {
                return Err(at("phase", format!("there is an earlier phase `{name}`")));
            }
            self.script.phases.push(phase);
        }
        for group in entry.group.iter() {
            self.known(group).map_err(|problem| at("group", problem))?;
        }
        let mut steps = self.steps_of(index, entry)?;
        match (steps.len(), &entry.phase) {
            (0, None) => {
                return Err(at("", "nothing happens then; add an action such as `crash` or `faults`"));
            }
            (0 | 1, _) => {}
            _ => return Err(at("", "it has several actions; give each an entry of its own")),
        }
        if (entry.group.is_some() && entry.faults.is_none() && entry.ramp.is_none())
            || (entry.device.is_some() && entry.faults.is_none())
        {
            return Err(at(
                "",
                "`group` and `device` beside `at` go with `faults` (and `group` with `ramp`)",
            ));
        }
        for (time, step) in steps.pop().unwrap_or_default() {
            self.steps.push((time, index, step));
        }
        Ok(())
    }

    /// The steps of each action of an entry.
    fn steps_of(&self, index: usize, entry: &TimelineEntry) -> Result<Vec<Vec<(Time, Step)>>, Problem> {
        let time = Time::ZERO + entry.at.0;
        let now = |deed| vec![(time, Step::Deed(deed))];
        let chosen = |field: &str, whom: &Whom| self.chosen(index, field, whom);
        let mut all = Vec::new();
        if let Some(faults) = &entry.faults {
            all.push(now(self.faults(entry, faults)?));
        }
        if let Some(ramp) = &entry.ramp {
            all.push(self.ramp(time, entry.group.as_ref(), ramp)?);
        }
        if let Some(whom) = &entry.crash {
            all.push(now(Deed::Crash(chosen("crash", whom)?)));
        }
        if let Some(whom) = &entry.stop {
            all.push(now(Deed::Stop(chosen("stop", whom)?)));
        }
        if let Some(whom) = &entry.start {
            all.push(now(Deed::Start(chosen("start", whom)?)));
        }
        if let Some(disconnect) = &entry.disconnect {
            all.push(self.disconnect(index, time, disconnect)?);
        }
        if let Some(partition) = &entry.partition {
            all.push(self.partition(index, time, partition)?);
        }
        if let Some(broker) = &entry.broker {
            all.push(now(broker_deed(index, broker)?));
        }
        if let Some(publish) = &entry.publish {
            all.push(now(publish_deed(publish)?));
        }
        if let Some(Request { device, method, path, headers, body }) = &entry.request {
            let headers = headers.iter().map(|(name, value)| (name.clone(), value.clone()));
            let request = HttpRequest {
                method: method.to_ascii_uppercase(),
                url: path.clone(),
                headers: headers.collect(),
                body: body.clone().into(),
            };
            all.push(now(Deed::Ask(Pattern::new(device), request)));
        }
        if let Some(Add { group, count: Count(count) }) = &entry.add {
            self.known(group).map_err(|problem| at("add.group", problem))?;
            all.push(now(Deed::Add(group.clone(), *count)));
        }
        if let Some(configure) = &entry.configure {
            self.known(&configure.group).map_err(|problem| at("configure.group", problem))?;
            let find = |name: &String| Source::find(name, self.folder);
            let source = configure.behaviour.as_ref().map(find).transpose();
            let source = source.map_err(|problem| at("configure.behaviour", problem.to_string()))?;
            all.push(vec![(time, Step::Configure(configure.clone(), source))]);
        }
        if let Some(swap) = &entry.swap {
            self.known(&swap.group).map_err(|problem| at("swap.group", problem))?;
            let source = Source::find(&swap.behaviour, self.folder);
            let source = source.map_err(|problem| at("swap.behaviour", problem.to_string()))?;
            all.push(vec![(time, Step::Swap(swap.clone(), source))]);
        }
        Ok(all)
    }

    fn known(&self, group: &str) -> Result<(), String> {
        if self.groups.contains_key(group) {
            return Ok(());
        }
        let names = || self.groups.keys().map(String::as_str);
        let (known, hint) = (names().collect::<Vec<_>>().join("`, `"), did_you_mean(group, names()));
        Err(format!("no group is called `{group}`; there are `{known}`{hint}"))
    }

    fn chosen(&self, index: usize, field: &str, whom: &Whom) -> Result<Chosen, Problem> {
        for group in whom.group.iter() {
            self.known(group).map_err(|problem| at(&format!("{field}.group"), problem))?;
        }
        let chosen = Chosen::new(whom, format!("timeline/{index}"));
        chosen.map_err(|(part, problem)| at(&format!("{field}.{part}"), problem))
    }

    fn faults(&self, entry: &TimelineEntry, faults: &FaultsEntry) -> Result<Deed, Problem> {
        let library = self.models.in_folder(self.folder);
        let set = match faults {
            FaultsEntry::Named(name) if name == INHERIT => None,
            FaultsEntry::Named(name) => Some(FaultSet::load(name, self.folder, self.models)),
            FaultsEntry::Inline(document) => Some(FaultSet::new("timeline", document.clone(), &library)),
        };
        let set = set.transpose().map_err(|error| at("faults", error.to_string()))?;
        if let Some(set) = &set {
            let checked = set.check_groups(self.groups.keys().map(String::as_str));
            checked.map_err(|error| at("faults", error.to_string()))?;
            if entry.group.is_some() || entry.device.is_some() {
                set.check_no_broker(BROKER_SERVES_ALL).map_err(|error| at("faults", error.to_string()))?;
            }
        }
        let scope = match (&entry.group, &entry.device) {
            (None, None) => Scope::Fleet,
            (Some(group), None) => Scope::Group(group.clone()),
            (None, Some(device)) => Scope::Devices(Pattern::new(device)),
            (Some(_), Some(_)) => return Err(at("device", "it does not go with `group`; give one of them")),
        };
        Ok(Deed::Faults(scope, set))
    }

    fn ramp(&self, time: Time, group: Option<&String>, ramp: &Ramp) -> Result<Vec<(Time, Step)>, Problem> {
        if !(1..=10_000).contains(&ramp.steps) {
            return Err(at("ramp.steps", format!("{} is no number of steps; use 1 to 10000", ramp.steps)));
        }
        if time + ramp.over.0 >= self.end {
            return Err(at("ramp.over", "it is not over before the end of the run"));
        }
        let step = |step: u32| {
            let part = f64::from(step) / f64::from(ramp.steps);
            let value = ramp.from.toward(ramp.to, part, Scale::Linear).value();
            let step = Step::Ramp { group: group.cloned(), field: ramp.field.clone(), value };
            (time + ramp.over.0.mul_f64(part), step)
        };
        Ok((0..=ramp.steps).map(step).collect())
    }

    fn disconnect(&self, index: usize, time: Time, it: &Disconnect) -> Result<Vec<(Time, Step)>, Problem> {
        let Disconnect { group, devices, share, count, lasting } = it.clone();
        let chosen = self.chosen(index, "disconnect", &Whom { group, devices, share, count })?;
        // A trial that always succeeds, held by each device once within this time. Then the fault is taken away,
        // and what it has begun runs out by itself.
        let once = Duration::from_millis(10);
        let entry = FaultEntry {
            id: Some(format!("timeline-{index}")),
            kind: Kind::Disconnect,
            every: Some(Span(once)),
            probability: Some(1.0),
            lasting: Some(lasting),
            ..FaultEntry::default()
        };
        let fault = only(entry).map_err(|(field, problem)| at(&format!("disconnect.{field}"), problem))?;
        let begin = Step::Deed(Deed::Begin(index, fault, Some(chosen)));
        Ok(vec![(time, begin), (time + once, Step::Deed(Deed::End(index)))])
    }

    fn partition(&self, index: usize, time: Time, it: &Partition) -> Result<Vec<(Time, Step)>, Problem> {
        self.known(&it.group).map_err(|problem| at("partition.group", problem))?;
        let others = self.groups.keys().filter(|name| **name != it.group);
        let others = || others.map(|name| format!("{name}-*")).collect();
        let entry = FaultEntry {
            id: Some(format!("timeline-{index}")),
            kind: Kind::Partition,
            group: Some(it.group.clone()),
            direction: Some(it.direction),
            peers: Some(it.peers.clone().unwrap_or_else(others)).filter(|peers| !peers.is_empty()),
            ..FaultEntry::default()
        };
        let fault = only(entry).map_err(|(field, problem)| at(&format!("partition.{field}"), problem))?;
        let over = time + it.lasting.0;
        let mut steps = vec![(time, Step::Deed(Deed::Begin(index, fault, None)))];
        if over < self.end {
            steps.push((over, Step::Deed(Deed::End(index))));
        }
        Ok(steps)
    }

    /// Put everything in order, and settle what depends on what came before.
    fn finish(mut self) -> Result<Script, Problem> {
        self.script.phases.sort_by_key(|phase| phase.from);
        let begins: Vec<Time> = self.script.phases.iter().skip(1).map(|phase| phase.from).collect();
        for (phase, next) in self.script.phases.iter_mut().zip(begins) {
            phase.to = next;
        }
        let mut steps = std::mem::take(&mut self.steps);
        steps.sort_by_key(|(time, _, _)| *time);
        for (time, index, step) in steps {
            let deed = self
                .settle(step)
                .map_err(|(field, problem)| at(&format!("timeline[{index}].{field}"), problem))?;
            self.script.deeds.push((time, deed));
        }
        Ok(self.script)
    }

    fn settle(&mut self, step: Step) -> Result<Deed, Problem> {
        match step {
            Step::Deed(Deed::Faults(scope, set)) => {
                match (&scope, &set) {
                    (Scope::Fleet, set) => self.fleet = set.as_ref().unwrap_or(self.at_the_start).clone(),
                    (Scope::Group(name), Some(set)) => drop(self.own.insert(name.clone(), set.clone())),
                    (Scope::Group(name), None) => drop(self.own.remove(name)),
                    (Scope::Devices(_), _) => {}
                }
                Ok(Deed::Faults(scope, set))
            }
            Step::Deed(deed) => Ok(deed),
            Step::Ramp { group, field, value } => self.settle_ramp(group, &field, value),
            Step::Configure(Configure { group, config, .. }, source) => {
                let changed = self.changed(&group, config, source);
                Ok(Deed::Configure(changed.ok_or_else(|| at("configure.group", "it is gone"))?))
            }
            Step::Swap(Swap { group, config, trial, .. }, source) => {
                let changed = self.changed(&group, config, Some(source));
                Ok(Deed::Swap(changed.ok_or_else(|| at("swap.group", "it is gone"))?, trial.0))
            }
        }
    }

    /// A group as it is from now on.
    fn changed(
        &mut self,
        group: &str,
        config: Map<String, Value>,
        source: Option<Source>,
    ) -> Option<Box<Group>> {
        let known = self.groups.get_mut(group)?;
        known.config.extend(config);
        if let Some(source) = source {
            self.script.sources.push(source.clone());
            known.behaviour = source;
        }
        Some(Box::new(known.clone()))
    }

    fn settle_ramp(&mut self, group: Option<String>, field: &str, value: Value) -> Result<Deed, Problem> {
        let own = group.as_ref().and_then(|name| self.own.get_mut(name));
        let set = match own {
            Some(own) => own,
            None => &mut self.fleet,
        };
        let mut changed = serde_json::to_value(&set.document).unwrap_or_default();
        path::set(&mut changed, field, value).map_err(|problem| at("ramp.field", problem))?;
        let document: FaultDocument = document::parse_json(changed.to_string().as_bytes())
            .map_err(|error| at("ramp.field", error.to_string()))?;
        let library = self.models.in_folder(self.folder);
        let new =
            FaultSet::new("timeline", document, &library).map_err(|error| at("ramp", error.to_string()))?;
        let scope = match group {
            None => {
                self.fleet = new.clone();
                Scope::Fleet
            }
            Some(name) => {
                self.own.insert(name.clone(), new.clone());
                Scope::Group(name)
            }
        };
        Ok(Deed::Faults(scope, Some(new)))
    }
}

fn only(entry: FaultEntry) -> Result<Arc<Fault>, Problem> {
    let faults = FaultDocument { faults: vec![entry] }.faults();
    let fault = faults.map(|mut faults| faults.pop());
    let fault = fault.map_err(|invalid| at(invalid.field, invalid.problem))?;
    fault.ok_or_else(|| at("", "it makes no fault"))
}

fn broker_deed(index: usize, broker: &Broker) -> Result<Deed, Problem> {
    let (field, Span(lasting), failure) = match (broker.pause, broker.restart, broker.persistent) {
        (Some(_), None, Some(_)) => {
            return Err(at("broker.persistent", "it goes with `restart`; a pause forgets nothing"));
        }
        (Some(pause), None, None) => ("pause", pause, Failure::Pause),
        (None, Some(restart), persistent) => {
            ("restart", restart, Failure::Restart { persistent: persistent.unwrap_or(false) })
        }
        _ => return Err(at("broker", "give one of `pause` and `restart`, with a time such as \"10s\"")),
    };
    if lasting.is_zero() {
        return Err(at(&format!("broker.{field}"), "it is zero; write a time such as \"10s\""));
    }
    Ok(Deed::Broker(format!("timeline-{index}").into(), failure, lasting))
}

fn publish_deed(publish: &Publish) -> Result<Deed, Problem> {
    let topic = Topic::new(publish.topic.as_str());
    let topic = topic.map_err(|invalid| at("publish.topic", format!("`{}`: {invalid}", publish.topic)))?;
    let payload = match &publish.payload {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        json => json.to_string(),
    };
    let message = Message::new(topic, payload).with_qos(publish.qos).with_retain(publish.retain);
    Ok(match &publish.device {
        None => Deed::Publish(message),
        Some(device) => Deed::PublishAs(Pattern::new(device), message),
    })
}
