//! What happens to the broker, and so to all devices at once.
//!
//! These are faults of no device. One state machine for the whole fleet holds their trials and says when they
//! begin and end; whoever turns the broker obeys it: virtual time here, the embedded broker in live runs.
//! A broker elsewhere is beyond its reach.

use std::sync::Arc;
use std::time::Duration;

use super::outage::{Outage, Recurrence, Transition};
use super::{Fault, FaultId, Model};
use crate::rng::Seed;
use wasmote_mqtt::time::Time;

/// A fault of the broker.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerFault {
    /// What happens.
    pub failure: Failure,
    /// When it does.
    pub recurrence: Recurrence,
}

/// How a broker fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Its process stands still: it takes nothing and sends nothing, connections stay open, and what was due
    /// is late.
    Pause,
    /// Its process ends and another begins after a while. Until then connections are refused.
    Restart {
        /// Whether sessions, subscriptions, retained messages and what waits are still there then, as
        /// with a broker that writes them down.
        persistent: bool,
    },
}

impl Failure {
    /// The kind's name in a document.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Pause => "broker_pause",
            Self::Restart { .. } => "broker_restart",
        }
    }
}

/// How the broker is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// As it should be.
    #[default]
    Up,
    /// It stands still.
    Paused,
    /// It is not there.
    Down,
}

/// A failure that began or ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerTransition {
    /// In whose name.
    pub fault: FaultId,
    /// Which.
    pub failure: Failure,
    /// Until when it holds; `None` if it is over.
    pub until: Option<Time>,
}

/// All faults of one broker, with when they hold.
#[derive(Debug, Default)]
pub struct BrokerFaults {
    outages: Vec<Outage>,
    /// Those that somebody began by hand.
    manual: Vec<(FaultId, Failure, Time)>,
}

impl BrokerFaults {
    /// The part of a document that concerns the broker, from now on. One of the same id and kind as before
    /// goes on where that was. Returns what is over with the others.
    pub fn change(&mut self, faults: &[Arc<Fault>], seed: Seed, now: Time) -> Vec<BrokerTransition> {
        let mut before = std::mem::take(&mut self.outages);
        for fault in faults {
            let Model::Broker(BrokerFault { recurrence, .. }) = &fault.model else { continue };
            let mut outage = Outage::for_fleet(Arc::clone(fault), recurrence, seed, now);
            if let Some(same) = before.iter().position(|other| other.fault.is_same(fault)) {
                outage.inherit_state(&before.remove(same));
            }
            self.outages.push(outage);
        }
        let over = before.into_iter().filter(|outage| outage.until.is_some());
        over.filter_map(|outage| transition(&outage.fault, None)).collect()
    }

    /// Begin a failure by hand.
    pub fn begin(
        &mut self,
        fault: FaultId,
        failure: Failure,
        lasting: Duration,
        now: Time,
    ) -> BrokerTransition {
        let until = now + lasting;
        self.manual.push((fault.clone(), failure, until));
        BrokerTransition { fault, failure, until: Some(until) }
    }

    /// When something next may begin or end.
    pub fn next_deadline(&self) -> Option<Time> {
        let drawn = self.outages.iter().filter_map(Outage::next_deadline);
        drawn.chain(self.manual.iter().map(|(.., until)| *until)).min()
    }

    /// Begin or end what is due, one at a time; call it again until there is none.
    pub fn advance(&mut self, now: Time) -> Option<BrokerTransition> {
        if let Some(over) = self.manual.iter().position(|(.., until)| *until <= now) {
            let (fault, failure, _) = self.manual.remove(over);
            return Some(BrokerTransition { fault, failure, until: None });
        }
        self.outages.iter_mut().find_map(|outage| match outage.advance(now)? {
            Transition::Began(until) => transition(&outage.fault, Some(until)),
            Transition::Ended | Transition::Occurred => transition(&outage.fault, None),
        })
    }

    /// How the broker is now. A broker that is not there does not stand still.
    pub fn condition(&self) -> Condition {
        let drawn = self.outages.iter().filter(|outage| outage.until.is_some());
        let drawn = drawn.filter_map(|outage| failure(&outage.fault));
        let manual = self.manual.iter().map(|(_, failure, _)| *failure);
        drawn.chain(manual).fold(Condition::Up, |condition, failure| match (condition, failure) {
            (Condition::Down, _) | (_, Failure::Restart { .. }) => Condition::Down,
            (_, Failure::Pause) => Condition::Paused,
        })
    }
}

fn failure(fault: &Fault) -> Option<Failure> {
    match &fault.model {
        Model::Broker(BrokerFault { failure, .. }) => Some(*failure),
        _ => None,
    }
}

fn transition(fault: &Fault, until: Option<Time>) -> Option<BrokerTransition> {
    Some(BrokerTransition { fault: fault.id.clone(), failure: failure(fault)?, until })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::document::{FaultDocument, FaultEntry, Kind};
    use crate::faults::span::Span;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn document(entries: Vec<FaultEntry>) -> Vec<Arc<Fault>> {
        FaultDocument { faults: entries }.faults().unwrap()
    }

    fn pause() -> FaultEntry {
        FaultEntry {
            kind: Kind::BrokerPause,
            every: Some(Span(seconds(60))),
            probability: Some(1.0),
            lasting: Some(Span(seconds(5))),
            ..FaultEntry::default()
        }
    }

    #[test]
    fn a_failure_that_is_drawn_holds_for_its_time_and_again() {
        let mut faults = BrokerFaults::default();
        faults.change(&document(vec![pause()]), Seed::new(1), Time::ZERO);
        let mut held = Vec::new();
        for _ in 0..4 {
            let due = faults.next_deadline().unwrap();
            let transition = faults.advance(due).unwrap();
            assert_eq!(faults.condition() == Condition::Paused, transition.until.is_some());
            held.push(due);
        }
        assert_eq!(held[1].since(held[0]), seconds(5));
        assert_eq!(held[2].since(held[0]), seconds(60));
    }

    #[test]
    fn a_broker_that_is_not_there_does_not_stand_still() {
        let mut faults = BrokerFaults::default();
        faults.begin("a".into(), Failure::Pause, seconds(10), Time::ZERO);
        assert_eq!(faults.condition(), Condition::Paused);
        faults.begin("b".into(), Failure::Restart { persistent: true }, seconds(5), Time::ZERO);
        assert_eq!(faults.condition(), Condition::Down);
        assert_eq!(faults.next_deadline(), Some(Time::ZERO + seconds(5)));
        assert_eq!(faults.advance(Time::ZERO + seconds(5)).unwrap().fault, "b".into());
        assert_eq!(faults.condition(), Condition::Paused);
    }

    #[test]
    fn other_faults_leave_one_of_the_same_name_as_it_is() {
        let mut faults = BrokerFaults::default();
        faults.change(&document(vec![pause()]), Seed::new(1), Time::ZERO);
        let began = faults.next_deadline().unwrap();
        faults.advance(began).unwrap();
        assert!(faults.change(&document(vec![pause()]), Seed::new(1), began).is_empty());
        assert_eq!(faults.next_deadline(), Some(began + seconds(5)));
        let over = faults.change(&[], Seed::new(1), began);
        assert_eq!(
            over,
            [BrokerTransition { fault: "broker_pause".into(), failure: Failure::Pause, until: None }]
        );
        assert_eq!(faults.condition(), Condition::Up);
    }
}
