//! Delay of messages.

pub mod distribution;
mod gaussian;

use std::time::Duration;

use super::{Directions, RuleInput, RuleState, Verdict};
use crate::rng::Stream;
use distribution::Distribution;

/// A delay drawn from a distribution.
///
/// Successive delays of one direction can be correlated: each is the quantile of its distribution at the rank
/// of a Gaussian number, and these numbers follow an autoregressive process of first order (a Gaussian
/// copula, as in Cario and Nelson, "Autoregressive to anything", Operations Research Letters 19, 1996). The
/// distribution of a delay is the same for every correlation; only the order of large and small values
/// changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Delay {
    /// Affected directions.
    pub direction: Directions,
    /// Probability that a message is delayed.
    pub probability: f64,
    /// Distribution of the delay.
    pub distribution: Distribution,
    /// Correlation of successive Gaussian numbers, from 0 to 1.
    pub correlation: f64,
}

impl Delay {
    pub(super) fn judge(&self, input: &mut RuleInput<'_>) -> Verdict {
        if !input.rng.chance(self.probability) {
            return Verdict::Pass;
        }
        Verdict::Delay(match &self.distribution {
            Distribution::Constant(span) => *span,
            // A whole number of nanoseconds, uniform. This needs no Gaussian number.
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

/// A standard Gaussian number, from a single draw.
fn standard_gaussian(draw: &mut Stream) -> f64 {
    // Midpoint of one of 2^52 cells, never 0 or 1, where the quantile is infinite.
    const CELL: f64 = 1.0 / (1_u64 << 52) as f64;
    gaussian::quantile(((draw.next_u64() >> 12) as f64 + 0.5) * CELL)
}
