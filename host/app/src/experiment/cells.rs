//! The run as a table: stretches of time in rows, groups in columns.
//!
//! A message belongs to the stretch in which it was published, whenever it arrives; so what was expected
//! and what was delivered of it stand in the same cell. Stretches end where the time series, the warm-up and
//! phases do, and every figure that is reported is a sum of cells. A stretch is open at its beginning and
//! closed at its end; the first one has its beginning too.

use std::time::Duration;

use wasmote_sim::time::Time;

use super::figures::Figures;

/// All cells of a run.
#[derive(Clone, Debug)]
pub struct Cells {
    ends: Vec<Time>,
    groups: usize,
    cells: Vec<Figures>,
}

impl Cells {
    /// Empty cells between these points in time.
    pub fn new(ends: Vec<Time>, groups: usize) -> Self {
        let cells = vec![Figures::default(); ends.len() * groups];
        Self { ends, groups, cells }
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
    pub fn cut(&mut self, end: Time) {
        let kept = self.ends.partition_point(|known| *known < end) + 1;
        self.ends.truncate(kept);
        self.cells.truncate(self.ends.len() * self.groups);
        if let Some(last) = self.ends.last_mut() {
            *last = end.min(*last);
        }
    }

    /// What holds at a time. After the end it is the last stretch.
    pub fn at(&mut self, time: Time, group: usize) -> &mut Figures {
        let row = self.ends.partition_point(|end| *end < time).min(self.ends.len() - 1);
        &mut self.cells[row * self.groups + group]
    }

    /// A message was published.
    pub fn published(&mut self, time: Time, group: usize, expected: u64) {
        let cell = self.at(time, group);
        cell.generated += 1;
        cell.expected += expected;
    }

    /// The first copy of a message that was published then arrived.
    pub fn delivered(&mut self, published: Time, group: usize, latency: Duration) {
        let cell = self.at(published, group);
        cell.delivered += 1;
        cell.latencies.observe(latency);
    }

    /// The sum over a stretch of time, of one group or of all.
    pub fn sum(&self, after: Time, until: Time, group: Option<usize>) -> Figures {
        let first = self.ends.partition_point(|end| *end <= after);
        let last = self.ends.partition_point(|end| *end <= until);
        let mut sum = Figures::default();
        for row in first..last {
            let row = &self.cells[row * self.groups..][..self.groups];
            row.iter().enumerate().filter(|(at, _)| group.is_none_or(|group| group == *at)).for_each(
                |(_, cell)| {
                    sum.add(cell);
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
        let mut cells = Cells::new(vec![at(5), at(10), at(15)], 2);
        cells.published(at(5), 0, 3);
        cells.published(at(6), 1, 2);
        cells.delivered(at(5), 0, Duration::from_secs(8));
        let early = cells.sum(Time::ZERO, at(5), None);
        assert_eq!((early.expected, early.delivered), (3, 1));
        assert_eq!(cells.sum(at(5), at(15), Some(1)).expected, 2);
        assert_eq!(cells.sum(at(5), at(15), Some(0)).expected, 0);
        assert_eq!(cells.sum(Time::ZERO, at(15), None).generated, 2);
    }

    #[test]
    fn what_was_counted_in_a_stretch_that_is_cut_stays() {
        let mut cells = Cells::new(vec![at(5), at(10), at(15)], 1);
        cells.published(at(6), 0, 3);
        cells.cut(at(7));
        assert_eq!((cells.ends(), cells.end()), (&[at(5), at(7)][..], at(7)));
        assert_eq!(cells.sum(Time::ZERO, at(7), None).expected, 3);
        cells.cut(at(5));
        assert_eq!((cells.end(), cells.sum(Time::ZERO, at(5), None).expected), (at(5), 0));
    }
}
