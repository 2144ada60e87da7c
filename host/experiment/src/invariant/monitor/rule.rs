//! State of one rule during a run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::time::Time;
use wasmote_results::{InvariantOutcome, Violation};

use super::super::InvariantEntry;
use super::super::lexer::Key;
use super::super::message::{Scope, SeenMessage};
use super::super::syntax::{Comparison, Event, EventKind, Eventually, Goal, Logic, Rule, StateTest};
use super::{Occurrence, World};

/// Number of values and open goals that one rule keeps. More are counted in the outcome and not checked.
const MAX_ENTRIES: usize = 1_000_000;

/// Receiver of violations.
type Report<'a> = dyn FnMut(Violation) + 'a;

/// One rule with what it remembers.
#[derive(Debug)]
pub(super) struct RuleState {
    entry: InvariantEntry,
    rule: Arc<Rule>,
    uses_previous: bool,
    violations: u64,
    untracked: u64,
    first: Option<Violation>,
    /// The last message of the rule's event, by device.
    previous: BTreeMap<usize, SeenMessage>,
    /// Values of events that occurred, with the device where that matters.
    occurred: BTreeSet<(Option<usize>, Vec<String>)>,
    /// Devices in the forbidden state.
    holding: BTreeSet<usize>,
    /// Devices, or sets of devices, in violation since this time.
    since: BTreeMap<Vec<usize>, Time>,
    /// When these have lasted too long.
    due: BTreeSet<(Time, Vec<usize>)>,
    /// Goals that are not reached yet, ordered by deadline.
    open: VecDeque<OpenGoal>,
}

/// A goal of a device that is not reached yet.
#[derive(Debug)]
struct OpenGoal {
    deadline: Time,
    /// The device; `None` for a goal that any device can reach.
    device: Option<usize>,
    trigger: Option<SeenMessage>,
    /// The trigger in words.
    because: String,
}

impl RuleState {
    pub(super) fn new(entry: InvariantEntry) -> Self {
        Self {
            uses_previous: entry.check.rule.uses_previous(),
            rule: Arc::new(entry.check.rule.clone()),
            entry,
            violations: 0,
            untracked: 0,
            first: None,
            previous: BTreeMap::new(),
            occurred: BTreeSet::new(),
            holding: BTreeSet::new(),
            since: BTreeMap::new(),
            due: BTreeSet::new(),
            open: VecDeque::new(),
        }
    }

    pub(super) fn name(&self) -> String {
        self.entry.name.to_string()
    }

    pub(super) fn violations(&self) -> u64 {
        self.violations
    }

    pub(super) fn outcome(&self) -> InvariantOutcome {
        InvariantOutcome {
            name: self.entry.name.to_string(),
            text: self.entry.check.text.clone(),
            ok: self.violations == 0,
            violations: self.violations,
            first: self.first.clone(),
            untracked: self.untracked,
        }
    }

    fn violated(&mut self, at: Time, devices: Vec<String>, message: String, report: &mut Report<'_>) {
        // Only some violations are reported one by one; all are counted.
        const REPORTED: u64 = 100;
        self.violations += 1;
        if self.violations <= REPORTED {
            let violation = Violation { at_s: at.elapsed().as_secs_f64(), devices, message };
            self.first.get_or_insert_with(|| violation.clone());
            report(violation);
        }
    }

    fn concerns(&self, world: &World, device: usize) -> bool {
        self.entry.group.as_ref().is_none_or(|group| **group == *world.devices[device].identity.group)
    }

    /// A device joins. Goals without a trigger begin.
    pub(super) fn add_device(&mut self, device: usize, world: &World, at: Time) {
        let within = match &*self.rule {
            Rule::Eventually(rule) if rule.trigger.is_none() => rule.within,
            _ => return,
        };
        if self.concerns(world, device) {
            let because = "the device joined".to_owned();
            self.open_goal(OpenGoal { deadline: at + within, device: Some(device), trigger: None, because });
        }
    }

    fn open_goal(&mut self, goal: OpenGoal) {
        if self.open.len() < MAX_ENTRIES {
            self.open.push_back(goal);
        } else {
            self.untracked += 1;
        }
    }

    /// Decides what has passed its deadline.
    pub(super) fn advance(&mut self, world: &World, now: Time, report: &mut Report<'_>) {
        while let Some(goal) = self.open.pop_front_if(|goal| goal.deadline < now) {
            let OpenGoal { deadline, device, because, .. } = goal;
            let names: Vec<String> = device.iter().map(|device| world.name(*device).to_owned()).collect();
            let who = if names.is_empty() { "no device" } else { &*names[0] };
            let message = format!("{who} did not reach the goal in time, after {because}");
            self.violated(deadline, names, message, report);
        }
        let lasting = match &*self.rule {
            Rule::NeverState { lasting, .. } => *lasting,
            _ => return,
        };
        while self.due.first().is_some_and(|(deadline, _)| *deadline < now)
            && let Some((deadline, set)) = self.due.pop_first()
        {
            self.state_violated(world, &set, deadline, Some(lasting), report);
        }
    }

    fn state_violated(
        &mut self,
        world: &World,
        devices: &[usize],
        at: Time,
        lasting: Option<Duration>,
        report: &mut Report<'_>,
    ) {
        // An empty set stands for all devices in the state.
        let all: Vec<usize>;
        let devices = match devices {
            [] => {
                all = self.holding.iter().copied().collect();
                &all
            }
            several => several,
        };
        let names: Vec<String> = devices.iter().map(|device| world.name(*device).to_owned()).collect();
        let mut message = match &*names {
            [one] => format!("{one} is in the forbidden state"),
            several => format!("{} are in the forbidden state at once", several.join(" and ")),
        };
        if let Some(lasting) = lasting {
            message += &format!(" for more than {}", humantime::format_duration(lasting));
        }
        let details = devices.iter().filter_map(|device| self.describe_state(world, *device));
        let details: Vec<String> = details.collect();
        if !details.is_empty() {
            message += &format!(": {}", details.join("; "));
        }
        self.violated(at, names, message, report);
    }

    /// The messages and metrics of a device that the state refers to.
    fn describe_state(&self, world: &World, device: usize) -> Option<String> {
        let mut parts = Vec::new();
        self.entry.check.rule.state()?.each(&mut |test| match test {
            StateTest::Metric(name, ..) => {
                parts.extend(world.metric(device, name).map(|value| format!("{name} is {value}")));
            }
            test => parts
                .extend(world.message(device, test).map(|seen| format!("{} {}", seen.topic, seen.excerpt()))),
        });
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// An event occurs.
    pub(super) fn occur(
        &mut self,
        world: &World,
        device: Option<usize>,
        occurrence: &Occurrence<'_>,
        now: Time,
        report: &mut Report<'_>,
    ) {
        if device.is_some_and(|device| !self.concerns(world, device)) {
            return;
        }
        let rule = Arc::clone(&self.rule);
        match &*rule {
            Rule::NeverEvent(event) => {
                if self.is(world, device, occurrence, event, None) {
                    let (names, text) = describe(world, device, occurrence);
                    self.violated(now, names, text, report);
                }
                self.remember(world, device, occurrence, &event.kind);
            }
            Rule::AlwaysEvent(event, condition) => {
                let broken = self.is(world, device, occurrence, event, None)
                    && !self.fulfils(world, device, occurrence, condition);
                if broken {
                    let (names, mut text) = describe(world, device, occurrence);
                    let previous = device.and_then(|device| self.previous.get(&device));
                    if let Some(previous) = previous.filter(|_| self.uses_previous) {
                        text += &format!(", after {} {}", previous.topic, previous.excerpt());
                    }
                    self.violated(now, names, text, report);
                }
                self.remember(world, device, occurrence, &event.kind);
            }
            Rule::NeverTwice { event, keys, any_device } => {
                if self.is(world, device, occurrence, event, None) {
                    self.check_twice(world, device, occurrence, (keys, *any_device), now, report);
                }
                self.remember(world, device, occurrence, &event.kind);
            }
            Rule::NeverState { .. } => {}
            Rule::Eventually(rule) => {
                let Eventually { trigger, within, goal, unless } = &**rule;
                let name = device.map_or("", |device| world.name(device));
                // Few events are of a kind that matters, and many goals may be open.
                if let Some(unless) = unless
                    && occurrence.is(&unless.kind, name)
                {
                    let released = |goal: &OpenGoal| {
                        (goal.device.is_none() || goal.device == device)
                            && is_event(world, device, occurrence, unless, None, goal.trigger.as_ref())
                    };
                    self.open.retain(|goal| !released(goal));
                }
                if let Goal::Event(event, any) = goal
                    && occurrence.is(&event.kind, name)
                {
                    let reached = |open: &OpenGoal| {
                        (*any || open.device.is_none() || open.device == device)
                            && is_event(world, device, occurrence, event, None, open.trigger.as_ref())
                    };
                    self.open.retain(|goal| !reached(goal));
                }
                if let Some(trigger) = trigger
                    && is_event(world, device, occurrence, trigger, None, None)
                {
                    self.triggered(world, device, occurrence, (*within, goal), now);
                }
            }
        }
    }

    fn triggered(
        &mut self,
        world: &World,
        device: Option<usize>,
        occurrence: &Occurrence<'_>,
        (within, goal): (Duration, &Goal),
        now: Time,
    ) {
        let (_, because) = describe(world, device, occurrence);
        let trigger = occurrence.message().cloned();
        // The host's message starts a goal of every device, unless one device is enough.
        let any = matches!(goal, Goal::Event(_, true));
        let devices: Vec<Option<usize>> = match device {
            None if !any => {
                (0..world.devices.len()).filter(|at| self.concerns(world, *at)).map(Some).collect()
            }
            device => vec![device],
        };
        for device in devices {
            if let (Goal::State(state), Some(device)) = (goal, device)
                && holds(world, device, state)
            {
                continue;
            }
            let (trigger, because) = (trigger.clone(), because.clone());
            self.open_goal(OpenGoal { deadline: now + within, device, trigger, because });
        }
    }

    /// Whether the event is the rule's, with `previous` as far as it is known.
    fn is(
        &self,
        world: &World,
        device: Option<usize>,
        occurrence: &Occurrence<'_>,
        event: &Event,
        trigger: Option<&SeenMessage>,
    ) -> bool {
        let previous = device.and_then(|device| self.previous.get(&device));
        // Rules about the preceding message begin at the second one.
        (!self.uses_previous || previous.is_some())
            && is_event(world, device, occurrence, event, previous, trigger)
    }

    fn fulfils(
        &self,
        world: &World,
        device: Option<usize>,
        occurrence: &Occurrence<'_>,
        condition: &Logic<Comparison>,
    ) -> bool {
        let Some(this) = occurrence.message() else { return true };
        let previous = device.and_then(|device| self.previous.get(&device));
        let name = device.map_or("", |device| world.name(device));
        Scope { device: name, this, previous, trigger: None }.holds(condition)
    }

    fn remember(
        &mut self,
        world: &World,
        device: Option<usize>,
        occurrence: &Occurrence<'_>,
        kind: &EventKind,
    ) {
        if let (true, Some(device), Some(message)) = (self.uses_previous, device, occurrence.message())
            && occurrence.is(kind, world.name(device))
        {
            self.previous.insert(device, message.clone());
        }
    }

    fn check_twice(
        &mut self,
        world: &World,
        device: Option<usize>,
        occurrence: &Occurrence<'_>,
        (keys, any_device): (&[Vec<Key>], bool),
        now: Time,
        report: &mut Report<'_>,
    ) {
        let values = match occurrence.message() {
            Some(message) if keys.is_empty() => vec![message.topic.clone(), message.json().to_string()],
            Some(message) => keys.iter().map(|key| message.at(key).to_string()).collect(),
            None => Vec::new(),
        };
        let key = (device.filter(|_| !any_device), values);
        if self.occurred.contains(&key) {
            let (names, text) = describe(world, device, occurrence);
            self.violated(now, names, format!("{text}, which occurred before"), report);
        } else if self.occurred.len() < MAX_ENTRIES {
            self.occurred.insert(key);
        } else {
            self.untracked += 1;
        }
    }

    /// The state of a device may have changed.
    pub(super) fn state_changed(&mut self, world: &World, device: usize, now: Time, report: &mut Report<'_>) {
        if !self.concerns(world, device) {
            return;
        }
        let rule = Arc::clone(&self.rule);
        match &*rule {
            Rule::Eventually(rule) => {
                let is_open = self.open.iter().any(|goal| goal.device == Some(device));
                if let (Goal::State(state), true) = (&rule.goal, is_open)
                    && holds(world, device, state)
                {
                    self.open.retain(|goal| goal.device != Some(device));
                }
            }
            Rule::NeverState { state, devices, same, lasting } => {
                let is_new = match holds(world, device, state) {
                    true => self.holding.insert(device),
                    false => self.holding.remove(&device),
                };
                let sets = match (*devices as usize, same) {
                    // Most changes leave the state of the device as it was.
                    (_, None) if !is_new => return,
                    (1, _) => return self.set_violated(world, vec![device], now, *lasting, report),
                    // All devices in the state are one set, which is named when it breaks the rule.
                    (least, None) if self.holding.len() >= least => vec![Vec::new()],
                    (_, None) => Vec::new(),
                    (least, Some(path)) => self.sets_with_same_value(world, state, least, path),
                };
                let over: Vec<Vec<usize>> =
                    self.since.keys().filter(|set| !sets.contains(set)).cloned().collect();
                over.iter().for_each(|set| self.end_violation(set, *lasting));
                for set in sets {
                    self.begin_violation(world, set, now, *lasting, report);
                }
            }
            _ => {}
        }
    }

    /// Begins or ends the violation of a single device.
    fn set_violated(
        &mut self,
        world: &World,
        set: Vec<usize>,
        now: Time,
        lasting: Duration,
        report: &mut Report<'_>,
    ) {
        match set.iter().all(|device| self.holding.contains(device)) {
            true => self.begin_violation(world, set, now, lasting, report),
            false => self.end_violation(&set, lasting),
        }
    }

    fn begin_violation(
        &mut self,
        world: &World,
        set: Vec<usize>,
        now: Time,
        lasting: Duration,
        report: &mut Report<'_>,
    ) {
        if self.since.contains_key(&set) {
            return;
        }
        self.since.insert(set.clone(), now);
        match lasting.is_zero() {
            true => self.state_violated(world, &set, now, None, report),
            false => drop(self.due.insert((now + lasting, set))),
        }
    }

    fn end_violation(&mut self, set: &[usize], lasting: Duration) {
        if let Some(since) = self.since.remove(set) {
            self.due.remove(&(since + lasting, set.to_vec()));
        }
    }

    /// Sets of at least so many devices in the state whose last messages have the same value.
    fn sets_with_same_value(
        &self,
        world: &World,
        state: &Logic<StateTest>,
        least: usize,
        path: &[Key],
    ) -> Vec<Vec<usize>> {
        let mut by_value: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for device in &self.holding {
            let mut value = None;
            state.each(&mut |test| {
                let is_message = matches!(test, StateTest::LastPublished(..) | StateTest::LastReceived(..));
                if value.is_none() && is_message {
                    value = world.message(*device, test).map(|message| message.at(path).to_string());
                }
            });
            if let Some(value) = value {
                by_value.entry(value).or_default().push(*device);
            }
        }
        by_value.into_values().filter(|devices| devices.len() >= least).collect()
    }
}

/// Whether a state of a device holds. A message that was never published or received and a metric that was never set are
/// unknown, so that they fulfil neither a state nor its opposite.
fn holds(world: &World, device: usize, state: &Logic<StateTest>) -> bool {
    let fulfils = |this: &SeenMessage, condition: &Logic<Comparison>| {
        Scope { device: world.name(device), this, previous: None, trigger: None }.holds(condition)
    };
    let truth = state.truth(&|test| match test {
        StateTest::Connected => Some(world.devices[device].connected),
        StateTest::Running => Some(world.devices[device].running),
        StateTest::Metric(name, operator, bound) => {
            world.metric(device, name).map(|value| operator.holds(value, *bound))
        }
        StateTest::Retained(_, condition) => {
            Some(world.message(device, test).is_some_and(|this| fulfils(this, condition)))
        }
        StateTest::LastPublished(_, condition) | StateTest::LastReceived(_, condition) => {
            world.message(device, test).map(|this| fulfils(this, condition))
        }
    });
    truth == Some(true)
}

fn is_event(
    world: &World,
    device: Option<usize>,
    occurrence: &Occurrence<'_>,
    event: &Event,
    previous: Option<&SeenMessage>,
    trigger: Option<&SeenMessage>,
) -> bool {
    let name = device.map_or("", |device| world.name(device));
    occurrence.is(&event.kind, name)
        && match (&event.condition, occurrence.message()) {
            (Some(condition), Some(this)) => Scope { device: name, this, previous, trigger }.holds(condition),
            _ => true,
        }
}

fn describe(world: &World, device: Option<usize>, occurrence: &Occurrence<'_>) -> (Vec<String>, String) {
    let names: Vec<String> = device.iter().map(|device| world.name(*device).to_owned()).collect();
    let text = occurrence.describe(names.first().map_or("the host", String::as_str));
    (names, text)
}
