//! Distribution of devices over shards, and their start times.

use std::time::Duration;

use tokio::sync::mpsc;
use wasmote_mqtt::time::Time;
use wasmote_sim::device::Blueprint;

use crate::shard::{FleetShared, Job, Shard, ShardId};

/// Spawns one shard per CPU core. Shards may start empty, since devices can be added later.
pub(super) fn spawn_shards(
    devices: Vec<Blueprint>,
    start_rate: Option<f64>,
    shared: &FleetShared,
) -> Vec<mpsc::UnboundedSender<Job>> {
    let shards = std::thread::available_parallelism().map_or(1, usize::from);
    let mut per_shard: Vec<Vec<_>> = (0..shards).map(|_| Vec::new()).collect();
    for (at, device) in devices.into_iter().enumerate() {
        per_shard[at % shards].push((device, start_time(at, start_rate)));
    }
    let id = |index| ShardId { index, count: shards };
    per_shard
        .into_iter()
        .enumerate()
        .map(|(at, devices_of_shard)| Shard::spawn(devices_of_shard, id(at), shared.clone()))
        .collect()
}

/// Start time of a device. Without a rate, or with a rate of 0, all devices start at once.
pub(super) fn start_time(at: usize, rate: Option<f64>) -> Time {
    let seconds = rate.filter(|rate| *rate > 0.0).map_or(0.0, |rate| at as f64 / rate);
    Time::ZERO + Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// Number of the first `devices` devices that are in a shard.
pub(super) fn devices_in_shard(devices: usize, shard: usize, shards: usize) -> usize {
    devices.saturating_sub(shard).div_ceil(shards)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shard_sizes_add_up_to_the_fleet() {
        for (devices, shards) in [(0, 1), (1, 4), (7, 3), (9, 3), (1_000, 7)] {
            let per_shard: usize = (0..shards).map(|shard| devices_in_shard(devices, shard, shards)).sum();
            assert_eq!(per_shard, devices);
        }
        assert_eq!((devices_in_shard(7, 0, 3), devices_in_shard(7, 2, 3)), (3, 2));
    }

    #[test]
    fn devices_start_at_the_rate_that_was_asked_for() {
        assert_eq!(start_time(5, None), Time::ZERO);
        assert_eq!(start_time(5, Some(0.0)), Time::ZERO);
        assert_eq!(start_time(5, Some(10.0)).elapsed(), Duration::from_millis(500));
    }
}
