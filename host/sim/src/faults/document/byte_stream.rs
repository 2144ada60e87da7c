//! The byte stream below MQTT, from what is written.

use std::num::NonZeroU64;
use std::time::Duration;

use super::FaultEntry;
use super::checks::{Problem, within};
use crate::faults::Directions;
use crate::faults::byte_stream::{DEFAULT_BUFFER_BYTES, HalfOpen, Stall, Throttle, ThrottleRate};
use crate::faults::outage::Recurrence;

impl FaultEntry {
    pub(super) fn stall(&self) -> Result<Stall, Problem> {
        Ok(Stall { direction: self.direction.unwrap_or(Directions::Both), recurrence: self.recurrence()? })
    }

    pub(super) fn half_open(&self) -> Result<HalfOpen, Problem> {
        Ok(HalfOpen {
            direction: self.direction.unwrap_or(Directions::Both),
            recurrence: self.instant_recurrence()?,
        })
    }

    pub(super) fn throttle(&self) -> Result<Throttle, Problem> {
        let rate = self.require("bytes_per_second", self.bytes_per_second)?;
        let bytes_per_second = NonZeroU64::new(rate)
            .ok_or_else(|| ("bytes_per_second", "nothing would ever move; use `stall`".to_owned()))?;
        let buffer_bytes =
            within("buffer_bytes", self.buffer_bytes.unwrap_or(DEFAULT_BUFFER_BYTES), 1, u64::MAX)?;
        let timed = self.every.is_some() || self.lasting.is_some() || self.probability.is_some();
        if self.together.is_some() && !timed {
            return Err((
                "together",
                "it holds all the time; give `every`, `probability` and `for`".to_owned(),
            ));
        }
        Ok(Throttle {
            direction: self.direction.unwrap_or(Directions::Both),
            rate: ThrottleRate { bytes_per_second, buffer_bytes },
            recurrence: if timed { Some(self.recurrence()?) } else { None },
        })
    }

    /// Of what strikes and is over.
    pub(super) fn instant_recurrence(&self) -> Result<Recurrence, Problem> {
        Ok(Recurrence {
            every: self.required_period("every", self.every)?,
            probability: self.required_probability()?,
            lasting: Duration::ZERO,
            together: self.together.unwrap_or(false),
        })
    }
}
