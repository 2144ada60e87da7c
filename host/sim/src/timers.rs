//! Timers of a device. There are few, so a sorted list is faster than a tree.

use wasmote_mqtt::time::Time;

/// The timer limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the device has {0} timers, as many as allowed")]
pub struct TooManyTimers(pub u32);

/// One-shot timers by token, soonest last. Timers with equal times fire in the order of setting.
#[derive(Clone, Debug)]
pub struct Timers {
    most: u32,
    /// Due time, token and intended time.
    set: Vec<(Time, u32, Time)>,
}

impl Timers {
    /// Creates an empty set with this limit.
    pub fn new(most: u32) -> Self {
        Self { most, set: Vec::new() }
    }

    /// Sets a timer, or moves the one with this token. The `intended` time may be before the due time `at`, if it has passed
    /// already.
    pub fn set(&mut self, token: u32, at: Time, intended: Time) -> Result<(), TooManyTimers> {
        self.cancel(token);
        if self.set.len() >= self.most as usize {
            return Err(TooManyTimers(self.most));
        }
        let place = self.set.partition_point(|&(due, ..)| due > at);
        self.set.insert(place, (at, token, intended));
        Ok(())
    }

    /// Cancels a timer.
    pub fn cancel(&mut self, token: u32) {
        self.set.retain(|&(_, set, _)| set != token);
    }

    /// Time of the next timer.
    pub fn next_due(&self) -> Option<Time> {
        self.set.last().map(|&(due, ..)| due)
    }

    /// Removes and returns the next timer if it is due, with its intended time.
    pub fn take_due(&mut self, now: Time) -> Option<(u32, Time)> {
        self.set.pop_if(|(due, ..)| *due <= now).map(|(_, token, intended)| (token, intended))
    }

    /// Tokens and due times, soonest first.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Time)> {
        self.set.iter().rev().map(|&(due, token, _)| (token, due))
    }

    /// Cancels all timers.
    pub fn clear(&mut self) {
        self.set.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    #[test]
    fn timers_fire_by_time_and_then_in_the_order_of_setting() {
        let mut timers = Timers::new(10);
        for (token, due) in [(1, 50), (2, 20), (3, 50), (4, 10)] {
            timers.set(token, at(due), at(due)).unwrap();
        }
        assert_eq!(timers.next_due(), Some(at(10)));
        let fired: Vec<u32> =
            std::iter::from_fn(|| timers.take_due(at(50))).map(|(token, _)| token).collect();
        assert_eq!(fired, [4, 2, 1, 3]);
    }

    #[test]
    fn setting_a_token_again_moves_its_timer() {
        let mut timers = Timers::new(1);
        timers.set(7, at(10), at(10)).unwrap();
        timers.set(7, at(30), at(20)).unwrap();
        assert_eq!(timers.set(8, at(5), at(5)), Err(TooManyTimers(1)));
        assert_eq!(timers.take_due(at(29)), None);
        assert_eq!(timers.take_due(at(30)), Some((7, at(20))));
    }
}
