//! A distribution in fixed buckets: small, mergeable, and the same everywhere.

/// Upper bounds of the buckets: 1, 2 and 5 times the powers of ten from a tenth of a millisecond to a
/// thousand. They suit seconds as well as counts of hops, and equal bounds merge over a fleet.
pub const BOUNDS: [f64; 22] = [
    1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0,
    100.0, 200.0, 500.0, 1000.0,
];

/// Counts of observations by bucket; the last one is for what is above all bounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    buckets: [u64; BOUNDS.len() + 1],
    sum: f64,
}

impl Histogram {
    /// Enter one observation.
    pub fn observe(&mut self, value: f64) {
        self.buckets[BOUNDS.partition_point(|&bound| bound < value)] += 1;
        self.sum += value;
    }

    /// How many observations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Their sum.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Their mean, if there are any.
    pub fn mean(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.sum / count as f64)
    }

    /// Bounds with the number of observations at or below them; infinity last.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        bounds.zip(self.buckets.iter().scan(0, |total, bucket| {
            *total += bucket;
            Some(*total)
        }))
    }

    /// Add another's observations.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.sum += other.sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket_and_merging_adds() {
        let mut left = Histogram::default();
        left.observe(0.5);
        left.observe(0.500_001);
        let mut right = Histogram::default();
        right.observe(5_000.0);
        left.merge(&right);
        let at = |bound| left.cumulative().find(|&(b, _)| b == bound).unwrap().1;
        assert_eq!((at(0.2), at(0.5), at(1.0), at(f64::INFINITY)), (0, 1, 2, 3));
        assert_eq!(left.count(), 3);
    }
}
