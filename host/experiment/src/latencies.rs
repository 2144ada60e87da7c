//! Latency histogram with buckets whose width is proportional to their bounds.

use std::time::Duration;

use wasmote_results::DurationSummary;

/// Buckets for each doubling. A bucket is at most 1/64 of its bound wide, so a quantile is at most 1.6 % too high.
const PER_OCTAVE: u32 = 64;
const BITS: u32 = PER_OCTAVE.ilog2();

/// A histogram of durations. It counts in integers, so that sums do not depend on the order of observations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// Number of the bucket of the first count.
    first: usize,
    counts: Vec<u64>,
    count: u64,
    sum_nanos: u128,
    max_nanos: u64,
}

/// Nanoseconds as seconds.
pub fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

/// Number of the bucket of a duration. Below 64 ns each number has its own bucket; above, the six bits after the
/// leading one select the bucket.
fn bucket(nanos: u64) -> usize {
    let octave = nanos.checked_ilog2().unwrap_or(0);
    match octave.checked_sub(BITS) {
        None => nanos as usize,
        Some(shift) => ((shift + 1) * PER_OCTAVE) as usize + (nanos >> shift) as usize - PER_OCTAVE as usize,
    }
}

/// The largest duration in a bucket, in nanoseconds.
fn upper_bound(bucket: usize) -> u64 {
    let (octave, step) = ((bucket / PER_OCTAVE as usize) as u32, (bucket % PER_OCTAVE as usize) as u64);
    match octave.checked_sub(1) {
        None => step,
        Some(shift) => ((u64::from(PER_OCTAVE) + step) << shift) + ((1 << shift) - 1),
    }
}

impl Latencies {
    /// Adds one observation.
    pub fn observe(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        *self.slot(bucket(nanos)) += 1;
        self.count += 1;
        self.sum_nanos += u128::from(nanos);
        self.max_nanos = self.max_nanos.max(nanos);
    }

    /// Adds the observations of another histogram.
    pub fn merge(&mut self, other: &Self) {
        for (at, count) in other.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            *self.slot(other.first + at) += count;
        }
        self.count += other.count;
        self.sum_nanos += other.sum_nanos;
        self.max_nanos = self.max_nanos.max(other.max_nanos);
    }

    fn slot(&mut self, bucket: usize) -> &mut u64 {
        if self.counts.is_empty() {
            self.first = bucket;
        }
        if bucket < self.first {
            let missing = self.first - bucket;
            self.counts.splice(..0, std::iter::repeat_n(0, missing));
            self.first = bucket;
        }
        let at = bucket - self.first;
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        &mut self.counts[at]
    }

    /// Mean in seconds.
    pub fn mean(&self) -> Option<f64> {
        let mean = |count: u64| self.sum_nanos as f64 / count as f64 / 1e9;
        (self.count > 0).then(|| mean(self.count))
    }

    /// Maximum in seconds.
    pub fn max(&self) -> Option<f64> {
        (self.count > 0).then(|| seconds(self.max_nanos))
    }

    /// Quantile in seconds, such as 0.95 for the 95th percentile (nearest rank, rounded up to the bound of its bucket).
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let rank = ((share * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        self.buckets().find_map(|(bound, count)| {
            seen += count;
            (seen >= rank).then(|| seconds(bound.min(self.max_nanos)))
        })
    }

    /// Upper bounds in nanoseconds and counts of the buckets that are not empty.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let counted = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        counted.map(|(at, count)| (upper_bound(self.first + at), *count))
    }

    /// Statistics for results files.
    pub fn summary(&self) -> DurationSummary {
        let quantiles = DurationSummary::new(self.count, self.mean(), |share| self.quantile(share));
        DurationSummary { max: self.max(), ..quantiles }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        for nanos in (0..5_000).chain([1 << 20, (1 << 20) + 1, 123_456_789, u64::MAX]) {
            let at = bucket(nanos);
            assert!(nanos <= upper_bound(at), "{nanos}");
            assert!(at == 0 || nanos > upper_bound(at - 1), "{nanos}");
        }
    }

    #[test]
    fn a_quantile_is_at_most_a_sixty_fourth_too_high() {
        let mut latencies = Latencies::default();
        for millis in (1..=1_000).rev() {
            latencies.observe(Duration::from_millis(millis));
        }
        for (share, exact) in [(0.5, 0.5), (0.95, 0.95), (0.99, 0.99)] {
            let found = latencies.quantile(share).unwrap();
            assert!((exact..=exact * (1.0 + 1.0 / 64.0)).contains(&found), "{share}: {found}");
        }
        assert_eq!((latencies.mean(), latencies.max()), (Some(0.5005), Some(1.0)));
        assert_eq!(Latencies::default().quantile(0.5), None);
    }

    #[test]
    fn the_order_of_observing_and_merging_does_not_matter() {
        let of = |millis: &[u64]| {
            let mut latencies = Latencies::default();
            millis.iter().for_each(|&ms| latencies.observe(Duration::from_millis(ms)));
            latencies
        };
        let mut merged = of(&[900, 3]);
        merged.merge(&of(&[0, 40]));
        let together = of(&[40, 0, 3, 900]);
        assert_eq!(merged.summary(), together.summary());
        assert!(merged.buckets().eq(together.buckets()));
    }
}
