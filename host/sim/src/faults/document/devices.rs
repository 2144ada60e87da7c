//! The device plane and the broker, from what is written.

use std::time::Duration;

use super::FaultEntry;
use super::checks::{Problem, amount, positive, within};
use crate::faults::battery::Battery;
use crate::faults::broker::{BrokerFault, Failure};
use crate::faults::clock::Clock;
use crate::faults::outage::{Recurrence, Repeats};
use crate::faults::span::Span;

/// How long a device runs between two crashes in a row, unless told.
const DEFAULT_UPTIME: Span = Span(Duration::from_secs(5));

/// A clock that loses this much stands still.
const MAX_PPM: f64 = 1e6;

impl FaultEntry {
    pub(super) fn recurrence(&self) -> Result<Recurrence, Problem> {
        Ok(Recurrence {
            every: self.required_period("every", self.every)?,
            probability: self.required_probability()?,
            lasting: self.required_period("for", self.lasting)?,
            together: self.together.unwrap_or(false),
        })
    }

    /// The broker is nobody's in particular.
    pub(super) fn broker_fault(&self, failure: Failure) -> Result<BrokerFault, Problem> {
        let aims = [("group", self.group.is_some()), ("device", self.device.is_some())];
        if let Some((field, _)) = aims.into_iter().find(|(_, given)| *given) {
            return Err((field, "the broker serves all devices; leave it out".to_owned()));
        }
        Ok(BrokerFault { failure, recurrence: Recurrence { together: true, ..self.recurrence()? } })
    }

    pub(super) fn repeats(&self) -> Result<Repeats, Problem> {
        let times = within("times", self.times.unwrap_or(1), 1, 1_000)?;
        if times == 1 && self.uptime.is_some() {
            return Err(("uptime", "there is no second crash to wait for; give `times` as well".to_owned()));
        }
        let apart = self.required_period("uptime", Some(self.uptime.unwrap_or(DEFAULT_UPTIME)))?;
        Ok(Repeats { times, apart })
    }

    pub(super) fn clock(&self) -> Result<Clock, Problem> {
        let drift_ppm = self.drift_ppm.unwrap_or(0.0);
        let drift_spread_ppm = self.drift_spread_ppm.unwrap_or(0.0);
        let clock = Clock {
            offset: self.offset.unwrap_or_default().as_nanos(),
            offset_spread: self.offset_spread.unwrap_or_default().0,
            drift_ppm: within("drift_ppm", drift_ppm, -MAX_PPM, MAX_PPM)?,
            drift_spread_ppm: within("drift_spread_ppm", drift_spread_ppm, 0.0, MAX_PPM)?,
        };
        match clock == Clock::default() {
            true => Err(("offset", "this clock is right; say by how much it is not".to_owned())),
            false => Ok(clock),
        }
    }

    pub(super) fn battery(&self) -> Result<Battery, Problem> {
        let capacity = self.require("capacity_joules", self.capacity_joules)?;
        let recharge = self.recharge.map(|span| self.required_period("recharge", Some(span)));
        Ok(Battery {
            capacity_joules: positive("capacity_joules", capacity)?,
            idle_watts: amount("idle_watts", self.idle_watts)?,
            send_joules: amount("send_joules", self.send_joules)?,
            send_joules_per_byte: amount("send_joules_per_byte", self.send_joules_per_byte)?,
            receive_joules: amount("receive_joules", self.receive_joules)?,
            receive_joules_per_byte: amount("receive_joules_per_byte", self.receive_joules_per_byte)?,
            event_joules: amount("event_joules", self.event_joules)?,
            recharge: recharge.transpose()?,
        })
    }
}
