//! Hangs of a behaviour.

use std::time::Duration;

use bytes::Bytes;
use wasmote_sim::action::Action;
use wasmote_sim::behaviour::Trap;
use wasmote_sim::context::{Context, LogLevel};
use wasmote_sim::device::Input;
use wasmote_sim::event::Event;
use wasmote_sim::faults::document::Kind;
use wasmote_sim::http::HttpRequest;
use wasmote_sim::notice::DeviceNotice;

use super::outage;
use crate::harness::{Harness, at_qos_1, message};

/// Logs its messages, and ticks once a second.
fn logger(event: Event, context: &mut Context) -> Result<(), Trap> {
    if matches!(event, Event::Started(_) | Event::Timer(_)) {
        context.set_timer(1, context.now() + Duration::from_secs(1)).expect("it fits");
    }
    let line = match event {
        Event::Timer(_) => "tick".to_owned(),
        Event::Message(message) => String::from_utf8_lossy(&message.payload).into_owned(),
        _ => return Ok(()),
    };
    context.log(LogLevel::Info, line);
    Ok(())
}

fn logged(harness: &Harness, from: usize) -> Vec<String> {
    let logged = harness.actions[from..].iter().filter_map(|action| match action {
        Action::Notice(DeviceNotice::Log(_, text)) => Some(text.clone()),
        _ => None,
    });
    logged.collect()
}

/// A device at the beginning of a hang of 30 seconds.
fn hung() -> Harness {
    let mut harness = Harness::new(logger, outage(Kind::Hang, 100, 1.0, 30));
    while harness.device.active_faults().is_empty() {
        harness.run(Duration::from_millis(100));
    }
    assert!(harness.actions.contains(&Action::Silence), "a hanging device is silent");
    harness
}

#[test]
fn a_hung_behaviour_gets_its_events_in_order_after_the_hang() {
    let mut harness = hung();
    let before = harness.actions.len();
    harness.put(Input::Delivered(message("t", "first")));
    harness.run(Duration::from_secs(10));
    harness.put(Input::Delivered(message("t", "second")));
    assert_eq!(logged(&harness, before), [""; 0]);
    assert_eq!(harness.device.waiting(), (0, 2));
    assert!(harness.closes());
    harness.run(Duration::from_secs(20));
    assert_eq!(
        logged(&harness, before),
        ["first", "second", "tick"],
        "the timer fires after the deferred events"
    );
    assert_eq!((harness.device.waiting(), harness.device.ledger().received), ((0, 0), 2));
    assert!(harness.actions[before..].contains(&Action::Resume));
    harness.run(Duration::from_secs(5));
    assert_eq!(logged(&harness, before).len(), 8, "the ticks continue");
}

#[test]
fn a_publish_on_behalf_of_a_hung_device_is_dropped() {
    let mut harness = hung();
    harness.put(Input::Publish(message("t", "lost")));
    harness.put(Input::Publish(at_qos_1("t", "kept")));
    assert_eq!(harness.published(), 0);
    assert_eq!(harness.device.ledger().fault_total().dropped_out, 1);
    harness.run(Duration::from_secs(30));
    assert_eq!(harness.published(), 1);
    assert!(harness.closes());
}

#[test]
fn a_restart_ends_a_hang_and_discards_deferred_events() {
    let mut harness = hung();
    harness.put(Input::Delivered(message("t", "discarded")));
    let before = harness.actions.len();
    harness.put(Input::Crash);
    assert_eq!(harness.device.ledger().discarded, 1);
    harness.run(Duration::from_secs(7));
    assert!(harness.device.active_faults().is_empty());
    assert!(harness.actions[before..].contains(&Action::Resume));
    let logged = logged(&harness, before);
    assert!(!logged.is_empty() && logged.iter().all(|line| line == "tick"), "{logged:?}");
    assert!(harness.closes());
}

#[test]
fn a_change_of_faults_ends_a_hang() {
    let mut harness = hung();
    harness.put(Input::Delivered(message("t", "late")));
    let before = harness.actions.len();
    harness.put(Input::SetFaults(Vec::new().into()));
    assert_eq!(logged(&harness, before)[0], "late", "before any timer");
    assert!(harness.closes());
}

#[test]
fn a_hung_device_answers_requests_with_503() {
    let mut harness = hung();
    let request =
        HttpRequest { method: "GET".into(), url: "/".into(), headers: Vec::new(), body: Bytes::new() };
    harness.put(Input::HttpRequest(7, request));
    let answered = harness.actions.iter().find_map(|action| match action {
        Action::HttpRespond(7, response) => Some(response.status),
        _ => None,
    });
    assert_eq!(answered, Some(503));
}
