//! Distributions of delays.

use std::time::Duration;

use wasmote_mqtt::time::nanos;

use super::gaussian::{cumulative, quantile};
use crate::digest::{Digest, Encode};

/// The distribution of a delay.
#[derive(Clone, Debug, PartialEq)]
pub enum Distribution {
    /// Constant.
    Constant(Duration),
    /// Uniform between two bounds, inclusive.
    Uniform {
        /// Shortest delay.
        min: Duration,
        /// Longest delay.
        max: Duration,
    },
    /// Normal, truncated to non-negative values. If the mean is only a few deviations above zero, the
    /// truncated distribution has a larger mean and a smaller deviation than these.
    Normal {
        /// Mean before truncation.
        mean: Duration,
        /// Standard deviation before truncation; more than zero.
        std: Duration,
    },
    /// Log-normal.
    LogNormal {
        /// Median: half of the delays are shorter.
        median: Duration,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
    /// The probability of a delay of more than `x` is `(min / x)^shape`. The mean is infinite for a shape of
    /// 1 or less, the variance for 2 or less.
    Pareto {
        /// Shortest delay, the scale.
        min: Duration,
        /// Exponent; more than zero. A larger one gives a thinner tail.
        shape: f64,
    },
}

impl Distribution {
    /// The log-normal distribution whose values (not their logarithms) have this mean, more than zero, and
    /// this standard deviation.
    pub fn log_normal(mean: Duration, std: Duration) -> Self {
        let mean = nanos(mean) as f64;
        let relative = nanos(std) as f64 / mean;
        let spread = 1.0 + relative * relative;
        Self::LogNormal { median: span(mean / spread.sqrt()), sigma: libm::log(spread).sqrt() }
    }

    /// Quantile of the distribution at the rank of `gaussian` in the standard normal distribution.
    pub fn at(&self, gaussian: f64) -> Duration {
        match self {
            Self::Constant(value) => *value,
            Self::Uniform { min, max } => {
                let width = nanos(max.saturating_sub(*min)) as f64;
                span(nanos(*min) as f64 + width * cumulative(gaussian))
            }
            Self::Normal { mean, std } => {
                let (mean, std) = (nanos(*mean) as f64, nanos(*std) as f64);
                let above_zero = cumulative(mean / std);
                span(mean - std * quantile(above_zero * cumulative(-gaussian)))
            }
            Self::LogNormal { median, sigma } => span(nanos(*median) as f64 * libm::exp(sigma * gaussian)),
            Self::Pareto { min, shape } => {
                span(nanos(*min) as f64 * libm::exp(-libm::log(cumulative(-gaussian)) / shape))
            }
        }
    }
}

impl Encode for Distribution {
    fn encode(&self, into: &mut Digest) {
        match self {
            Self::Constant(span) => into.write_variant(1, &[span]),
            Self::Uniform { min, max } => into.write_variant(2, &[min, max]),
            Self::Normal { mean, std } => into.write_variant(3, &[mean, std]),
            Self::LogNormal { median, sigma } => into.write_variant(4, &[median, sigma]),
            Self::Pareto { min, shape } => into.write_variant(5, &[min, shape]),
        }
    }
}

/// Rounds to a nanosecond. Negative values become zero; the rest saturates.
fn span(nanos: f64) -> Duration {
    Duration::from_nanos((nanos + 0.5) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantile in milliseconds.
    fn at(distribution: &Distribution, share: f64) -> f64 {
        distribution.at(quantile(share)).as_secs_f64() * 1e3
    }

    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-5 * expected, "{found} is not {expected}");
    }

    #[test]
    fn quantiles_are_those_of_the_textbook() {
        let millis = Duration::from_millis;
        let pareto = Distribution::Pareto { min: millis(10), shape: 2.0 };
        assert_near(at(&pareto, 0.75), 20.0);
        assert_near(at(&pareto, 0.9999), 1_000.0);
        let uniform = Distribution::Uniform { min: millis(10), max: millis(20) };
        assert_near(at(&uniform, 0.3), 13.0);
        let normal = Distribution::Normal { mean: millis(100), std: millis(10) };
        assert_near(at(&normal, 0.975), 119.599_64);
        // A normal distribution around zero keeps its upper half: the quartiles are those at 5/8 and 7/8.
        let half = Distribution::Normal { mean: Duration::ZERO, std: millis(10) };
        assert_near(at(&half, 0.25), 3.186_394);
        assert_near(at(&half, 0.75), 11.503_494);
        // Mean 100 and deviation 100 give a median of 100 / sqrt 2 and a sigma of sqrt(ln 2).
        let log_normal = Distribution::log_normal(millis(100), millis(100));
        assert_near(at(&log_normal, 0.5), 70.710_678);
        assert_near(at(&log_normal, 0.841_344_746), 162.576_9);
    }

    #[test]
    fn an_unbounded_tail_does_not_overflow() {
        let wild = Distribution::Pareto { min: Duration::from_secs(1), shape: 1e-3 };
        assert_eq!(wild.at(8.0), Duration::from_nanos(u64::MAX));
        let normal = Distribution::Normal { mean: Duration::from_secs(1), std: Duration::from_nanos(1) };
        assert!(normal.at(-40.0) <= Duration::from_secs(1) && normal.at(40.0) >= Duration::from_secs(1));
    }
}
