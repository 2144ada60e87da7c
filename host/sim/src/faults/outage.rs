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
use crate::rng::Seed;
use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::time::{Time, nanos};

/// When an outage begins and how long it lasts.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrence {
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
pub struct Repeats {
    /// How often, for one trial that hits; at least 1.
    pub times: u32,
    /// How long it is over in between.
    pub apart: Duration,
}

/// What struck and is over is made up for if it is not longer ago than this: a driver may be late.
const MAX_LATENESS: Duration = Duration::from_secs(1);

/// One fault's trials on one device.
#[derive(Clone, Debug)]
pub(super) struct Outage {
    pub(super) fault: Arc<Fault>,
    stream_owner: DeviceId,
    seed: Seed,
    /// Nanoseconds by which this device's trials are shifted, less than a period.
    phase: u64,
    next_trial: u64,
    pub(super) until: Option<Time>,
    repeats_left: u32,
    next_repeat: Option<Time>,
}

impl Outage {
    pub(super) fn new(
        fault: Arc<Fault>,
        recurrence: &Recurrence,
        identity: &Identity,
        seed: Seed,
        now: Time,
    ) -> Self {
        let partition = matches!(fault.model, Model::Partition(_));
        let shared = partition || recurrence.together;
        let stream_owner = if shared { DeviceId::whole_fleet() } else { identity.id.clone() };
        let phase = match partition {
            true => 0,
            false => phase(&fault, recurrence, &stream_owner, seed),
        };
        Self::with_phase(fault, recurrence, stream_owner, seed, phase, now)
    }

    /// One fault's trials for all, and for nobody in particular.
    pub(super) fn for_fleet(fault: Arc<Fault>, recurrence: &Recurrence, seed: Seed, now: Time) -> Self {
        let all = DeviceId::whole_fleet();
        let phase = phase(&fault, recurrence, &all, seed);
        Self::with_phase(fault, recurrence, all, seed, phase, now)
    }

    fn with_phase(
        fault: Arc<Fault>,
        recurrence: &Recurrence,
        stream_owner: DeviceId,
        seed: Seed,
        phase: u64,
        now: Time,
    ) -> Self {
        let mut outage = Self {
            fault,
            stream_owner,
            seed,
            phase,
            next_trial: 1,
            until: None,
            repeats_left: 0,
            next_repeat: None,
        };
        outage.skip_to(recurrence, now);
        outage
    }

    /// Go on where the one before was. Trials that are held at other times, or for others, begin anew.
    pub(super) fn inherit_state(&mut self, before: &Self) {
        self.until = before.until;
        self.repeats_left = before.repeats_left;
        self.next_repeat = before.next_repeat;
        let times = |outage: &Self| {
            outage.fault.model.recurrence().map(|recurrence| (recurrence.every, recurrence.together))
        };
        if times(self) == times(before) {
            self.next_trial = before.next_trial;
        }
    }

    fn trial_at(&self, recurrence: &Recurrence) -> Time {
        let period = nanos(recurrence.every);
        Time::from_nanos((self.next_trial - 1).saturating_mul(period).saturating_add(period - self.phase))
    }

    fn skip_to(&mut self, recurrence: &Recurrence, now: Time) {
        let elapsed = now.as_nanos().saturating_add(self.phase);
        self.next_trial = self.next_trial.max(elapsed / nanos(recurrence.every) + 1);
    }

    /// When it may begin next.
    fn next_begin(&self, recurrence: &Recurrence) -> Time {
        self.next_repeat.unwrap_or_else(|| self.trial_at(recurrence))
    }

    /// When to look again.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.until.or_else(|| Some(self.next_begin(self.fault.model.recurrence()?)))
    }

    /// Hold the trials that are due, or end what has lasted long enough. Says whether it began or ended.
    pub(super) fn advance(&mut self, now: Time) -> Option<Transition> {
        let fault = Arc::clone(&self.fault);
        let recurrence = fault.model.recurrence()?;
        if let Some(until) = self.until {
            if until > now {
                return None;
            }
            self.end(recurrence, until);
            return Some(Transition::Ended);
        }
        if recurrence.lasting.is_zero() {
            return self.run_instant_trials(recurrence, now);
        }
        if fault.model.repeats().is_none() {
            // Outages that would be over by now had no witness: a device that was off is not held up by them.
            self.skip_to(recurrence, now - recurrence.lasting);
        }
        loop {
            let began = self.next_begin(recurrence);
            if began > now {
                return None;
            }
            let hit = self.next_repeat.take().is_some() || self.hold_trial(recurrence);
            let until = began + recurrence.lasting;
            if hit && until > now {
                self.until = Some(until);
                return Some(Transition::Began(until));
            }
            if hit {
                self.schedule_repeat(until);
            }
        }
    }

    /// Hold the trials that are due of what strikes and is over.
    fn run_instant_trials(&mut self, recurrence: &Recurrence, now: Time) -> Option<Transition> {
        self.skip_to(recurrence, now - MAX_LATENESS);
        while self.trial_at(recurrence) <= now {
            if self.hold_trial(recurrence) {
                return Some(Transition::Occurred);
            }
        }
        None
    }

    fn hold_trial(&mut self, recurrence: &Recurrence) -> bool {
        let purpose = format!("fault/{}/trial/{}", self.fault.id, self.next_trial);
        let hit = self.seed.stream(&self.stream_owner, &purpose).chance(recurrence.probability);
        self.next_trial += 1;
        self.repeats_left = self.fault.model.repeats().map_or(0, |repeats| repeats.times - 1);
        hit
    }

    fn end(&mut self, recurrence: &Recurrence, at: Time) {
        self.until = None;
        self.schedule_repeat(at);
        if self.next_repeat.is_none() {
            self.skip_to(recurrence, at);
        }
    }

    fn schedule_repeat(&mut self, ended: Time) {
        if let (Some(repeats), Some(left)) = (self.fault.model.repeats(), self.repeats_left.checked_sub(1)) {
            self.repeats_left = left;
            self.next_repeat = Some(ended + repeats.apart);
        }
    }

    /// End it before its time, if it holds.
    pub(super) fn end_early(&mut self, now: Time) -> bool {
        let fault = Arc::clone(&self.fault);
        match fault.model.recurrence().filter(|_| self.until.is_some()) {
            None => false,
            Some(recurrence) => {
                self.end(recurrence, now);
                true
            }
        }
    }
}

/// By how many nanoseconds trials are shifted.
fn phase(fault: &Fault, recurrence: &Recurrence, stream_owner: &DeviceId, seed: Seed) -> u64 {
    seed.stream(stream_owner, &format!("fault/{}/phase", fault.id)).below(nanos(recurrence.every))
}

/// What became of an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    Began(Time),
    Occurred,
    Ended,
}
