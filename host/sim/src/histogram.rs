//! Histograms with fixed buckets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Upper bounds of the buckets: 1, 2 and 5 times the powers of ten from 0.0001 to 1,000. They suit seconds as
/// well as hop counts. Equal bounds allow histograms to be merged over a fleet.
pub const BOUNDS: [f64; 22] = [
    1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0,
    100.0, 200.0, 500.0, 1000.0,
];

/// Counts of observations by bucket; the last bucket is unbounded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "HistogramJson", try_from = "HistogramJson")]
#[schemars(description = "A distribution in buckets.")]
pub struct Histogram {
    buckets: [u64; BOUNDS.len() + 1],
    sum: f64,
}

/// JSON form of a histogram: cumulative counts by bound.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
struct HistogramJson {
    /// Number of observations.
    count: u64,
    /// Sum of all observations.
    sum: f64,
    /// Observations at or below each bound; all others are above the last bound.
    buckets: Vec<BucketJson>,
}

/// A bucket of a histogram.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
struct BucketJson {
    /// Upper bound.
    le: f64,
    /// Observations at or below the bound.
    count: u64,
}

/// The JSON form of a histogram has other buckets than [`BOUNDS`], or counts that fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the buckets of a histogram have other bounds than in this version, or counts that fall")]
pub struct BoundsMismatch;

impl From<Histogram> for HistogramJson {
    fn from(histogram: Histogram) -> Self {
        let buckets = histogram.cumulative().take(BOUNDS.len()).map(|(le, count)| BucketJson { le, count });
        Self { count: histogram.count(), sum: histogram.sum, buckets: buckets.collect() }
    }
}

impl TryFrom<HistogramJson> for Histogram {
    type Error = BoundsMismatch;

    fn try_from(json: HistogramJson) -> Result<Self, BoundsMismatch> {
        if !json.buckets.iter().map(|bucket| bucket.le).eq(BOUNDS) {
            return Err(BoundsMismatch);
        }
        let mut histogram = Self { sum: json.sum, ..Self::default() };
        let cumulative = json.buckets.iter().map(|bucket| bucket.count).chain([json.count]);
        let mut before = 0;
        for (bucket, count) in histogram.buckets.iter_mut().zip(cumulative) {
            *bucket = count.checked_sub(before).ok_or(BoundsMismatch)?;
            before = count;
        }
        Ok(histogram)
    }
}

impl Histogram {
    /// Records an observation.
    pub fn observe(&mut self, value: f64) {
        self.buckets[BOUNDS.partition_point(|&bound| bound < value)] += 1;
        self.sum += value;
    }

    /// Number of observations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |count, bucket| count.saturating_add(*bucket))
    }

    /// Sum of the observations.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Mean of the observations, if any.
    pub fn mean(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.sum / count as f64)
    }

    /// Bounds with the number of observations at or below them; infinity last.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        bounds.zip(self.buckets.iter().scan(0_u64, |total, bucket| {
            *total = total.saturating_add(*bucket);
            Some(*total)
        }))
    }

    /// Buckets: the upper bound, infinity for the last one, and the number of observations in the bucket.
    pub fn counts(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        BOUNDS.into_iter().chain([f64::INFINITY]).zip(self.buckets)
    }

    /// Quantile for a share from 0 to 1, as `histogram_quantile` of Prometheus computes it: linear within a bucket;
    /// above the last bound, that bound.
    ///
    /// A quantile of merged histograms is right, where a mean of the quantiles of several processes is not.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        let rank = share * total as f64;
        let (mut lower, mut before) = (0.0, 0);
        for (bound, count) in self.cumulative().take(BOUNDS.len()) {
            if count as f64 >= rank && count > before {
                let within = (rank - before as f64).max(0.0) / (count - before) as f64;
                return Some(lower + (bound - lower) * within);
            }
            (lower, before) = (bound, count);
        }
        BOUNDS.last().copied()
    }

    /// Upper bound of the bucket that holds the quantile; `None` if the histogram is empty or the value is above all
    /// bounds.
    pub fn quantile_bound(&self, share: f64) -> Option<f64> {
        let rank = (self.count() as f64 * share).ceil().max(1.0);
        let bucket = self.cumulative().find(|(_, count)| *count as f64 >= rank);
        bucket.map(|(bound, _)| bound).filter(|bound| bound.is_finite())
    }

    /// Adds the observations of another histogram.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_add(*theirs);
        }
        self.sum += other.sum;
    }

    /// Subtracts an earlier state of the same histogram.
    pub fn subtract(&mut self, before: &Self) {
        for (now, before) in self.buckets.iter_mut().zip(&before.buckets) {
            *now = now.saturating_sub(*before);
        }
        self.sum = (self.sum - before.sum).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|value| histogram.observe(*value));
        histogram
    }

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

    #[test]
    fn merging_equals_one_histogram_of_all() {
        let mut merged = of(&[0.01, 0.3, 3.0]);
        merged.merge(&of(&[0.2, 5_000.0]));
        let together = of(&[0.01, 0.3, 3.0, 0.2, 5_000.0]);
        assert_eq!((merged.count(), &merged.buckets), (5, &together.buckets));
        assert!((merged.sum - together.sum).abs() < 1e-9);
        let mut none = Histogram::default();
        none.merge(&together);
        assert_eq!(none.buckets, together.buckets);
    }

    /// Ten devices with 10 ms and one with 1 s: the mean of their p50s would say about 0.1 s.
    #[test]
    fn a_quantile_is_that_of_the_merged_observations() {
        let mut merged = of(&[1.0; 10]);
        for _ in 0..10 {
            merged.merge(&of(&[0.01; 10]));
        }
        let median = merged.quantile(0.5).unwrap();
        assert!((0.005..=0.01).contains(&median), "{median}");
        let high = merged.quantile(0.99).unwrap();
        assert!((0.5..=1.0).contains(&high), "{high}");
        assert_eq!(of(&[5_000.0]).quantile(0.5), Some(1_000.0), "nothing is known above the last bound");
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[test]
    fn earlier_observations_are_subtracted() {
        let mut now = of(&[0.01, 0.3, 3.0]);
        now.subtract(&of(&[0.01]));
        assert_eq!(now.buckets, of(&[0.3, 3.0]).buckets);
        let mean = now.mean().unwrap();
        assert_eq!(now.count(), 2);
        assert!((mean - 1.65).abs() < 1e-9, "{mean}");
    }

    #[test]
    fn the_json_form_is_cumulative_and_is_read_back() {
        let histogram = of(&[0.0001, 0.3, 5_000.0]);
        let json = serde_json::to_value(&histogram).unwrap();
        assert_eq!((&json["count"], &json["buckets"][0]["le"]), (&3.into(), &0.0001.into()));
        assert_eq!(json["buckets"].as_array().unwrap().len(), BOUNDS.len());
        assert_eq!((&json["buckets"][0]["count"], &json["buckets"][21]["count"]), (&1.into(), &2.into()));
        let text = serde_json::to_string(&histogram).unwrap();
        assert_eq!(serde_json::from_str::<Histogram>(&text).unwrap(), histogram);
    }

    #[test]
    fn histograms_with_other_bounds_are_not_merged() {
        let read = |change: fn(&mut serde_json::Value)| {
            let mut json = serde_json::to_value(of(&[0.1])).unwrap();
            change(&mut json);
            serde_json::from_value::<Histogram>(json).map_err(|error| error.to_string())
        };
        let mismatch = Err(BoundsMismatch.to_string());
        assert_eq!(read(|json| json["buckets"] = serde_json::json!([{"le": 7.0, "count": 1}])), mismatch);
        assert_eq!(read(|json| json["buckets"][21]["count"] = 0.into()), mismatch);
        assert_eq!(read(|_| {}), Ok(of(&[0.1])));
    }
}
