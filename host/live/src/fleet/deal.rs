//! How devices are dealt out to shards, and when they are switched on.

use std::time::Duration;

use tokio::sync::mpsc;
use wasmote_sim::device::Blueprint;
use wasmote_sim::time::Time;

use crate::shard::{Common, Job, Place, Shard};

/// One shard a core, as devices may join later.
pub(super) fn spawn_shards(
    devices: Vec<Blueprint>,
    start_rate: Option<f64>,
    common: &Common,
) -> Vec<mpsc::UnboundedSender<Job>> {
    let shards = std::thread::available_parallelism().map_or(1, usize::from);
    let mut parts: Vec<Vec<_>> = (0..shards).map(|_| Vec::new()).collect();
    for (at, device) in devices.into_iter().enumerate() {
        parts[at % shards].push((device, start_of(at, start_rate)));
    }
    let place = |number| Place { number, shards };
    parts.into_iter().enumerate().map(|(at, part)| Shard::spawn(part, place(at), common.clone())).collect()
}

/// When a device is switched on. A rate that is none means at once.
pub(super) fn start_of(at: usize, rate: Option<f64>) -> Time {
    let seconds = rate.filter(|rate| *rate > 0.0).map_or(0.0, |rate| at as f64 / rate);
    Time::ZERO + Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// How many of the first `devices` live in a shard.
pub(super) fn part_of(devices: usize, shard: usize, shards: usize) -> usize {
    devices.saturating_sub(shard).div_ceil(shards)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_shards_make_up_the_whole() {
        for (devices, shards) in [(0, 1), (1, 4), (7, 3), (9, 3), (1_000, 7)] {
            let parts: usize = (0..shards).map(|shard| part_of(devices, shard, shards)).sum();
            assert_eq!(parts, devices);
        }
        assert_eq!((part_of(7, 0, 3), part_of(7, 2, 3)), (3, 2));
    }

    #[test]
    fn devices_start_at_the_rate_that_was_asked_for() {
        assert_eq!(start_of(5, None), Time::ZERO);
        assert_eq!(start_of(5, Some(0.0)), Time::ZERO);
        assert_eq!(start_of(5, Some(10.0)).elapsed(), Duration::from_millis(500));
    }
}
