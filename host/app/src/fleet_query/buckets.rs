//! Distributions from several processes.
//!
//! Means of means and quantiles of quantiles are wrong; counts of equal buckets add up. A quantile is then read
//! from the sums as Prometheus' `histogram_quantile` does.

use serde::{Deserialize, Serialize};
use wasmote_sim::histogram::Histogram;

/// Observations by upper bound.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Buckets {
    /// How many observations.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// How many are at or below each bound; all others are above the last.
    pub buckets: Vec<Bucket>,
}

/// A bound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// The largest value in it.
    pub le: f64,
    /// Observations at or below.
    pub count: u64,
}

/// Distributions that cannot be added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its buckets have other bounds than those of the others, as another version's may")]
pub struct BoundsMismatch;

impl From<&Histogram> for Buckets {
    fn from(histogram: &Histogram) -> Self {
        let finite = histogram.cumulative().filter(|(bound, _)| bound.is_finite());
        let buckets = finite.map(|(le, count)| Bucket { le, count }).collect();
        Self { count: histogram.count(), sum: histogram.sum(), buckets }
    }
}

impl Buckets {
    /// Add another's observations.
    pub fn merge(&mut self, other: &Self) -> Result<(), BoundsMismatch> {
        if self.buckets.is_empty() && self.count == 0 {
            self.buckets = other.buckets.iter().map(|bucket| Bucket { le: bucket.le, count: 0 }).collect();
        }
        let same_bounds =
            self.buckets.iter().map(|bucket| bucket.le).eq(other.buckets.iter().map(|bucket| bucket.le));
        if !same_bounds {
            return if other.count == 0 { Ok(()) } else { Err(BoundsMismatch) };
        }
        for (own, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            own.count = own.count.saturating_add(theirs.count);
        }
        self.count = self.count.saturating_add(other.count);
        self.sum += other.sum;
        Ok(())
    }

    /// Take the observations away that were there before.
    pub fn subtract(&mut self, before: &Self) {
        for (now, before) in self.buckets.iter_mut().zip(&before.buckets) {
            now.count = now.count.saturating_sub(before.count);
        }
        self.count = self.count.saturating_sub(before.count);
        self.sum = (self.sum - before.sum).max(0.0);
    }

    /// Their mean.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// The value that this share of them does not exceed, as far as buckets can tell: within a bucket they count as
    /// spread evenly, and above the last bound that bound is all that is known.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        let rank = share * self.count as f64;
        let (mut lower, mut before) = (0.0, 0);
        for bucket in &self.buckets {
            if bucket.count as f64 >= rank && bucket.count > before {
                let within = (rank - before as f64).max(0.0) / (bucket.count - before) as f64;
                return Some(lower + (bucket.le - lower) * within);
            }
            (lower, before) = (bucket.le, bucket.count);
        }
        self.buckets.last().map(|bucket| bucket.le)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Buckets {
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.observe(*value));
        Buckets::from(&histogram)
    }

    #[test]
    fn merging_equals_one_histogram_of_all() {
        let mut merged = of(&[0.01, 0.3, 3.0]);
        merged.merge(&of(&[0.2, 5_000.0])).unwrap();
        let together = of(&[0.01, 0.3, 3.0, 0.2, 5_000.0]);
        assert_eq!((merged.count, &merged.buckets), (5, &together.buckets));
        assert!((merged.sum - together.sum).abs() < 1e-9);
        let mut none = Buckets::default();
        none.merge(&together).unwrap();
        assert_eq!(none.buckets, together.buckets);
    }

    /// Ten devices with 10 ms and one with 1 s: the mean of their p50s would say about 0.1 s.
    #[test]
    fn a_quantile_is_that_of_the_merged_observations() {
        let mut merged = of(&[1.0; 10]);
        for _ in 0..10 {
            merged.merge(&of(&[0.01; 10])).unwrap();
        }
        let median = merged.quantile(0.5).unwrap();
        assert!((0.005..=0.01).contains(&median), "{median}");
        let high = merged.quantile(0.99).unwrap();
        assert!((0.5..=1.0).contains(&high), "{high}");
        assert_eq!(of(&[5_000.0]).quantile(0.5), Some(1_000.0), "nothing is known above the last bound");
        assert_eq!(Buckets::default().quantile(0.5), None);
    }

    #[test]
    fn earlier_observations_are_subtracted() {
        let mut now = of(&[0.01, 0.3, 3.0]);
        now.subtract(&of(&[0.01]));
        assert_eq!(now.buckets, of(&[0.3, 3.0]).buckets);
        let mean = now.mean().unwrap();
        assert_eq!(now.count, 2);
        assert!((mean - 1.65).abs() < 1e-9, "{mean}");
    }

    #[test]
    fn histograms_with_other_bounds_are_not_merged() {
        let mut own = of(&[0.1]);
        let other = Buckets { count: 1, sum: 1.0, buckets: vec![Bucket { le: 7.0, count: 1 }] };
        assert_eq!(own.merge(&other), Err(BoundsMismatch));
        assert_eq!(own, of(&[0.1]));
    }
}
