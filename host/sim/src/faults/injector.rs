//! The one place where faults are applied to a device.
//!
//! * `rule`: a fault of the message plane, and what it does with the messages that come to it.
//! * `supply`: the faults of what a device has in itself, its clock and its battery.

mod rule;
mod supply;

use std::sync::Arc;
use std::time::Duration;

use super::battery::BatteryState;
use super::byte_stream::{LinkConditions, Throttle};
use super::clock::Skew;
use super::component::runner::ModelRunner;
use super::outage::{Outage, Transition};
use super::{ActiveFault, Direction, Fault, FaultId, Model};
use crate::ledger::Ledger;
use crate::notice::DeviceNotice;
use crate::rng::Seed;
use rule::{Rule, RuleKind, RuleOutcome};
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;

/// The faults of one device, with what they remember.
#[derive(Debug, Default)]
pub struct Injector {
    rules: Vec<Rule>,
    outages: Vec<Outage>,
    batteries: Vec<BatteryState>,
    /// Throttles that are always there.
    throttles: Vec<Throttle>,
    skew: Skew,
    /// What components have said, to be told.
    notices: Vec<DeviceNotice>,
}

/// An outage that began or ended.
#[derive(Clone, Debug)]
pub enum OutageTransition {
    /// It holds from now until then.
    Began(Arc<Fault>, Time),
    /// It struck, and is over at once.
    Occurred(Arc<Fault>),
    /// It is over.
    Ended(Arc<Fault>),
}

/// A message that was held back, and now goes on.
#[derive(Clone, Debug)]
pub struct Released {
    /// Which way it goes.
    pub direction: Direction,
    /// The message as it was when it was held back.
    pub message: Message,
    /// The last fault that then took it, or a copy of it.
    pub dropped_by: Option<FaultId>,
}

/// Where a device's faults come from.
#[derive(Clone, Copy)]
struct FaultScope<'a> {
    identity: &'a Identity,
    seed: Seed,
    now: Time,
}

impl Injector {
    /// The part of a document that concerns this device. Counts go to the ledger under each fault's id,
    /// and go on there when a fault of the same name was counted before.
    pub fn new(
        faults: &[Arc<Fault>],
        identity: &Identity,
        seed: Seed,
        now: Time,
        ledger: &mut Ledger,
    ) -> Self {
        let mut injector = Self::default();
        injector.change(faults, identity, seed, now, ledger);
        injector
    }

    /// Other faults from now on. A fault that has the id and the kind of one that there was goes on where
    /// that was: with its random numbers, with what it remembers and holds back, with its battery, and with
    /// an outage under way, which ends when it would have. What is left of the others is returned.
    pub fn change(
        &mut self,
        faults: &[Arc<Fault>],
        identity: &Identity,
        seed: Seed,
        now: Time,
        ledger: &mut Ledger,
    ) -> Self {
        let mut before = std::mem::take(self);
        for fault in faults {
            self.add(fault, FaultScope { identity, seed, now }, &mut before, ledger);
        }
        before
    }

    fn add(&mut self, fault: &Arc<Fault>, scope: FaultScope<'_>, before: &mut Self, ledger: &mut Ledger) {
        let FaultScope { identity, seed, now } = scope;
        let stream = || seed.stream(&identity.id, &format!("fault/{}", fault.id));
        let kind = match &fault.model {
            Model::Partition(partition) => match partition.rule_for(&fault.target, identity) {
                Some(partition) => Some(RuleKind::Partition(partition)),
                None => return,
            },
            Model::Broker(_) => return,
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
            if let Some(same) = take(&mut before.outages, |other| other.fault.is_same(fault)) {
                outage.inherit_state(&same);
            }
            self.outages.push(outage);
            self.outages.len() - 1
        });
        let slot = ledger.slot(&fault.id);
        if let Some(kind) = kind {
            let mut rule = Rule::new(Arc::clone(fault), slot, kind, gate);
            if let Some(same) = take(&mut before.rules, |other| other.fault.is_same(fault)) {
                rule.inherit_state(same);
            }
            self.rules.push(rule);
        }
    }

    /// Send a message through the faults. What comes out, with how long each copy still has to wait, is
    /// added to `passed`; nothing is added when it was dropped or is held back. What has waited for it is free
    /// then, and is to be released. Returns the last fault that dropped it, or a copy of it.
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
        let mut outcome = RuleOutcome::default();
        for rule in &mut self.rules[first_rule..] {
            if rule.gate.is_none_or(|gate| self.outages[gate].until.is_some()) {
                rule.apply(direction, now, first, passed, ledger, &mut outcome);
            }
        }
        self.notices.append(&mut outcome.notices);
        // While one of its copies waits, a message is not gone.
        outcome.dropped_by.filter(|_| !outcome.held)
    }

    /// What components have said since this was last asked.
    pub fn drain_notices(&mut self) -> impl Iterator<Item = DeviceNotice> {
        self.notices.drain(..)
    }

    /// Whether a message that was held back has been overtaken.
    pub fn has_releasable(&self) -> bool {
        self.rules.iter().any(|rule| rule.waiting.has_releasable())
    }

    /// Let a message go on that has been overtaken, or whose time is up; call it again until there is none.
    pub fn release(
        &mut self,
        now: Time,
        ledger: &mut Ledger,
        passed: &mut Vec<(Message, Duration)>,
    ) -> Option<Released> {
        let take = |(at, rule): (usize, &mut Rule)| Some((at, rule.waiting.take_due(now)?));
        let (at, held) = self.rules.iter_mut().enumerate().find_map(take)?;
        let (direction, message, first) = (held.direction, held.message, passed.len());
        passed.push((message.clone(), held.delay));
        let dropped_by = self.judge_from(at + 1, direction, now, first, ledger, passed);
        Some(Released { direction, message, dropped_by })
    }

    /// The faults whose outages are under way, in the document's order.
    pub(crate) fn active_outages(&self) -> Vec<Arc<Fault>> {
        let active_outages = self.outages.iter().filter(|outage| outage.until.is_some());
        active_outages.map(|outage| Arc::clone(&outage.fault)).collect()
    }

    /// Let all go that is held back, past the faults that it has not met.
    pub fn release_all(&mut self) -> impl Iterator<Item = (Direction, Message)> + use<> {
        let held: Vec<_> = self.rules.iter_mut().flat_map(|rule| rule.waiting.take()).collect();
        held.into_iter().map(|held| (held.direction, held.message))
    }

    /// How many messages are held back on one way.
    pub fn held(&self, direction: Direction) -> usize {
        self.rules.iter().map(|rule| rule.waiting.count(direction)).sum()
    }

    /// When a message that is held back goes on.
    pub fn next_release(&self) -> Option<Time> {
        self.rules.iter().filter_map(|rule| rule.waiting.next_due()).min()
    }

    /// When an outage next may begin or end.
    pub fn next_deadline(&self) -> Option<Time> {
        self.outages.iter().filter_map(Outage::next_deadline).min()
    }

    /// Begin or end what is due, one at a time; call it again until there is none.
    pub fn advance(&mut self, now: Time, ledger: &mut Ledger) -> Option<OutageTransition> {
        self.outages.iter_mut().find_map(|outage| {
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
        })
    }

    /// End a hang, as a restart does; call it again until there is none.
    pub fn end_hang(&mut self, now: Time) -> Option<OutageTransition> {
        let hangs = |outage: &&mut Outage| matches!(outage.fault.model, Model::Hang(_));
        let hang = self.outages.iter_mut().filter(hangs).find_map(|outage| {
            let ended = outage.end_early(now);
            ended.then(|| Arc::clone(&outage.fault))
        });
        hang.map(OutageTransition::Ended)
    }

    /// What holds the device now and can be noticed on it, in the document's order.
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

    /// What the device's line does with bytes now.
    pub(crate) fn link_conditions(&self) -> LinkConditions {
        let mut link_conditions = LinkConditions::default();
        self.throttles.iter().for_each(|throttle| link_conditions.throttle(throttle));
        for outage in self.outages.iter().filter(|outage| outage.until.is_some()) {
            match &outage.fault.model {
                Model::Stall(stall) => link_conditions.stall(stall),
                Model::Throttle(throttle) => link_conditions.throttle(throttle),
                _ => {}
            }
        }
        link_conditions
    }

    /// The fault that keeps the device from sending and hearing anything, if one does.
    pub fn silence(&self) -> Option<&FaultId> {
        self.holding(Model::silences)
    }

    /// Whether the behaviour stands still.
    pub fn hangs(&self) -> bool {
        self.holding(|model| matches!(model, Model::Hang(_))).is_some()
    }

    fn holding(&self, is: impl Fn(&Model) -> bool) -> Option<&FaultId> {
        let holds = |outage: &&Outage| outage.until.is_some() && is(&outage.fault.model);
        self.outages.iter().find(holds).map(|outage| &outage.fault.id)
    }
}

fn take<T>(things: &mut Vec<T>, is: impl FnMut(&T) -> bool) -> Option<T> {
    let at = things.iter().position(is)?;
    Some(things.remove(at))
}
