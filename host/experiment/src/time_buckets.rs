//! The run as a table: stretches of time in rows, groups in columns.
//!
//! A message belongs to the stretch in which it was published, whenever it arrives; so what was expected
//! and what was delivered of it stand in the same cell. Stretches end where the time series, the warm-up and
//! phases do, and every figure that is reported is a sum of cells. A stretch is open at its beginning and
//! closed at its end; the first one has its beginning too.

use std::time::Duration;

use wasmote_mqtt::time::Time;

use super::message_stats::MessageStats;

/// All cells of a run.
#[derive(Clone, Debug)]
pub struct TimeBuckets {
    ends: Vec<Time>,
    groups: usize,
    buckets: Vec<MessageStats>,
}

impl TimeBuckets {
    /// Empty cells between these points in time.
    pub fn new(ends: Vec<Time>, groups: usize) -> Self {
        let buckets = vec![MessageStats::default(); ends.len() * groups];
        Self { ends, groups, buckets }
    }

    /// Where the stretches end.
    pub fn ends(&self) -> &[Time] {
        &self.ends
    }

    /// When the last stretch ends.
    pub fn end(&self) -> Time {
        self.ends.last().copied().unwrap_or_default()
    }

    /// There is nothing after this time, which may lie within a stretch.
    pub fn truncate(&mut self, end: Time) {
        let kept = self.ends.partition_point(|known| *known < end) + 1;
        self.ends.truncate(kept);
        self.buckets.truncate(self.ends.len() * self.groups);
        if let Some(last) = self.ends.last_mut() {
            *last = end.min(*last);
        }
    }

    /// What holds at a time. After the end it is the last stretch.
    pub fn bucket_mut(&mut self, time: Time, group: usize) -> &mut MessageStats {
        let row = self.ends.partition_point(|end| *end < time).min(self.ends.len() - 1);
        &mut self.buckets[row * self.groups + group]
    }

    /// A message was published.
    pub fn record_published(&mut self, time: Time, group: usize, expected: u64) {
        let bucket = self.bucket_mut(time, group);
        bucket.generated += 1;
        bucket.expected += expected;
    }

    /// The first copy of a message that was published then arrived.
    pub fn record_delivered(&mut self, published: Time, group: usize, latency: Duration) {
        let bucket = self.bucket_mut(published, group);
        bucket.delivered += 1;
        bucket.latencies.observe(latency);
    }

    /// The sum over a stretch of time, of one group or of all.
    pub fn sum(&self, after: Time, until: Time, group: Option<usize>) -> MessageStats {
        let first = self.ends.partition_point(|end| *end <= after);
        let last = self.ends.partition_point(|end| *end <= until);
        let mut sum = MessageStats::default();
        for row in first..last {
            let row = &self.buckets[row * self.groups..][..self.groups];
            row.iter().enumerate().filter(|(at, _)| group.is_none_or(|group| group == *at)).for_each(
                |(_, bucket)| {
                    sum.add(bucket);
                },
            );
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn a_message_belongs_to_when_it_was_published() {
        let mut buckets = TimeBuckets::new(vec![at(5), at(10), at(15)], 2);
        buckets.record_published(at(5), 0, 3);
        buckets.record_published(at(6), 1, 2);
        buckets.record_delivered(at(5), 0, Duration::from_secs(8));
        let early = buckets.sum(Time::ZERO, at(5), None);
        assert_eq!((early.expected, early.delivered), (3, 1));
        assert_eq!(buckets.sum(at(5), at(15), Some(1)).expected, 2);
        assert_eq!(buckets.sum(at(5), at(15), Some(0)).expected, 0);
        assert_eq!(buckets.sum(Time::ZERO, at(15), None).generated, 2);
    }

    #[test]
    fn counts_of_a_truncated_window_stay() {
        let mut buckets = TimeBuckets::new(vec![at(5), at(10), at(15)], 1);
        buckets.record_published(at(6), 0, 3);
        buckets.truncate(at(7));
        assert_eq!((buckets.ends(), buckets.end()), (&[at(5), at(7)][..], at(7)));
        assert_eq!(buckets.sum(Time::ZERO, at(7), None).expected, 3);
        buckets.truncate(at(5));
        assert_eq!((buckets.end(), buckets.sum(Time::ZERO, at(5), None).expected), (at(5), 0));
    }
}
