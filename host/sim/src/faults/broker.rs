//! Faults of the broker, which affect all devices at once.
//!
//! One state machine for the whole fleet runs the trials of these faults and reports when they begin and end.
//! Its driver applies them to the broker: virtual time, or the embedded broker of live runs. An external
//! broker is not affected.

use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::time::Time;

use super::by_id::ById;
use super::outage::{Outage, Transition};
use super::{Fault, FaultId, Kind};
use crate::digest::{Digest, Encode};
use crate::rng::Seed;

/// Kind of a broker failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The process is suspended: it neither reads nor sends, connections stay open, and due work is late.
    Pause,
    /// The process ends and another starts after a while. Until then connections are refused.
    Restart {
        /// Whether sessions, subscriptions, retained messages and queued messages survive, as in a broker
        /// with persistence.
        persistent: bool,
    },
}

impl Failure {
    /// Name of the kind in a document.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Pause => Kind::BrokerPause.name(),
            Self::Restart { .. } => Kind::BrokerRestart.name(),
        }
    }
}

impl Encode for Failure {
    fn encode(&self, into: &mut Digest) {
        match self {
            Self::Pause => into.write_word(1),
            Self::Restart { persistent } => into.write_variant(2, &[persistent]),
        }
    }
}

/// Condition of the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Running.
    #[default]
    Up,
    /// Suspended.
    Paused,
    /// Not running.
    Down,
}

/// Begin or end of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerTransition {
    /// Id of the fault.
    pub fault: FaultId,
    /// Kind of failure.
    pub failure: Failure,
    /// End of the failure; `None` if it has ended.
    pub until: Option<Time>,
}

/// Faults of one broker with their outages.
#[derive(Debug, Default)]
pub struct BrokerFaults {
    outages: Vec<Outage>,
    /// Failures that were started manually.
    manual: Vec<(FaultId, Failure, Time)>,
    next_deadline: Option<Time>,
    condition: Condition,
}

impl BrokerFaults {
    /// Replaces the faults with the broker faults of a document. A fault with the id and kind of an earlier
    /// one keeps its state. Returns the ends of the removed ones.
    pub fn change(&mut self, faults: &[Arc<Fault>], seed: Seed, now: Time) -> Vec<BrokerTransition> {
        let mut before = ById::new(std::mem::take(&mut self.outages), |outage| &outage.fault);
        for fault in faults {
            let (Some(_), Some(recurrence)) = (fault.model.failure(), fault.model.recurrence()) else {
                continue;
            };
            let mut outage = Outage::for_fleet(Arc::clone(fault), recurrence, seed, now);
            if let Some(same) = before.take(fault) {
                outage.inherit_state(&same);
            }
            self.outages.push(outage);
        }
        self.summarize();
        let over = before.into_rest().into_iter().filter(|outage| outage.until.is_some());
        over.filter_map(|outage| transition(&outage.fault, None)).collect()
    }

    /// Starts a failure manually.
    pub fn begin(
        &mut self,
        fault: FaultId,
        failure: Failure,
        lasting: Duration,
        now: Time,
    ) -> BrokerTransition {
        let until = now + lasting;
        self.manual.push((fault.clone(), failure, until));
        self.summarize();
        BrokerTransition { fault, failure, until: Some(until) }
    }

    /// Time at which a failure may begin or end next.
    pub fn next_deadline(&self) -> Option<Time> {
        self.next_deadline
    }

    /// Computes the facts that are needed for every packet.
    fn summarize(&mut self) {
        let drawn = self.outages.iter().filter_map(Outage::next_deadline);
        self.next_deadline = drawn.chain(self.manual.iter().map(|(.., until)| *until)).min();
        let drawn = self.outages.iter().filter(|outage| outage.until.is_some());
        let drawn = drawn.filter_map(|outage| outage.fault.model.failure());
        let manual = self.manual.iter().map(|(_, failure, _)| *failure);
        self.condition =
            drawn.chain(manual).fold(Condition::Up, |condition, failure| match (condition, failure) {
                (Condition::Down, _) | (_, Failure::Restart { .. }) => Condition::Down,
                (_, Failure::Pause) => Condition::Paused,
            });
    }

    /// Begins or ends one due failure. Call it until it returns `None`.
    pub fn advance(&mut self, now: Time) -> Option<BrokerTransition> {
        if self.next_deadline.is_none_or(|due| due > now) {
            return None;
        }
        let transition = self.advance_one(now);
        self.summarize();
        transition
    }

    fn advance_one(&mut self, now: Time) -> Option<BrokerTransition> {
        if let Some(over) = self.manual.iter().position(|(.., until)| *until <= now) {
            let (fault, failure, _) = self.manual.remove(over);
            return Some(BrokerTransition { fault, failure, until: None });
        }
        self.outages.iter_mut().find_map(|outage| match outage.advance(now)? {
            Transition::Began(until) => transition(&outage.fault, Some(until)),
            Transition::Ended | Transition::Occurred => transition(&outage.fault, None),
        })
    }

    /// Present condition of the broker. `Down` takes precedence over `Paused`.
    pub fn condition(&self) -> Condition {
        self.condition
    }
}

fn transition(fault: &Fault, until: Option<Time>) -> Option<BrokerTransition> {
    Some(BrokerTransition { fault: fault.id.clone(), failure: fault.model.failure()?, until })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::faults::document::{FaultDocument, FaultEntry, fault};

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn document(entries: Vec<FaultEntry>) -> Vec<Arc<Fault>> {
        FaultDocument { faults: entries }.faults().unwrap()
    }

    fn pause() -> FaultEntry {
        fault(json!({"kind": "broker_pause", "every": "60s", "probability": 1.0, "for": "5s"}))
    }

    #[test]
    fn a_drawn_failure_lasts_for_its_time_and_recurs() {
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
    fn down_takes_precedence_over_paused() {
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
    fn a_fault_of_the_same_name_keeps_its_state() {
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
