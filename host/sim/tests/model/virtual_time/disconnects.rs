//! Stops with messages in flight.

use std::time::Duration;

use wasmote_mqtt::broker::packet::Request;
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::time::Time;
use wasmote_sim::device::Input;
use wasmote_sim::event::StopReason;
use wasmote_sim::faults::document::FaultDocument;
use wasmote_sim::virtual_time::options::Options;

use super::world::{Script, World, add, assert_balanced, received, world};
use crate::harness::at_qos_1;

const SECOND: Duration = Duration::from_secs(1);

/// Messages about a device with a will that is ended by `input` after five seconds.
fn end_by(input: Input) -> Vec<String> {
    let mut world = world(Options::default());
    let none = FaultDocument::default();
    let subscribes = Some(("state", Qos::AtLeastOnce));
    let witness = add(&mut world, "witness", Script { subscribes, ..Script::default() }, &none, 1);
    let device = add(&mut world, "device", Script { will: Some("state"), ..Script::default() }, &none, 1);
    world.run_until(Time::ZERO + 5 * SECOND);
    world.put(device, input);
    world.run_for(SECOND);
    assert_balanced(&world);
    received(&world, witness).into_iter().map(|(_, payload)| payload).collect()
}

#[test]
fn a_stop_discards_the_will_and_a_crash_does_not() {
    assert!(end_by(Input::Stop(StopReason::Requested)).is_empty());
    assert_eq!(end_by(Input::Crash), ["offline"]);
}

fn last_requests(world: &World, count: usize) -> Vec<&'static str> {
    let requests = &world.observer().0.requests;
    let last = requests[requests.len() - count..].iter();
    last.map(|(.., request)| match request {
        Request::Publish(_) => "publish",
        Request::Disconnect(_) => "disconnect",
        Request::Connect(_) => "connect",
        _ => "other",
    })
    .collect()
}

/// With a slow link the acknowledgement is outstanding when the device stops.
#[test]
fn a_disconnect_waits_for_the_last_acknowledgement() {
    let mut world = world(Options { latency: SECOND / 10, ..Options::default() });
    let device = add(&mut world, "device", Script::default(), &FaultDocument::default(), 1);
    world.run_until(Time::ZERO + 5 * SECOND);
    world.put(device, Input::Publish(at_qos_1("t", "last words")));
    world.put(device, Input::Stop(StopReason::Requested));
    world.run_for(SECOND);
    assert_eq!(last_requests(&world, 2), ["publish", "disconnect"]);
    let (disconnect, ..) = world.observer().0.requests.last().expect("a disconnect");
    // The message to the broker, its acknowledgement, and DISCONNECT.
    assert_eq!(*disconnect, Time::ZERO + 5 * SECOND + 3 * (SECOND / 10));
    assert_eq!(world.broker().stats().connected, 0);
}

#[test]
fn a_device_that_starts_again_at_once_connects_after_its_disconnect() {
    let mut world = world(Options { latency: SECOND / 10, ..Options::default() });
    let device = add(&mut world, "device", Script::default(), &FaultDocument::default(), 1);
    world.run_until(Time::ZERO + 5 * SECOND);
    world.put(device, Input::Publish(at_qos_1("t", "last words")));
    world.put(device, Input::Stop(StopReason::Requested));
    world.put(device, Input::Start);
    world.run_for(SECOND);
    assert_eq!(last_requests(&world, 3), ["publish", "disconnect", "connect"]);
    assert_eq!(world.broker().stats().connected, 1);
}
