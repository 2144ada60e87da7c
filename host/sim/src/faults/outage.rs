//! What comes over a device, or over a link, for a while: begun by a trial, ended by the clock.
//!
//! A trial is held once every period and begins the outage with a chance. Its outcome follows from the
//! seed, the fault and the trial's number alone and needs no state, so a device that joins late, or a
//! fault that is added in mid-run, falls in step. Each device's trials are shifted by a part of the
//! period, so that a fleet does not fail in one instant. Some outages are drawn once for all devices
//! instead: those that strike together, and partitions, as both sides have to agree on when one holds.

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
    /// How long it lasts. Trials during that time do not count. Zero for what strikes and is over.
    pub lasting: Duration,
    /// Whether it strikes all devices at once that the fault is for.
    pub together: bool,
}

/// An outage that comes several times in a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Rounds {
    /// How often, for one trial that hits; at least 1.
    pub times: u32,
    /// How long it is over in between.
    pub apart: Duration,
}

/// What struck and is over is made up for if it is not longer ago than this: a driver may be late.
const LATE: Duration = Duration::from_secs(1);

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
    rounds_left: u32,
    next_round: Option<Time>,
}

impl Outage {
    pub(super) fn new(
        fault: Arc<Fault>,
        trials: &Trials,
        identity: &Identity,
        seed: Seed,
        now: Time,
    ) -> Self {
        let partition = matches!(fault.model, Model::Partition(_));
        let shared = partition || trials.together;
        let drawn_for = if shared { DeviceId::whole_fleet() } else { identity.id.clone() };
        let phase = match partition {
            true => 0,
            false => phase(&fault, trials, &drawn_for, seed),
        };
        Self::drawn(fault, trials, drawn_for, seed, phase, now)
    }

    /// One fault's trials for all, and for nobody in particular.
    pub(super) fn of_all(fault: Arc<Fault>, trials: &Trials, seed: Seed, now: Time) -> Self {
        let all = DeviceId::whole_fleet();
        let phase = phase(&fault, trials, &all, seed);
        Self::drawn(fault, trials, all, seed, phase, now)
    }

    fn drawn(
        fault: Arc<Fault>,
        trials: &Trials,
        drawn_for: DeviceId,
        seed: Seed,
        phase: u64,
        now: Time,
    ) -> Self {
        let mut outage = Self {
            fault,
            drawn_for,
            seed,
            phase,
            next_trial: 1,
            until: None,
            rounds_left: 0,
            next_round: None,
        };
        outage.skip_to(trials, now);
        outage
    }

    /// Go on where the one before was. Trials that are held at other times, or for others, begin anew.
    pub(super) fn go_on_from(&mut self, before: &Self) {
        self.until = before.until;
        self.rounds_left = before.rounds_left;
        self.next_round = before.next_round;
        let times = |outage: &Self| outage.fault.model.trials().map(|trials| (trials.every, trials.together));
        if times(self) == times(before) {
            self.next_trial = before.next_trial;
        }
    }

    fn trial_at(&self, trials: &Trials) -> Time {
        let period = nanos(trials.every);
        Time::from_nanos((self.next_trial - 1).saturating_mul(period).saturating_add(period - self.phase))
    }

    fn skip_to(&mut self, trials: &Trials, now: Time) {
        let elapsed = now.as_nanos().saturating_add(self.phase);
        self.next_trial = self.next_trial.max(elapsed / nanos(trials.every) + 1);
    }

    /// When it may begin next.
    fn next_begin(&self, trials: &Trials) -> Time {
        self.next_round.unwrap_or_else(|| self.trial_at(trials))
    }

    /// When to look again.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.until.or_else(|| Some(self.next_begin(self.fault.model.trials()?)))
    }

    /// Hold the trials that are due, or end what has lasted long enough. Says whether it began or ended.
    pub(super) fn turn(&mut self, now: Time) -> Option<Change> {
        let fault = Arc::clone(&self.fault);
        let trials = fault.model.trials()?;
        if let Some(until) = self.until {
            if until > now {
                return None;
            }
            self.end(trials, until);
            return Some(Change::Ended);
        }
        if trials.lasting.is_zero() {
            return self.strike(trials, now);
        }
        if fault.model.rounds().is_none() {
            // Outages that would be over by now had no witness: a device that was off is not held up by them.
            self.skip_to(trials, now - trials.lasting);
        }
        loop {
            let began = self.next_begin(trials);
            if began > now {
                return None;
            }
            let hit = self.next_round.take().is_some() || self.hold_trial(trials);
            let until = began + trials.lasting;
            if hit && until > now {
                self.until = Some(until);
                return Some(Change::Began(until));
            }
            if hit {
                self.plan_round(until);
            }
        }
    }

    /// Hold the trials that are due of what strikes and is over.
    fn strike(&mut self, trials: &Trials, now: Time) -> Option<Change> {
        self.skip_to(trials, now - LATE);
        while self.trial_at(trials) <= now {
            if self.hold_trial(trials) {
                return Some(Change::Struck);
            }
        }
        None
    }

    fn hold_trial(&mut self, trials: &Trials) -> bool {
        let purpose = format!("fault/{}/trial/{}", self.fault.id, self.next_trial);
        let hit = self.seed.stream(&self.drawn_for, &purpose).chance(trials.probability);
        self.next_trial += 1;
        self.rounds_left = self.fault.model.rounds().map_or(0, |rounds| rounds.times - 1);
        hit
    }

    fn end(&mut self, trials: &Trials, at: Time) {
        self.until = None;
        self.plan_round(at);
        if self.next_round.is_none() {
            self.skip_to(trials, at);
        }
    }

    fn plan_round(&mut self, ended: Time) {
        if let (Some(rounds), Some(left)) = (self.fault.model.rounds(), self.rounds_left.checked_sub(1)) {
            self.rounds_left = left;
            self.next_round = Some(ended + rounds.apart);
        }
    }

    /// End it before its time, if it holds.
    pub(super) fn cut_short(&mut self, now: Time) -> bool {
        let fault = Arc::clone(&self.fault);
        match fault.model.trials().filter(|_| self.until.is_some()) {
            None => false,
            Some(trials) => {
                self.end(trials, now);
                true
            }
        }
    }
}

/// By how many nanoseconds trials are shifted.
fn phase(fault: &Fault, trials: &Trials, drawn_for: &DeviceId, seed: Seed) -> u64 {
    seed.stream(drawn_for, &format!("fault/{}/phase", fault.id)).below(nanos(trials.every))
}

/// What became of an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Began(Time),
    Struck,
    Ended,
}
