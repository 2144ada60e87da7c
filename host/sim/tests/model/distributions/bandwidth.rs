//! Bandwidth limits of the message plane.

use std::time::Duration;

use serde_json::json;
use wasmote_mqtt::device_id::DeviceId;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_sim::faults::document::Kind;
use wasmote_sim::rng::Seed;

use super::{DRAWS, World};
use crate::harness::{document, fault, message};

/// A link of 1,000 bytes a second; a message of ten bytes takes 10 ms.
fn line(queue_bytes: u64) -> World {
    let entry =
        fault(json!({"kind": Kind::Bandwidth, "bytes_per_second": 1_000, "queue_bytes": queue_bytes}));
    World::new(document([entry]), "a")
}

fn ten_bytes() -> Message {
    message("t", "123456789")
}

/// Delay of the next message in milliseconds; `None` if it is dropped.
fn through(world: &mut World) -> Option<u128> {
    world.pass(&ten_bytes()).first().map(|(_, delay)| delay.as_millis())
}

#[test]
fn messages_leave_one_by_one_and_the_overflow_is_dropped() {
    let mut world = line(50);
    let burst: Vec<_> = (0..8).map(|_| through(&mut world)).collect();
    assert_eq!(burst, [Some(10), Some(20), Some(30), Some(40), Some(50), None, None, None]);
    // Two and a half messages have left: the queue has space for two again.
    world.now = world.now + Duration::from_millis(25);
    let later: Vec<_> = (0..3).map(|_| through(&mut world)).collect();
    assert_eq!(later, [Some(35), Some(45), None]);
    let counts: Vec<_> =
        world.ledger.faults().map(|(_, counts)| (counts.delayed, counts.dropped())).collect();
    assert_eq!(counts, [(7, 4)]);
}

#[test]
fn an_idle_link_takes_a_message_of_any_size() {
    let mut world = line(5);
    assert_eq!(through(&mut world), Some(10));
    assert_eq!(through(&mut world), None);
    world.now = world.now + Duration::from_millis(10);
    assert_eq!(through(&mut world), Some(10));
}

#[test]
fn each_direction_has_its_own_bandwidth() {
    use wasmote_sim::faults::{Direction, Directions};
    let entry =
        fault(json!({"kind": Kind::Bandwidth, "bytes_per_second": 1_000, "direction": Directions::Both}));
    let mut world = World::new(document([entry]), "a");
    assert_eq!(through(&mut world), Some(10));
    let mut passed = Vec::new();
    world.injector.judge(Direction::In, ten_bytes(), Time::ZERO, &mut world.ledger, &mut passed);
    assert_eq!(passed[0].1, Duration::from_millis(10));
}

/// Arrival times with random gaps of this mean in milliseconds.
fn arrivals(mean_millis: f64) -> impl Iterator<Item = Time> {
    let mut draw = Seed::new(3).stream(&DeviceId::new("a").unwrap(), "test");
    let mut at = Time::ZERO;
    std::iter::repeat_with(move || {
        let pause = -libm::log(1.0 - draw.uniform()) * mean_millis * 1e6;
        at = at + Duration::from_nanos(pause as u64);
        at
    })
}

#[test]
fn the_wait_is_that_of_a_queue_with_random_arrivals_and_constant_service() {
    let mut world = line(u64::MAX);
    let waits: Vec<f64> = arrivals(20.0)
        .take(DRAWS)
        .map(|at| {
            world.now = at;
            world.pass(&ten_bytes())[0].1.as_secs_f64() * 1e3 - 10.0
        })
        .collect();
    // Pollaczek-Khinchine at half load: half of the service time. Batches of 10,000 are nearly independent,
    // and their spread gives the error of the mean.
    let batches: Vec<f64> = waits.chunks(10_000).map(|part| part.iter().sum::<f64>() / 1e4).collect();
    let n = batches.len() as f64;
    let mean = batches.iter().sum::<f64>() / n;
    let spread = (batches.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0)).sqrt();
    assert!((mean - 5.0).abs() < 3.4 * spread / n.sqrt(), "{mean} ms, batches spread by {spread}");
}

#[test]
fn an_overloaded_link_carries_its_rate_and_drops_the_rest() {
    let mut world = line(1_000);
    let mut carried = 0;
    let mut end = Time::ZERO;
    for at in arrivals(5.0).take(DRAWS) {
        world.now = at;
        if through(&mut world).is_some() {
            carried += 1;
        }
        end = at;
    }
    let possible = end.elapsed().as_millis() as u64 / 10;
    assert!(carried <= possible + 100, "never more than its rate and its queue: {carried} of {possible}");
    assert!(carried >= possible - possible / 1_000, "and it is never idle: {carried} of {possible}");
}
