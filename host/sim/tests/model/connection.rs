//! Subscriptions outlive connections, and a lost broker is not stormed.

use std::time::Duration;

use wasmote_sim::action::{Action, Cause, Notice};
use wasmote_sim::behaviour::Trap;
use wasmote_sim::context::Context;
use wasmote_sim::device::Input;
use wasmote_sim::event::Event;
use wasmote_sim::faults::document::FaultDocument;
use wasmote_sim::message::{Message, Qos};
use wasmote_sim::topic::{Topic, TopicFilter};

use crate::bench::{Bench, at_qos_1, idle};

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

fn asked(bench: &Bench, from: usize) -> Vec<String> {
    let asked = bench.actions[from..].iter().filter_map(|action| match action {
        Action::Subscribe(filter, _) => Some(filter.to_string()),
        _ => None,
    });
    asked.collect()
}

#[test]
fn a_broker_without_the_session_is_asked_for_everything_again() {
    let mut bench = Bench::new(listener, FaultDocument::default());
    assert_eq!(asked(&bench, 0), ["a/#"]);
    bench.broker_up = false;
    bench.put(Input::Disconnected("reset by peer".into()));
    let seen = bench.actions.len();
    bench.put(Input::Connected { session_present: false });
    assert_eq!(asked(&bench, seen), ["a/#", "b/#"]);
}

#[test]
fn a_broker_with_the_session_is_asked_for_what_is_new() {
    let mut bench = Bench::new(listener, FaultDocument::default());
    bench.broker_up = false;
    bench.put(Input::Disconnected("reset by peer".into()));
    let seen = bench.actions.len();
    bench.put(Input::Connected { session_present: true });
    assert_eq!(asked(&bench, seen), ["b/#"]);
}

#[test]
fn pauses_between_tries_grow_to_half_a_minute_and_are_jittered() {
    let pauses = |id: &str| {
        let mut bench = Bench::named(id, "west", idle, FaultDocument::default(), 1);
        bench.broker_up = false;
        bench.put(Input::Disconnected("reset by peer".into()));
        bench.run(Duration::from_secs(600));
        bench.notices(|notice| match notice {
            Notice::Disconnected(_, pause) => Some(*pause),
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
    let mut bench = Bench::new(idle, FaultDocument::default());
    bench.broker_up = false;
    bench.put(Input::Disconnected("reset by peer".into()));
    for _ in 0..150 {
        bench.put(Input::Publish(at_qos_1("t", "x")));
    }
    assert_eq!(bench.device.waiting(), (100, 0));
    assert_eq!(bench.device.ledger().refused_full, 50);
    bench.put(Input::Connected { session_present: false });
    assert_eq!(bench.published(), 100);
    assert!(bench.closes());
}

#[test]
fn a_message_from_outside_that_is_too_large_does_not_reach_the_behaviour() {
    let mut bench = Bench::new(idle, FaultDocument::default());
    let large = Message::new(Topic::new("t").expect("a topic"), vec![0; (128 << 10) + 1]);
    bench.put(Input::Delivered(large));
    assert_eq!((bench.device.ledger().received, bench.device.ledger().discarded), (0, 1));
    let told = bench.notices(|notice| matches!(notice, Notice::Dropped(_, Cause::TooLarge(_))).then_some(()));
    assert_eq!(told.len(), 1);
    assert!(bench.closes());
}

#[test]
fn a_message_that_comes_back_is_sent_again_and_the_ledger_says_so() {
    let mut bench = Bench::new(idle, FaultDocument::default());
    bench.put(Input::Publish(at_qos_1("t", "x")));
    bench.broker_up = false;
    bench.put(Input::Returned(at_qos_1("t", "x")));
    bench.put(Input::Disconnected("reset by peer".into()));
    assert!(bench.closes());
    bench.put(Input::Connected { session_present: false });
    assert_eq!((bench.device.ledger().sent, bench.device.ledger().returned), (2, 1));
    assert!(bench.closes());
}
