//! How much rain takes from a signal, over time.
//!
//! The attenuation in decibels is lognormal, and the normal number behind it wanders: a stationary Gaussian
//! process that forgets what it was with the time constant `memory` (T. Maseng and P. Bakken, "A Stochastic
//! Dynamic Model of Rain Attenuation", IEEE Transactions on Communications 29, 1981). Between two looks at it any
//! time may pass, and what it does in between follows exactly from that.

use std::time::Duration;
use wasmote_sdk::fault::Link;

/// The sky over one link.
pub struct RainAttenuation {
    /// Half of the time rain takes less than this.
    median_db: f64,
    /// Standard deviation of the attenuation's logarithm.
    spread: f64,
    /// How long it takes the weather to forget.
    memory: Duration,
    /// When somebody last looked, and the number behind the attenuation then.
    last: Option<(Duration, f64)>,
}

impl RainAttenuation {
    pub fn configure(link: &Link) -> Result<Self, String> {
        let config = link.config();
        Ok(RainAttenuation {
            median_db: config.number("median_db", 1.0, 0.0..=1_000.0)?,
            spread: config.number("spread", 1.2, 0.0..=10.0)?,
            memory: config.duration("memory", Duration::from_secs(300), Duration::from_millis(1)..)?,
            last: None,
        })
    }

    /// Another climate from now on; the weather of this moment stays.
    pub fn set_parameters(&mut self, new: RainAttenuation) {
        *self = RainAttenuation { last: self.last, ..new };
    }

    /// Decibels that rain takes at this time, which is not before the last one.
    pub fn attenuation_db(&mut self, now: Duration, link: &mut Link) -> f64 {
        let fresh = link.normal();
        let state = match self.last {
            None => fresh,
            Some((then, before)) => {
                let passed = now.saturating_sub(then).as_secs_f64();
                let kept = (-passed / self.memory.as_secs_f64()).exp();
                before * kept + fresh * (1.0 - kept * kept).sqrt()
            }
        };
        self.last = Some((now, state));
        self.median_db * (self.spread * state).exp()
    }
}
