//! A behaviour that stands still.

use std::time::Duration;

use bytes::Bytes;
use wasmote_sim::action::{Action, Notice};
use wasmote_sim::behaviour::Trap;
use wasmote_sim::context::{Context, LogLevel};
use wasmote_sim::device::Input;
use wasmote_sim::event::Event;
use wasmote_sim::faults::document::Kind;
use wasmote_sim::http::HttpRequest;

use super::outage;
use crate::bench::{Bench, at_qos_1, message};

/// Says all that happens to it, and ticks once a second.
fn talker(event: Event, context: &mut Context) -> Result<(), Trap> {
    if matches!(event, Event::Started(_) | Event::Timer(_)) {
        context.set_timer(1, context.now() + Duration::from_secs(1)).expect("it fits");
    }
    let word = match event {
        Event::Timer(_) => "tick".to_owned(),
        Event::Message(message) => String::from_utf8_lossy(&message.payload).into_owned(),
        _ => return Ok(()),
    };
    context.log(LogLevel::Info, word);
    Ok(())
}

fn said(bench: &Bench, from: usize) -> Vec<String> {
    let said = bench.actions[from..].iter().filter_map(|action| match action {
        Action::Notice(Notice::Log(_, text)) => Some(text.clone()),
        _ => None,
    });
    said.collect()
}

/// A device that has just begun to hang, for 30 seconds.
fn hung() -> Bench {
    let mut bench = Bench::new(talker, outage(Kind::Hang, 100, 1.0, 30));
    while bench.device.active_faults().is_empty() {
        bench.run(Duration::from_millis(100));
    }
    assert!(bench.actions.contains(&Action::Silence), "its radio is silent");
    bench
}

#[test]
fn a_hung_behaviour_hears_of_nothing_until_it_goes_on_and_then_of_all_in_order() {
    let mut bench = hung();
    let before = bench.actions.len();
    bench.put(Input::Delivered(message("t", "first")));
    bench.run(Duration::from_secs(10));
    bench.put(Input::Delivered(message("t", "second")));
    assert_eq!(said(&bench, before), [""; 0]);
    assert_eq!(bench.device.waiting(), (0, 2));
    assert!(bench.closes());
    bench.run(Duration::from_secs(20));
    assert_eq!(said(&bench, before), ["first", "second", "tick"], "its one timer fires after");
    assert_eq!((bench.device.waiting(), bench.device.ledger().received), ((0, 0), 2));
    assert!(bench.actions[before..].contains(&Action::Resume));
    bench.run(Duration::from_secs(5));
    assert_eq!(said(&bench, before).len(), 8, "and it ticks again");
}

#[test]
fn a_user_who_publishes_for_a_hung_device_meets_a_silent_radio() {
    let mut bench = hung();
    bench.put(Input::Publish(message("t", "lost")));
    bench.put(Input::Publish(at_qos_1("t", "kept")));
    assert_eq!(bench.published(), 0);
    assert_eq!(bench.device.ledger().fault_total().dropped_out, 1);
    bench.run(Duration::from_secs(30));
    assert_eq!(bench.published(), 1);
    assert!(bench.closes());
}

#[test]
fn a_restart_ends_a_hang_and_what_waited_is_lost() {
    let mut bench = hung();
    bench.put(Input::Delivered(message("t", "never heard")));
    let before = bench.actions.len();
    bench.put(Input::Crash);
    assert_eq!(bench.device.ledger().discarded, 1);
    bench.run(Duration::from_secs(7));
    assert!(bench.device.active_faults().is_empty());
    assert!(bench.actions[before..].contains(&Action::Resume));
    let said = said(&bench, before);
    assert!(!said.is_empty() && said.iter().all(|word| word == "tick"), "{said:?}");
    assert!(bench.closes());
}

#[test]
fn other_faults_end_a_hang() {
    let mut bench = hung();
    bench.put(Input::Delivered(message("t", "late")));
    let before = bench.actions.len();
    bench.put(Input::SetFaults(Vec::new().into()));
    assert_eq!(said(&bench, before)[0], "late", "before any timer");
    assert!(bench.closes());
}

#[test]
fn a_hung_device_does_not_let_a_request_wait() {
    let mut bench = hung();
    let request =
        HttpRequest { method: "GET".into(), url: "/".into(), headers: Vec::new(), body: Bytes::new() };
    bench.put(Input::HttpRequest(7, request));
    let answered = bench.actions.iter().find_map(|action| match action {
        Action::HttpRespond(7, response) => Some(response.status),
        _ => None,
    });
    assert_eq!(answered, Some(503));
}
