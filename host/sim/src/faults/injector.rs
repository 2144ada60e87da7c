//! The one place where faults are applied to a device.

use std::sync::Arc;
use std::time::Duration;

use super::outage::{Change, Outage};
use super::partition::Cut;
use super::{ActiveFault, Direction, Fault, FaultId, Model, Passage, Verdict};
use crate::device_id::Identity;
use crate::ledger::Ledger;
use crate::message::Message;
use crate::rng::{Seed, Stream};
use crate::time::Time;

/// The faults of one device, with what they remember.
#[derive(Debug)]
pub struct Injector {
    rules: Vec<Rule>,
    outages: Vec<Outage>,
}

/// A fault of the message plane on one device.
#[derive(Debug)]
struct Rule {
    fault: Arc<Fault>,
    slot: usize,
    judge: Judge,
    /// Position of the outage that says when the rule holds, for a partition that comes and goes.
    gate: Option<usize>,
}

#[derive(Debug)]
enum Judge {
    Draw(Box<Stream>),
    Cut(Cut),
}

/// An outage that began or ended.
#[derive(Clone, Debug)]
pub enum OutageChange {
    /// It holds from now until then.
    Began(Arc<Fault>, Time),
    /// It is over.
    Ended(Arc<Fault>),
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
        let mut injector = Self { rules: Vec::new(), outages: Vec::new() };
        for fault in faults {
            injector.add(fault, identity, seed, now, ledger);
        }
        injector
    }

    fn add(&mut self, fault: &Arc<Fault>, identity: &Identity, seed: Seed, now: Time, ledger: &mut Ledger) {
        let judge = match &fault.model {
            Model::Partition(partition) => match partition.cut_for(&fault.target, identity) {
                Some(cut) => Some(Judge::Cut(cut)),
                None => return,
            },
            _ if !fault.target.includes(identity) => return,
            Model::Silence(_) | Model::Crash(_) | Model::Disconnect(_) => None,
            _ => {
                let stream = seed.stream(&identity.id, &format!("fault/{}", fault.id));
                Some(Judge::Draw(Box::new(stream)))
            }
        };
        let gate = fault.model.trials().map(|trials| {
            self.outages.push(Outage::new(Arc::clone(fault), trials, identity, seed, now));
            self.outages.len() - 1
        });
        let slot = ledger.slot(&fault.id);
        if let Some(judge) = judge {
            self.rules.push(Rule { fault: Arc::clone(fault), slot, judge, gate });
        }
    }

    /// Send a message through the faults. What comes out, with how long each copy still has to wait, is
    /// added to `passed`; nothing is added when it was dropped. Returns the last fault that dropped it, or a
    /// copy of it.
    pub fn judge(
        &mut self,
        direction: Direction,
        message: Message,
        ledger: &mut Ledger,
        passed: &mut Vec<(Message, Duration)>,
    ) -> Option<FaultId> {
        let mut taken_by = None;
        let first = passed.len();
        passed.push((message, Duration::ZERO));
        for rule in &mut self.rules {
            if rule.gate.is_some_and(|gate| self.outages[gate].until.is_none()) {
                continue;
            }
            let mut at = first;
            let before = passed.len();
            for _ in first..before {
                let verdict = rule.judge(direction, &passed[at].0);
                ledger.enter(rule.slot, direction, &verdict);
                match verdict {
                    Verdict::Pass => at += 1,
                    Verdict::Delay(more) => {
                        passed[at].1 += more;
                        at += 1;
                    }
                    Verdict::Drop => {
                        passed.remove(at);
                        taken_by = Some(FaultId::clone(&rule.fault.id));
                    }
                    Verdict::Duplicate(copies) => {
                        let original = passed[at].clone();
                        passed.extend((0..copies).map(|_| original.clone()));
                        at += 1;
                    }
                    Verdict::Corrupt(payload) => {
                        passed[at].0.payload = payload;
                        at += 1;
                    }
                }
            }
        }
        taken_by
    }

    /// When an outage next may begin or end.
    pub fn next_deadline(&self) -> Option<Time> {
        self.outages.iter().filter_map(Outage::next_deadline).min()
    }

    /// Begin or end what is due, one at a time; call it again until there is none.
    pub fn turn(&mut self, now: Time, ledger: &mut Ledger) -> Option<OutageChange> {
        self.outages.iter_mut().find_map(|outage| {
            let fault = Arc::clone(&outage.fault);
            match outage.turn(now)? {
                Change::Ended => Some(OutageChange::Ended(fault)),
                Change::Began(until) => {
                    ledger.outage_began(&fault.id);
                    Some(OutageChange::Began(fault, until))
                }
            }
        })
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

    /// The silence that holds the device, if one does.
    pub fn silence(&self) -> Option<&FaultId> {
        let silent =
            |outage: &&Outage| outage.until.is_some() && matches!(outage.fault.model, Model::Silence(_));
        self.outages.iter().find(silent).map(|outage| &outage.fault.id)
    }
}

impl Rule {
    fn judge(&mut self, direction: Direction, message: &Message) -> Verdict {
        let draw = match &mut self.judge {
            Judge::Draw(draw) => draw,
            Judge::Cut(cut) => return cut.judge(direction, message),
        };
        let mut passage = Passage { message, draw };
        match &self.fault.model {
            Model::Delay(delay) if delay.direction.include(direction) => delay.judge(&mut passage),
            Model::Loss(loss) if loss.direction.include(direction) => loss.judge(&mut passage),
            Model::Duplicate(duplicate) if duplicate.direction.include(direction) => {
                duplicate.judge(&mut passage)
            }
            Model::Corrupt(corrupt) if corrupt.direction.include(direction) => corrupt.judge(&mut passage),
            _ => Verdict::Pass,
        }
    }
}
