//! Reconnects: subscriptions are restored, and attempts are spread over time.

use std::time::Duration;

use wasmote_mqtt::message::{Message, Qos};
use wasmote_mqtt::topic::{Topic, TopicFilter};
use wasmote_sim::action::Action;
use wasmote_sim::behaviour::Trap;
use wasmote_sim::context::Context;
use wasmote_sim::device::Input;
use wasmote_sim::event::Event;
use wasmote_sim::faults::document::FaultDocument;
use wasmote_sim::notice::{DeviceNotice, DropCause};

use crate::harness::{Harness, at_qos_1, idle};

fn filter(text: &str) -> TopicFilter {
    TopicFilter::new(text).expect("a filter")
}

fn listener(event: Event, context: &mut Context) -> Result<(), Trap> {
    match event {
        Event::Started(_) => context.subscribe(filter("a/#"), Qos::AtLeastOnce).expect("it fits"),
        Event::Connection(wasmote_sim::event::ConnectionChange::Down(_)) => {
            context.subscribe(filter("b/#"), Qos::AtMostOnce).expect("it fits");
        }
        _ => {}
    }
    Ok(())
}

fn subscribed(harness: &Harness, from: usize) -> Vec<String> {
    let subscribed = harness.actions[from..].iter().filter_map(|action| match action {
        Action::Subscribe(filter, _) => Some(filter.to_string()),
        _ => None,
    });
    subscribed.collect()
}

#[test]
fn without_the_session_all_subscriptions_are_restored() {
    let mut harness = Harness::new(listener, FaultDocument::default());
    assert_eq!(subscribed(&harness, 0), ["a/#"]);
    harness.broker_up = false;
    harness.put(Input::Disconnected("reset by peer".into()));
    let before = harness.actions.len();
    harness.put(Input::Connected { session_present: false });
    assert_eq!(subscribed(&harness, before), ["a/#", "b/#"]);
}

#[test]
fn with_the_session_only_new_subscriptions_are_sent() {
    let mut harness = Harness::new(listener, FaultDocument::default());
    harness.broker_up = false;
    harness.put(Input::Disconnected("reset by peer".into()));
    let before = harness.actions.len();
    harness.put(Input::Connected { session_present: true });
    assert_eq!(subscribed(&harness, before), ["b/#"]);
}

#[test]
fn reconnect_delays_grow_to_half_a_minute_and_are_jittered() {
    let pauses = |id: &str| {
        let mut harness = Harness::named(id, "west", idle, FaultDocument::default(), 1);
        harness.broker_up = false;
        harness.put(Input::Disconnected("reset by peer".into()));
        harness.run(Duration::from_secs(600));
        harness.notices(|notice| match notice {
            DeviceNotice::Disconnected(_, pause) => Some(*pause),
            _ => None,
        })
    };
    let (first, second) = (pauses("a"), pauses("b"));
    assert!(first[0] <= Duration::from_millis(500) && first[0] >= Duration::from_millis(250));
    assert!(first.iter().all(|pause| *pause <= Duration::from_secs(30)));
    assert!(*first.last().unwrap() >= Duration::from_secs(15));
    assert_ne!(first, second, "devices do not reconnect at the same times");
}

#[test]
fn a_full_queue_refuses_messages() {
    let mut harness = Harness::new(idle, FaultDocument::default());
    harness.broker_up = false;
    harness.put(Input::Disconnected("reset by peer".into()));
    for _ in 0..150 {
        harness.put(Input::Publish(at_qos_1("t", "x")));
    }
    assert_eq!(harness.device.waiting(), (100, 0));
    assert_eq!(harness.device.ledger().refused.queue_full, 50);
    harness.put(Input::Connected { session_present: false });
    assert_eq!(harness.published(), 100);
    assert!(harness.closes());
}

#[test]
fn an_oversized_message_is_discarded() {
    let mut harness = Harness::new(idle, FaultDocument::default());
    let large = Message::new(Topic::new("t").expect("a topic"), vec![0; (128 << 10) + 1]);
    harness.put(Input::Delivered(large));
    assert_eq!((harness.device.ledger().received, harness.device.ledger().discarded), (0, 1));
    let dropped = harness.notices(|notice| {
        matches!(notice, DeviceNotice::Dropped(_, DropCause::TooLarge(_), _)).then_some(())
    });
    assert_eq!(dropped.len(), 1);
    assert!(harness.closes());
}

#[test]
fn a_returned_message_is_sent_again_and_counted() {
    let mut harness = Harness::new(idle, FaultDocument::default());
    harness.put(Input::Publish(at_qos_1("t", "x")));
    harness.broker_up = false;
    harness.put(Input::Returned(at_qos_1("t", "x")));
    harness.put(Input::Disconnected("reset by peer".into()));
    assert!(harness.closes());
    harness.put(Input::Connected { session_present: false });
    assert_eq!((harness.device.in_flight(), harness.device.ledger().returned), (1, 1));
    assert_eq!(harness.device.ledger().sent, 0, "nothing has left for good");
    harness.device.count_sent(1);
    assert_eq!((harness.device.in_flight(), harness.device.ledger().sent), (0, 1));
    assert!(harness.closes());
}
