//! Time buckets: a table of message counts with intervals of time as rows and groups as columns.
//!
//! A message belongs to the interval in which it was published, no matter when it arrives, so its expected and actual
//! receptions are in the same cell. Intervals end at the ends of time series rows, of the warm-up and of phases, and
//! every reported number is a sum of cells. An interval excludes its start and includes its end; the first one
//! includes its start too.

use std::time::Duration;

use wasmote_mqtt::time::Time;

use super::message_stats::MessageStats;

/// Cells of a run.
#[derive(Clone, Debug)]
pub struct TimeBuckets {
    ends: Vec<Time>,
    groups: usize,
    buckets: Vec<MessageStats>,
}

impl TimeBuckets {
    /// Empty cells for the intervals that end at these times.
    pub fn new(ends: Vec<Time>, groups: usize) -> Self {
        let buckets = vec![MessageStats::default(); ends.len() * groups];
        Self { ends, groups, buckets }
    }

    /// End times of the intervals.
    pub fn ends(&self) -> &[Time] {
        &self.ends
    }

    /// End of the last interval.
    pub fn end(&self) -> Time {
        self.ends.last().copied().unwrap_or_default()
    }

    /// Ends the table at this time, which may lie within an interval.
    pub fn truncate(&mut self, end: Time) {
        let kept = self.ends.partition_point(|known| *known < end) + 1;
        self.ends.truncate(kept);
        self.buckets.truncate(self.ends.len() * self.groups);
        if let Some(last) = self.ends.last_mut() {
            *last = end.min(*last);
        }
    }

    /// Cell of a group at a time. After the end it is in the last interval.
    pub fn bucket_mut(&mut self, time: Time, group: usize) -> &mut MessageStats {
        let row = self.ends.partition_point(|end| *end < time).min(self.ends.len() - 1);
        &mut self.buckets[row * self.groups + group]
    }

    /// Counts a published message.
    pub fn record_published(&mut self, time: Time, group: usize, expected: u64) {
        let bucket = self.bucket_mut(time, group);
        bucket.generated += 1;
        bucket.expected += expected;
    }

    /// Counts the first copy of a message, by the time at which the message was published, `late` by this much.
    pub fn record_delivered(&mut self, published: Time, group: usize, latency: Duration, late: Duration) {
        let bucket = self.bucket_mut(published, group);
        bucket.delivered += 1;
        bucket.latencies.observe(latency);
        bucket.intended.observe(latency + late);
    }

    /// Sum over an interval of time, of one group or of all groups.
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
        buckets.record_delivered(at(5), 0, Duration::from_secs(8), Duration::ZERO);
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
