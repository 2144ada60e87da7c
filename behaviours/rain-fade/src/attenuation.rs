//! Rain attenuation over time.
//!
//! The attenuation in decibels is lognormal. Its underlying normal variable is a stationary Gaussian process
//! (Ornstein-Uhlenbeck) with the time constant `memory` (T. Maseng and P. Bakken, "A Stochastic Dynamic Model
//! of Rain Attenuation", IEEE Transactions on Communications 29, 1981). Its transition over any interval is
//! exact, so the model samples it only when a message is judged.

use std::time::Duration;
use wasmote_sdk::fault::Link;

/// Attenuation process of one link.
pub struct RainAttenuation {
    /// Median of the attenuation.
    median_db: f64,
    /// Standard deviation of the attenuation's logarithm.
    spread: f64,
    /// Time constant of the autocorrelation.
    memory: Duration,
    /// Time of the last sample, and the normal variable then.
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

    /// Replaces the parameters and keeps the state of the process.
    pub fn set_parameters(&mut self, new: RainAttenuation) {
        *self = RainAttenuation { last: self.last, ..new };
    }

    /// Attenuation at this time, which is not before the last sample.
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
