//! Applies the faults of one device.
//!
//! * `rule`: a fault of the message plane, with its state.
//! * `supply`: faults of the device's clock and battery.

mod rule;
mod supply;

use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::budget::ByteBudget;
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;

use super::battery::BatteryState;
use super::by_id::ById;
use super::byte_stream::LinkConditions;
use super::clock::Skew;
use super::component::runner::ModelRunner;
use super::outage::{Outage, Transition};
use super::throttle::Throttle;
use super::{ActiveFault, Direction, Fault, FaultId, Model};
use crate::behaviour::Trap;
use crate::journey::Decision;
use crate::ledger::Ledger;
use crate::notice::DeviceNotice;
use crate::rng::Seed;
use rule::{Rule, RuleKind, RuleOutcome};

/// Faults of one device, with their state.
#[derive(Debug, Default)]
pub struct Injector {
    rules: Vec<Rule>,
    outages: Vec<Outage>,
    /// Facts about the outages that are needed for every input.
    summary: OutageSummary,
    /// Bytes of the messages that rules hold back.
    held_budget: ByteBudget,
    /// Whether a rule may hold messages back, so that the rules are not searched for each message.
    may_hold: bool,
    batteries: Vec<BatteryState>,
    /// Throttles that are always active.
    throttles: Vec<Throttle>,
    skew: Skew,
    /// Notices of fault components that are not reported yet.
    notices: Vec<DeviceNotice>,
    /// Decisions of faults about the last message, if messages are followed.
    decisions: Option<Vec<(Arc<Fault>, Decision)>>,
    /// The model that was put aside last, with its trap. A later change of the faults does not forget it.
    disabled_model: Option<Box<(FaultId, Trap)>>,
}

/// Facts about the outages of a device, computed after each change.
#[derive(Clone, Copy, Debug, Default)]
struct OutageSummary {
    next_deadline: Option<Time>,
    /// Position of the first active outage that silences the device.
    silence: Option<usize>,
    hangs: bool,
}

/// Begin or end of an outage.
#[derive(Clone, Debug)]
pub enum OutageTransition {
    /// An outage begins, and lasts until this time.
    Began(Arc<Fault>, Time),
    /// An outage without duration.
    Occurred(Arc<Fault>),
    /// An outage ends.
    Ended(Arc<Fault>),
}

/// A released message that was held back.
#[derive(Clone, Debug)]
pub struct Released {
    /// Direction of the message.
    pub direction: Direction,
    /// The message as it was when it was held back.
    pub message: Message,
    /// The last fault that dropped it, or a copy of it, after the release.
    pub dropped_by: Option<FaultId>,
}

/// Inputs for the creation of a device's faults.
#[derive(Clone, Copy)]
struct FaultScope<'a> {
    identity: &'a Identity,
    seed: Seed,
    now: Time,
}

impl Injector {
    /// Creates the faults that apply to this device. The messages that they hold back take their bytes from the budget.
    /// The ledger counts by fault id, and continues the counts of an earlier fault of the same id.
    pub fn new(
        held_budget: ByteBudget,
        faults: &[Arc<Fault>],
        identity: &Identity,
        seed: Seed,
        now: Time,
        ledger: &mut Ledger,
    ) -> Self {
        let mut injector = Self { held_budget, ..Self::default() };
        injector.change(faults, identity, seed, now, ledger);
        injector
    }

    /// Replaces the faults. A fault with the id and kind of an earlier one keeps its state: random numbers,
    /// memory, held messages, battery, and an active outage with its end. Returns the state of the removed
    /// ones.
    pub fn change(
        &mut self,
        faults: &[Arc<Fault>],
        identity: &Identity,
        seed: Seed,
        now: Time,
        ledger: &mut Ledger,
    ) -> Self {
        let mut before = std::mem::take(self);
        self.disabled_model = before.disabled_model.take();
        self.decisions = before.decisions.take();
        self.held_budget = before.held_budget.clone();
        // Most ledgers have so few counts that they ask for none of the ids.
        let in_force = LazyCell::new(|| faults.iter().map(|fault| &fault.id).collect::<BTreeSet<_>>());
        ledger.forget_removed(|id| in_force.contains(id));
        let mut rules = ById::new(before.rules, |rule| &rule.fault);
        let mut outages = ById::new(before.outages, |outage| &outage.fault);
        for fault in faults {
            self.add(fault, FaultScope { identity, seed, now }, (&mut rules, &mut outages), ledger);
        }
        self.may_hold = self.rules.iter().any(|rule| !rule.waiting.is_empty());
        self.summarize();
        let mut removed = Self { rules: rules.into_rest(), outages: outages.into_rest(), ..before };
        // Nobody has searched its rules, so they may hold messages.
        removed.may_hold = true;
        removed.summarize();
        removed
    }

    fn add(
        &mut self,
        fault: &Arc<Fault>,
        scope: FaultScope<'_>,
        (rules, outages): (&mut ById<Rule>, &mut ById<Outage>),
        ledger: &mut Ledger,
    ) {
        let FaultScope { identity, seed, now } = scope;
        let stream = || seed.stream(&identity.id, &format!("fault/{}", fault.id));
        let kind = match &fault.model {
            Model::Partition(partition) => match partition.rule_for(&fault.target, identity) {
                Some(partition) => Some(RuleKind::Partition(partition)),
                None => return,
            },
            model if model.failure().is_some() => return,
            _ if !fault.target.includes(identity) => return,
            Model::Component(component) => {
                let runner = ModelRunner::new(FaultId::clone(&fault.id), component, identity, stream());
                Some(RuleKind::Component(Box::new(runner)))
            }
            Model::Clock(clock) => return self.skew = self.skew.and(clock.skew(&mut stream())),
            Model::Battery(battery) => {
                self.batteries.push(BatteryState::full(Arc::clone(fault), battery.clone()));
                None
            }
            Model::Throttle(throttle) if throttle.recurrence.is_none() => {
                self.throttles.push(throttle.clone());
                None
            }
            model => model.direction().map(|_| RuleKind::builtin(stream())),
        };
        let gate = fault.model.recurrence().map(|recurrence| {
            let mut outage = Outage::new(Arc::clone(fault), recurrence, identity, seed, now);
            if let Some(same) = outages.take(fault) {
                outage.inherit_state(&same);
            }
            self.outages.push(outage);
            self.outages.len() - 1
        });
        let slot = ledger.slot(&fault.id);
        if let Some(kind) = kind {
            let mut rule = Rule::new(Arc::clone(fault), slot, kind, gate, self.held_budget.clone());
            if let Some(same) = rules.take(fault) {
                rule.inherit_state(same);
            }
            self.rules.push(rule);
        }
    }

    /// Passes a message through the faults. The resulting copies, each with its delay, are appended to
    /// `passed`; a message that is dropped or held back has none. Messages that waited for this one
    /// become releasable. Returns the last fault that dropped the message, or a copy of it.
    pub fn judge(
        &mut self,
        direction: Direction,
        message: Message,
        now: Time,
        ledger: &mut Ledger,
        passed: &mut Vec<(Message, Duration)>,
    ) -> Option<FaultId> {
        let first = passed.len();
        passed.push((message, Duration::ZERO));
        self.judge_from(0, direction, now, first, ledger, passed)
    }

    fn judge_from(
        &mut self,
        first_rule: usize,
        direction: Direction,
        now: Time,
        first: usize,
        ledger: &mut Ledger,
        passed: &mut Vec<(Message, Duration)>,
    ) -> Option<FaultId> {
        let mut outcome = RuleOutcome { decisions: self.decisions.take(), ..RuleOutcome::default() };
        for rule in &mut self.rules[first_rule..] {
            if rule.gate.is_none_or(|gate| self.outages[gate].until.is_some()) {
                rule.apply(direction, now, first, passed, ledger, &mut outcome);
            }
        }
        let disabled = outcome.notices.iter().rev().find_map(|notice| match notice {
            DeviceNotice::FaultTrapped(fault, trap, true) => Some(Box::new((fault.clone(), trap.clone()))),
            _ => None,
        });
        self.disabled_model = disabled.or(self.disabled_model.take());
        self.decisions = outcome.decisions;
        self.notices.append(&mut outcome.notices);
        self.may_hold |= outcome.held;
        // A message is not lost while one of its copies is held back.
        outcome.dropped_by.filter(|_| !outcome.held)
    }

    /// Sets whether the decisions of faults are collected.
    pub(crate) fn follow(&mut self, follow: bool) {
        if follow != self.decisions.is_some() {
            self.decisions = follow.then(Vec::new);
        }
    }

    /// Returns and clears the decisions about the last message, in order.
    pub(crate) fn drain_decisions(&mut self) -> impl Iterator<Item = (Arc<Fault>, Decision)> {
        self.decisions.iter_mut().flat_map(|decisions| decisions.drain(..))
    }

    /// Returns and clears the notices of fault components.
    pub fn drain_notices(&mut self) -> impl Iterator<Item = DeviceNotice> {
        self.notices.drain(..)
    }

    /// The fault model that was put aside last, with its trap.
    pub fn disabled_model(&self) -> Option<(&FaultId, &Trap)> {
        self.disabled_model.as_deref().map(|(fault, trap)| (fault, trap))
    }

    /// Whether a held message has been overtaken often enough.
    pub fn has_releasable(&self) -> bool {
        self.may_hold && self.rules.iter().any(|rule| rule.waiting.has_releasable())
    }

    /// Releases one message that has been overtaken or has timed out. Call it until it returns `None`.
    pub fn release(
        &mut self,
        now: Time,
        ledger: &mut Ledger,
        passed: &mut Vec<(Message, Duration)>,
    ) -> Option<Released> {
        if !self.may_hold {
            return None;
        }
        let take = |(at, rule): (usize, &mut Rule)| Some((at, rule.waiting.take_due(now)?));
        let Some((at, held)) = self.rules.iter_mut().enumerate().find_map(take) else {
            self.may_hold = self.rules.iter().any(|rule| !rule.waiting.is_empty());
            return None;
        };
        let (direction, message, first) = (held.direction, held.message, passed.len());
        passed.push((message.clone(), held.delay));
        let dropped_by = self.judge_from(at + 1, direction, now, first, ledger, passed);
        Some(Released { direction, message, dropped_by })
    }

    /// Faults with an active outage, in document order.
    pub(crate) fn active_outages(&self) -> Vec<Arc<Fault>> {
        let active_outages = self.outages.iter().filter(|outage| outage.until.is_some());
        active_outages.map(|outage| Arc::clone(&outage.fault)).collect()
    }

    /// Releases all held messages. They skip the faults that follow.
    pub fn release_all(&mut self) -> impl Iterator<Item = (Direction, Message)> + use<> {
        let held: Vec<_> = self.rules.iter_mut().flat_map(|rule| rule.waiting.take()).collect();
        held.into_iter().map(|held| (held.direction, held.message))
    }

    /// Number of held messages in one direction.
    pub fn held(&self, direction: Direction) -> usize {
        if !self.may_hold {
            return 0;
        }
        self.rules.iter().map(|rule| rule.waiting.count(direction)).sum()
    }

    /// Time at which the next held message times out.
    pub fn next_release(&self) -> Option<Time> {
        if !self.may_hold {
            return None;
        }
        self.rules.iter().filter_map(|rule| rule.waiting.next_due()).min()
    }

    /// Time at which an outage may begin or end next.
    pub fn next_deadline(&self) -> Option<Time> {
        self.summary.next_deadline
    }

    fn summarize(&mut self) {
        let mut summary = OutageSummary::default();
        for (at, outage) in self.outages.iter().enumerate() {
            let deadlines = [summary.next_deadline, outage.next_deadline()];
            summary.next_deadline = deadlines.into_iter().flatten().min();
            if outage.until.is_some() && outage.fault.model.silences() {
                summary.silence = summary.silence.or(Some(at));
                summary.hangs |= matches!(outage.fault.model, Model::Hang(_));
            }
        }
        self.summary = summary;
    }

    /// Begins or ends one due outage. Call it until it returns `None`.
    pub fn advance(&mut self, now: Time, ledger: &mut Ledger) -> Option<OutageTransition> {
        if self.summary.next_deadline.is_none_or(|due| due > now) {
            return None;
        }
        let transition = self.outages.iter_mut().find_map(|outage| {
            // Most outages are not due.
            if outage.next_deadline().is_none_or(|due| due > now) {
                return None;
            }
            let fault = Arc::clone(&outage.fault);
            match outage.advance(now)? {
                Transition::Ended => Some(OutageTransition::Ended(fault)),
                Transition::Occurred => {
                    ledger.outage_began(&fault.id);
                    Some(OutageTransition::Occurred(fault))
                }
                Transition::Began(until) => {
                    ledger.outage_began(&fault.id);
                    Some(OutageTransition::Began(fault, until))
                }
            }
        });
        self.summarize();
        transition
    }

    /// Ends one hang, as a restart does. Call it until it returns `None`.
    pub fn end_hang(&mut self, now: Time) -> Option<OutageTransition> {
        let hangs = |outage: &&mut Outage| matches!(outage.fault.model, Model::Hang(_));
        let hang = self.outages.iter_mut().filter(hangs).find_map(|outage| {
            let ended = outage.end_early(now);
            ended.then(|| Arc::clone(&outage.fault))
        });
        self.summarize();
        hang.map(OutageTransition::Ended)
    }

    /// Active faults that the device can observe, in document order.
    pub fn active(&self) -> Vec<ActiveFault> {
        self.outages
            .iter()
            .filter_map(|outage| {
                let fault = &outage.fault;
                let until = Some(outage.until?);
                Some(ActiveFault { id: fault.id.clone(), kind: fault.model.kind(), until })
            })
            .collect()
    }

    /// Present link conditions.
    pub(crate) fn link_conditions(&self) -> LinkConditions {
        let mut link_conditions = LinkConditions::default();
        self.throttles
            .iter()
            .for_each(|throttle| link_conditions.throttle(throttle.direction, throttle.rate));
        for outage in self.outages.iter().filter(|outage| outage.until.is_some()) {
            match &outage.fault.model {
                Model::Stall(stall) => link_conditions.stall(stall),
                Model::Throttle(throttle) => link_conditions.throttle(throttle.direction, throttle.rate),
                _ => {}
            }
        }
        link_conditions
    }

    /// An active silence, if any.
    pub fn silence(&self) -> Option<&FaultId> {
        self.summary.silence.map(|at| &self.outages[at].fault.id)
    }

    /// Whether the behaviour hangs.
    pub fn hangs(&self) -> bool {
        self.summary.hangs
    }
}
