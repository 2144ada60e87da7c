//! Bounds of a device in bytes, and pauses of its behaviour by a live driver.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use wasmote_mqtt::message::{Message, Qos};
use wasmote_mqtt::topic::TopicFilter;
use wasmote_sim::action::Action;
use wasmote_sim::behaviour::Trap;
use wasmote_sim::context::Context;
use wasmote_sim::device::Input;
use wasmote_sim::event::Event;
use wasmote_sim::faults::document::Kind;
use wasmote_sim::notice::DeviceNotice;

use crate::harness::{Harness, document, fault, idle, message, ticker};

const PAYLOAD: usize = 100 << 10;
/// Messages of [`PAYLOAD`] that fit into the limits of 8 MiB.
const FITTING: u64 = 81;

/// Messages that wait in the device, not in its connection: outbound and inbound.
fn held(harness: &Harness) -> (u64, u64) {
    let (out, inward) = harness.device.waiting();
    (out - harness.device.in_flight(), inward)
}

fn large(topic: &str) -> Message {
    Message { payload: Bytes::from(vec![0; PAYLOAD]), ..message(topic, "") }
}

#[test]
fn delayed_messages_are_bounded_in_bytes_in_both_directions() {
    let delay = fault(json!({"kind": Kind::Delay, "min": "1h", "max": "1h", "direction": "both"}));
    let mut harness = Harness::new(idle, document([delay]));
    for _ in 0..100 {
        harness.put(Input::Publish(large("t/out")));
        harness.put(Input::Delivered(large("t/in")));
    }
    let (out, inward) = harness.device.waiting();
    assert_eq!(out + inward, FITTING);
    let ledger = harness.device.ledger();
    assert_eq!(ledger.refused.queue_full + ledger.discarded, 200 - FITTING, "each refusal is counted");
    assert!(harness.closes());
    harness.run(Duration::from_secs(3_601));
    assert_eq!(held(&harness), (0, 0));
    harness.put(Input::Publish(large("t/out")));
    assert_eq!(held(&harness), (1, 0), "the bytes of sent messages are free again");
}

#[test]
fn messages_that_a_fault_holds_back_are_bounded_in_bytes() {
    let reorder = fault(json!({"kind": Kind::Reorder, "probability": 1.0, "gap": 1_000, "max": "1h"}));
    let mut harness = Harness::new(idle, document([reorder]));
    for _ in 0..100 {
        harness.put(Input::Publish(large("t")));
    }
    assert_eq!(held(&harness).0, FITTING);
    assert_eq!(harness.published() as u64, 100 - FITTING, "further ones continue at once");
    assert!(harness.closes());
}

#[test]
fn messages_queued_for_a_connection_are_bounded_in_bytes() {
    let mut harness = Harness::new(idle, document([]));
    harness.broker_up = false;
    harness.put(Input::Disconnected("cut".into()));
    for _ in 0..100 {
        harness.put(Input::Publish(large("t").with_qos(Qos::AtLeastOnce)));
    }
    assert_eq!(harness.device.waiting().0, FITTING);
    assert_eq!(harness.device.ledger().refused.queue_full, 100 - FITTING);
    assert!(harness.closes());
}

/// Subscribes to 1,000 filters of 1,000 bytes, and counts the refusals in a metric.
fn subscriber(event: Event, context: &mut Context) -> Result<(), Trap> {
    if let Event::Started(_) = event {
        for n in 0..1_000 {
            let filter = TopicFilter::new(format!("{n}/{}", "x".repeat(1_000))).unwrap();
            if context.subscribe(filter, Qos::AtMostOnce).is_err() {
                context.count("refused", 1.0).unwrap();
            }
        }
    }
    Ok(())
}

#[test]
fn the_filters_of_a_device_are_bounded_in_bytes() {
    let harness = Harness::new(subscriber, document([]));
    assert_eq!(harness.device.subscriptions().count(), 65);
    assert_eq!(harness.device.refusals().subscriptions, 935);
}

/// Subscribes and unsubscribes with a new filter ten times a second.
fn changing(event: Event, context: &mut Context) -> Result<(), Trap> {
    if matches!(event, Event::Started(_) | Event::Timer(_)) {
        let next = context.now() + Duration::from_millis(100);
        context.set_timer(1, next).expect("one timer fits");
        let filter = TopicFilter::new(format!("t/{}", context.now().as_nanos())).unwrap();
        context.subscribe(filter.clone(), Qos::AtMostOnce).unwrap();
        context.unsubscribe(filter);
    }
    Ok(())
}

#[test]
fn filters_that_the_broker_never_got_are_not_remembered() {
    let mut harness = Harness::new(changing, document([]));
    harness.broker_up = false;
    harness.put(Input::Disconnected("cut".into()));
    harness.run(Duration::from_secs(60));
    let before = harness.actions.len();
    harness.broker_up = true;
    harness.put(Input::Connected { session_present: true });
    let unsubscribes =
        harness.actions[before..].iter().filter(|action| matches!(action, Action::Unsubscribe(_)));
    assert_eq!(unsubscribes.count(), 0, "600 filters came and went during the outage");
}

#[test]
fn a_paused_behaviour_gets_its_events_in_order_and_its_timers_after_them() {
    let mut harness = Harness::new(ticker, document([]));
    harness.run(Duration::from_millis(1_500));
    harness.device.set_paused(true);
    assert_eq!(harness.device.next_deadline(), None, "timers wait");
    for payload in ["first", "second"] {
        harness.put(Input::Delivered(message("t", payload)));
    }
    harness.run(Duration::from_secs(10));
    assert_eq!(held(&harness), (0, 2));
    assert!(harness.closes());
    let ticks = harness.published();
    harness.device.set_paused(false);
    harness.device.limit_steps(1);
    // A third message does not overtake the others.
    harness.put(Input::Delivered(message("t", "third")));
    while harness.device.next_deadline().is_some_and(|due| due <= harness.now) {
        harness.put(Input::Wake);
    }
    let received = harness.notices(|notice| match notice {
        DeviceNotice::Received(_, payload, ..) => Some(String::from_utf8_lossy(payload).into_owned()),
        _ => None,
    });
    assert_eq!(received, ["first", "second", "third"]);
    assert_eq!(harness.published(), ticks + 1, "the timer fired once, after the messages");
    assert!(harness.closes());
}
