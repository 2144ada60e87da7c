//! Subscriptions outlive connections, and a lost broker is not stormed.

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

fn asked(harness: &Harness, from: usize) -> Vec<String> {
    let asked = harness.actions[from..].iter().filter_map(|action| match action {
        Action::Subscribe(filter, _) => Some(filter.to_string()),
        _ => None,
    });
    asked.collect()
}

#[test]
fn a_broker_without_the_session_is_asked_for_everything_again() {
    let mut harness = Harness::new(listener, FaultDocument::default());
    assert_eq!(asked(&harness, 0), ["a/#"]);
    harness.broker_up = false;
    harness.put(Input::Disconnected("reset by peer".into()));
    let seen = harness.actions.len();
    harness.put(Input::Connected { session_present: false });
    assert_eq!(asked(&harness, seen), ["a/#", "b/#"]);
}

#[test]
fn a_broker_with_the_session_is_asked_for_what_is_new() {
    let mut harness = Harness::new(listener, FaultDocument::default());
    harness.broker_up = false;
    harness.put(Input::Disconnected("reset by peer".into()));
    let seen = harness.actions.len();
    harness.put(Input::Connected { session_present: true });
    assert_eq!(asked(&harness, seen), ["b/#"]);
}

#[test]
fn pauses_between_tries_grow_to_half_a_minute_and_are_jittered() {
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
    assert_ne!(first, second, "two devices do not come back as one wave");
}

#[test]
fn a_queue_that_is_full_refuses_and_counts() {
    let mut harness = Harness::new(idle, FaultDocument::default());
    harness.broker_up = false;
    harness.put(Input::Disconnected("reset by peer".into()));
    for _ in 0..150 {
        harness.put(Input::Publish(at_qos_1("t", "x")));
    }
    assert_eq!(harness.device.waiting(), (100, 0));
    assert_eq!(harness.device.ledger().refused_full, 50);
    harness.put(Input::Connected { session_present: false });
    assert_eq!(harness.published(), 100);
    assert!(harness.closes());
}

#[test]
fn a_message_from_outside_that_is_too_large_does_not_reach_the_behaviour() {
    let mut harness = Harness::new(idle, FaultDocument::default());
    let large = Message::new(Topic::new("t").expect("a topic"), vec![0; (128 << 10) + 1]);
    harness.put(Input::Delivered(large));
    assert_eq!((harness.device.ledger().received, harness.device.ledger().discarded), (0, 1));
    let told = harness
        .notices(|notice| matches!(notice, DeviceNotice::Dropped(_, DropCause::TooLarge(_))).then_some(()));
    assert_eq!(told.len(), 1);
    assert!(harness.closes());
}

#[test]
fn a_message_that_comes_back_is_sent_again_and_the_ledger_says_so() {
    let mut harness = Harness::new(idle, FaultDocument::default());
    harness.put(Input::Publish(at_qos_1("t", "x")));
    harness.broker_up = false;
    harness.put(Input::Returned(at_qos_1("t", "x")));
    harness.put(Input::Disconnected("reset by peer".into()));
    assert!(harness.closes());
    harness.put(Input::Connected { session_present: false });
    assert_eq!((harness.device.ledger().sent, harness.device.ledger().returned), (2, 1));
    assert!(harness.closes());
}
