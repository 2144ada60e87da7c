//! Outages of devices and links: begun by a random trial, ended by the clock.
//!
//! Once every period, a trial begins the outage with a given probability. Its outcome depends only on the
//! seed, the fault and the number of the trial, without state, so a device that joins late, or a fault that
//! is added during the run, stays in step. The trials of each device are shifted by a part of the period, so
//! that a fleet does not fail at one instant. Simultaneous outages and partitions are drawn once for all
//! devices instead, because both sides must agree on the times.

use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::time::{Time, nanos};

use super::{Fault, Model};
use crate::digest::{Digest, Encode};
use crate::rng::Seed;

/// Recurrence of an outage: the times at which it begins, and its duration.
#[derive(Clone, Debug, PartialEq)]
pub struct Recurrence {
    /// Period of the trials; more than zero.
    pub every: Duration,
    /// Probability that a trial begins an outage.
    pub probability: f64,
    /// Duration. Trials during an outage have no effect. Zero for an instantaneous fault.
    pub lasting: Duration,
    /// Whether all affected devices fail at once.
    pub together: bool,
}

/// Repetition of an outage.
#[derive(Clone, Debug, PartialEq)]
pub struct Repeats {
    /// Number of outages for one successful trial; at least 1.
    pub times: u32,
    /// Time between the end of an outage and the next one.
    pub apart: Duration,
}

impl Encode for Recurrence {
    fn encode(&self, into: &mut Digest) {
        let Self { every, probability, lasting, together } = self;
        into.write_variant(0, &[every, probability, lasting, together]);
    }
}

impl Encode for Repeats {
    fn encode(&self, into: &mut Digest) {
        let Self { times, apart } = self;
        into.write_variant(0, &[times, apart]);
    }
}

/// Instantaneous faults that are older than this are skipped. A driver may be this late.
const MAX_LATENESS: Duration = Duration::from_secs(1);

/// Trials of one fault on one device.
#[derive(Clone, Debug)]
pub(super) struct Outage {
    pub(super) fault: Arc<Fault>,
    stream_owner: DeviceId,
    seed: Seed,
    /// Shift of this device's trials in nanoseconds, less than a period.
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

    /// Trials of one fault that are drawn once for the whole fleet.
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

    /// Takes over the state of an earlier outage, if both have the same trials.
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

    /// Earliest begin of the next outage.
    fn next_begin(&self, recurrence: &Recurrence) -> Time {
        self.next_repeat.unwrap_or_else(|| self.trial_at(recurrence))
    }

    /// Time of the next trial or end.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.until.or_else(|| Some(self.next_begin(self.fault.model.recurrence()?)))
    }

    /// Runs the due trials, or ends the outage. Returns the transition, if any.
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
            // Outages that have already ended are skipped: a device that was off is not delayed by them.
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

    /// Runs the due trials of an instantaneous fault.
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

    /// Ends the outage early. False without an outage.
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

/// Shift of the trials in nanoseconds.
fn phase(fault: &Fault, recurrence: &Recurrence, stream_owner: &DeviceId, seed: Seed) -> u64 {
    seed.stream(stream_owner, &format!("fault/{}/phase", fault.id)).below(nanos(recurrence.every))
}

/// A transition of an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transition {
    Began(Time),
    Occurred,
    Ended,
}
