//! Every message of a device is accounted for.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::topic::TopicFilter;
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, Trap};
use wasmote_sim::context::Context;
use wasmote_sim::device::{Blueprint, Input};
use wasmote_sim::event::{Event, StopReason};
use wasmote_sim::faults::document::{DelayKind, FaultDocument, FaultEntry, Kind};
use wasmote_sim::faults::span::Span;
use wasmote_sim::faults::{Direction, Directions};
use wasmote_sim::ledger::{FaultCounts, Ledger};
use wasmote_sim::limits::Limits;
use wasmote_sim::rng::{Seed, Stream};
use wasmote_sim::virtual_time::VirtualTime;
use wasmote_sim::virtual_time::options::Options;

use crate::harness::{Harness, at_qos_1, document, fault, message, ticker, with};

/// All faults at once, in both directions.
pub fn every_fault() -> FaultDocument {
    document(messages().into_iter().chain(outages()).chain(supply()))
}

fn of(kind: Kind, probability: f64) -> FaultEntry {
    fault(json!({"kind": kind, "probability": probability}))
}

fn seconds(n: u64) -> Option<Span> {
    Some(Span(Duration::from_secs(n)))
}

fn named(id: &str, entry: FaultEntry) -> FaultEntry {
    with(entry, json!({"id": id}))
}

fn messages() -> Vec<FaultEntry> {
    let both = Some(Directions::Both);
    let late = with(
        of(Kind::Delay, 0.3),
        json!({
            "distribution": DelayKind::LogNormal,
            "mean": seconds(1),
            "std": seconds(2),
            "correlation": 0.7,
        }),
    );
    let entries = [
        with(of(Kind::Duplicate, 0.3), json!({"copies": 2})),
        with(of(Kind::Reorder, 0.3), json!({"gap": 3, "max": seconds(4)})),
        with(of(Kind::Delay, 0.5), json!({"max": seconds(3)})),
        of(Kind::Loss, 0.2),
        of(Kind::Corrupt, 0.2),
        named("late", late),
        named("later", with(of(Kind::Duplicate, 0.2), json!({"copies": 1, "apart": seconds(1)}))),
        named("again", with(of(Kind::Reorder, 0.2), json!({"max": seconds(1)}))),
        fault(json!({"kind": Kind::Bandwidth, "bytes_per_second": 8, "queue_bytes": 40})),
        named("runs", with(of(Kind::Loss, 0.2), json!({"run_length": 4.0}))),
    ];
    entries.into_iter().map(|entry| with(entry, json!({"direction": both}))).collect()
}

fn outages() -> Vec<FaultEntry> {
    let outage =
        |kind, probability| with(of(kind, probability), json!({"every": seconds(20), "for": seconds(7)}));
    vec![
        outage(Kind::Partition, 0.2),
        outage(Kind::Silence, 0.2),
        outage(Kind::Hang, 0.2),
        outage(Kind::Crash, 0.1),
        outage(Kind::Disconnect, 0.2),
        outage(Kind::Stall, 0.2),
        with(outage(Kind::Throttle, 0.3), json!({"bytes_per_second": 100, "buffer_bytes": 300})),
        with(outage(Kind::Reset, 0.2), json!({"for": null})),
        with(outage(Kind::HalfOpen, 0.2), json!({"for": null})),
        named("region", with(outage(Kind::Silence, 0.2), json!({"together": true}))),
        named("loop", with(outage(Kind::Crash, 0.05), json!({"times": 3}))),
    ]
}

/// Two batteries: the device recharges one by itself, the other needs a manual start.
fn supply() -> Vec<FaultEntry> {
    let battery = |capacity_joules| {
        fault(json!({
            "kind": Kind::Battery,
            "capacity_joules": capacity_joules,
            "idle_watts": 1.0,
            "send_joules": 1.0,
            "receive_joules_per_byte": 0.1,
            "event_joules": 0.1,
        }))
    };
    vec![
        fault(json!({"kind": Kind::Clock, "drift_ppm": -500.0})),
        with(battery(40.0), json!({"recharge": seconds(5)})),
        named("reserve", battery(300.0)),
    ]
}

fn something(draw: &mut Stream) -> Input {
    let dropped = |direction| Input::Dropped(direction, message("t", "x"), "half_open".into());
    match draw.below(22) {
        0 => Input::Crash,
        1 => Input::Stop(StopReason::Requested),
        2 | 3 => Input::Start,
        4 => Input::Disconnected("reset by peer".into()),
        5 => Input::Connected { session_present: draw.chance(0.5) },
        6 => Input::SetFaults(every_fault().faults().expect("valid").into()),
        7 => Input::Resumed,
        8..=11 => Input::Publish(message("t", "x")),
        12..=15 => Input::Publish(at_qos_1("t", "x")),
        20 => dropped(Direction::Out),
        21 => dropped(Direction::In),
        _ => Input::Delivered(message("t", "x")),
    }
}

#[test]
fn the_ledger_balances_after_every_step_with_all_faults() {
    let mut all = Ledger::default();
    for seed in 0..20 {
        let mut draw = Seed::new(seed).stream(&DeviceId::new("storm").unwrap(), "test");
        let mut harness = Harness::named("west-0", "west", ticker, every_fault(), seed);
        for step in 0..2_000 {
            harness.broker_up = draw.chance(0.7);
            let input = match something(&mut draw) {
                // Only a message that was handed to the connection can be lost on it.
                Input::Dropped(Direction::Out, ..) if harness.device.in_flight() == 0 => Input::Wake,
                input => input,
            };
            harness.put(input);
            harness.run(Duration::from_millis(draw.below(900)));
            assert!(
                harness.closes(),
                "seed {seed}, step {step}: {:?} {:?}",
                harness.device.ledger(),
                harness.device.waiting()
            );
        }
        assert!(harness.device.ledger().generated > 500, "the run has messages");
        all.add(harness.device.ledger());
    }
    let quiet: Vec<_> = all.faults().filter(|(_, counts)| **counts == FaultCounts::default()).collect();
    assert!(quiet.is_empty(), "every fault had an effect: {quiet:?}");
}

/// Publishes ticks at QoS 1, and subscribes to those of other devices.
struct Publisher;

impl BehaviourFactory for Publisher {
    fn instantiate(&self, _identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        Ok(Box::new(|event: Event, context: &mut Context| {
            if matches!(event, Event::Started(_) | Event::Timer(_)) {
                context.set_timer(1, context.now() + Duration::from_secs(1)).expect("it fits");
            }
            match event {
                Event::Started(_) => {
                    context.subscribe(TopicFilter::new("t/#").unwrap(), Qos::AtLeastOnce).expect("it fits");
                }
                Event::Timer(_) => context.publish(at_qos_1("t/tick", "tick")).expect("within the rate"),
                _ => {}
            }
            Ok(())
        }))
    }

    fn name(&self) -> &str {
        "chatter"
    }
}

#[test]
fn all_ledgers_balance_in_virtual_time() {
    let mut world = VirtualTime::new(Options::default(), ());
    let faults: Arc<[_]> = every_fault().faults().expect("valid").into();
    let devices: Vec<_> = (0..5)
        .map(|index| {
            let identity = Identity {
                id: DeviceId::new(&format!("west-{index}")).expect("a name"),
                client_id: None,
                group: "west".into(),
                index,
                count: 5,
                topic_root: "wasmote".into(),
                peers: None,
            };
            world.add(Blueprint {
                identity: Arc::new(identity),
                factory: Arc::new(Publisher),
                limits: Arc::new(Limits::default()),
                protocol: Protocol::V5,
                seed: Seed::new(3),
                faults: Arc::clone(&faults),
            })
        })
        .collect();
    for minute in 0..60 {
        for &device in &devices {
            world.put(device, Input::Start);
        }
        world.run_for(Duration::from_secs(60));
        for device in world.devices() {
            let (out, inward) = device.waiting();
            assert!(device.ledger().closes(out, inward), "minute {minute}: {:?}", device.ledger());
        }
    }
    let mut all = Ledger::default();
    for device in world.devices() {
        all.add(device.ledger());
    }
    assert!(all.received > 1_000 && all.sent > 1_000, "{all:?}");
}
