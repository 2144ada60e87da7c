//! What comes over a device, or over a link, for a while: begun by a trial, ended by the clock.
//!
//! A trial is held once every period and begins the outage with a chance. Its outcome follows from the
//! seed, the fault and the trial's number alone and needs no state, so a device that joins late, or a
//! fault that is added in mid-run, falls in step. Each device's trials are shifted by a part of the
//! period, so that a fleet does not fail in one instant; a partition's are not, as both sides have to
//! agree on when it holds.

use std::sync::Arc;
use std::time::Duration;

use super::{Fault, Model};
use crate::device_id::{DeviceId, Identity};
use crate::rng::Seed;
use crate::time::{Time, nanos};

/// When an outage begins and how long it lasts.
#[derive(Clone, Debug, PartialEq)]
pub struct Trials {
    /// Time between two trials; more than zero.
    pub every: Duration,
    /// Chance that a trial begins an outage.
    pub probability: f64,
    /// How long it lasts. Trials during that time do not count.
    pub lasting: Duration,
}

/// One fault's trials on one device.
#[derive(Clone, Debug)]
pub(super) struct Outage {
    pub(super) fault: Arc<Fault>,
    drawn_for: DeviceId,
    seed: Seed,
    /// Nanoseconds by which this device's trials are shifted, less than a period.
    phase: u64,
    next_trial: u64,
    pub(super) until: Option<Time>,
}

impl Outage {
    pub(super) fn new(
        fault: Arc<Fault>,
        trials: &Trials,
        identity: &Identity,
        seed: Seed,
        now: Time,
    ) -> Self {
        let shared = matches!(fault.model, Model::Partition(_));
        let drawn_for = if shared { DeviceId::whole_fleet() } else { identity.id.clone() };
        let phase = match shared {
            true => 0,
            false => seed.stream(&drawn_for, &format!("fault/{}/phase", fault.id)).below(nanos(trials.every)),
        };
        let mut outage = Self { fault, drawn_for, seed, phase, next_trial: 1, until: None };
        outage.skip_to(trials, now);
        outage
    }

    fn trial_at(&self, trials: &Trials) -> Time {
        let period = nanos(trials.every);
        Time::from_nanos((self.next_trial - 1).saturating_mul(period).saturating_add(period - self.phase))
    }

    fn skip_to(&mut self, trials: &Trials, now: Time) {
        let elapsed = now.as_nanos().saturating_add(self.phase);
        self.next_trial = self.next_trial.max(elapsed / nanos(trials.every) + 1);
    }

    /// When to look again.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.until.or_else(|| Some(self.trial_at(self.fault.model.trials()?)))
    }

    /// Hold the trials that are due, or end what has lasted long enough. Says whether it began or ended.
    pub(super) fn turn(&mut self, now: Time) -> Option<Change> {
        let fault = Arc::clone(&self.fault);
        let trials = fault.model.trials()?;
        if let Some(until) = self.until {
            if until > now {
                return None;
            }
            self.until = None;
            self.skip_to(trials, until);
            return Some(Change::Ended);
        }
        while self.trial_at(trials) <= now {
            let began = self.trial_at(trials);
            let purpose = format!("fault/{}/trial/{}", fault.id, self.next_trial);
            let hit = self.seed.stream(&self.drawn_for, &purpose).chance(trials.probability);
            self.next_trial += 1;
            let until = began + trials.lasting;
            if hit && until > now {
                self.until = Some(until);
                return Some(Change::Began(until));
            }
        }
        None
    }
}

/// What became of an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Began(Time),
    Ended,
}
