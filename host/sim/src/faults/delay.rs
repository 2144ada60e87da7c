//! Messages take their time.

pub mod distribution;
mod gaussian;

use std::time::Duration;

use super::{Directions, RuleInput, RuleState, Verdict};
use crate::rng::Stream;
use distribution::Distribution;

/// A delay drawn from a distribution.
///
/// Successive delays of one way can be alike: each is the value of its distribution at the rank of a
/// Gaussian number, and these numbers follow an autoregressive process of first order (a Gaussian copula,
/// as in Cario and Nelson, "Autoregressive to anything", Operations Research Letters 19, 1996). The
/// distribution of a delay is the same for every correlation; only the order of large and small changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Delay {
    /// Which ways it works.
    pub direction: Directions,
    /// Chance that a message is delayed at all.
    pub probability: f64,
    /// How long.
    pub distribution: Distribution,
    /// Correlation of the Gaussian numbers behind one delay and the next, from 0 to 1.
    pub correlation: f64,
}

impl Delay {
    pub(super) fn judge(&self, input: &mut RuleInput<'_>) -> Verdict {
        if !input.rng.chance(self.probability) {
            return Verdict::Pass;
        }
        Verdict::Delay(match &self.distribution {
            Distribution::Constant(span) => *span,
            // Whole nanoseconds, each as likely as the other: no need to go through a Gaussian number.
            Distribution::Uniform { min, max } if self.correlation == 0.0 => {
                let width = wasmote_mqtt::time::nanos(max.saturating_sub(*min)).saturating_add(1);
                *min + Duration::from_nanos(input.rng.below(width))
            }
            distribution => distribution.at(self.next_gaussian(input)),
        })
    }

    fn next_gaussian(&self, input: &mut RuleInput<'_>) -> f64 {
        let fresh = standard_gaussian(input.rng);
        let gaussian = match input.state {
            RuleState::Gaussian(last) => {
                let rest = (1.0 - self.correlation * self.correlation).sqrt();
                self.correlation * *last + rest * fresh
            }
            _ => fresh,
        };
        *input.state = RuleState::Gaussian(gaussian);
        gaussian
    }
}

/// A number with mean 0 and variance 1. One number is drawn for it.
fn standard_gaussian(draw: &mut Stream) -> f64 {
    // The middle of one of 2^52 cells, so that it is never 0 or 1, where the quantile is infinite.
    const CELL: f64 = 1.0 / (1_u64 << 52) as f64;
    gaussian::quantile(((draw.next_u64() >> 12) as f64 + 0.5) * CELL)
}
