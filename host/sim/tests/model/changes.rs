//! Changes of faults during a run.

use std::time::Duration;

use serde_json::json;
use wasmote_sim::action::Action;
use wasmote_sim::behaviour::Trap;
use wasmote_sim::context::Context;
use wasmote_sim::device::Input;
use wasmote_sim::event::Event;
use wasmote_sim::faults::document::{DelayKind, FaultDocument, FaultEntry, Kind};
use wasmote_sim::faults::span::Span;
use wasmote_sim::notice::DeviceNotice;

use crate::harness::{Harness, document, fault, idle, message, ticker, with};

const SECOND: Duration = Duration::from_secs(1);

fn set(harness: &mut Harness, faults: &FaultDocument) {
    harness.put(Input::SetFaults(faults.faults().expect("valid").into()));
}

fn span(seconds: u64) -> Option<Span> {
    Some(Span(Duration::from_secs(seconds)))
}

fn of(kind: Kind, probability: f64) -> FaultEntry {
    fault(json!({"kind": kind, "probability": probability}))
}

fn outage(kind: Kind) -> FaultEntry {
    with(of(kind, 1.0), json!({"every": span(60), "for": span(30)}))
}

/// Publishes ten times a second.
fn publisher(event: Event, context: &mut Context) -> Result<(), Trap> {
    if matches!(event, Event::Started(_) | Event::Timer(_)) {
        let next = context.now() + SECOND / 10;
        context.set_timer(1, next).expect("one timer fits");
    }
    if matches!(event, Event::Timer(_)) {
        let now = context.now().as_nanos().to_string();
        let timestamped = wasmote_mqtt::message::Message { payload: now.into(), ..message("t", "") };
        context.publish(timestamped).expect("within the rate");
    }
    Ok(())
}

/// Payloads sent in three minutes with faults that are set every ten seconds.
fn published_with(faults: impl Fn(u64) -> FaultDocument) -> Vec<String> {
    let mut harness = Harness::new(publisher, faults(0));
    for step in 1..=18 {
        harness.run(10 * SECOND);
        set(&mut harness, &faults(step));
    }
    assert!(harness.closes());
    let published = harness.actions.iter().filter_map(|action| match action {
        Action::Publish(message) => Some(String::from_utf8_lossy(&message.payload).into_owned()),
        _ => None,
    });
    published.collect()
}

fn mixed() -> Vec<FaultEntry> {
    let delay = with(
        of(Kind::Delay, 0.5),
        json!({"distribution": DelayKind::LogNormal, "mean": span(1), "std": span(1), "correlation": 0.9}),
    );
    vec![
        with(of(Kind::Loss, 0.3), json!({"run_length": 5.0})),
        with(of(Kind::Reorder, 0.05), json!({"gap": 30, "max": span(60)})),
        fault(json!({"kind": Kind::Bandwidth, "bytes_per_second": 300})),
        delay,
        outage(Kind::Silence),
        outage(Kind::Partition),
    ]
}

/// The state of a fault affects which messages pass and when: random streams, loss bursts, held messages,
/// link backlog, delay correlation and active outages.
#[test]
fn setting_the_same_faults_again_changes_nothing() {
    let untouched = {
        let mut harness = Harness::new(publisher, document(mixed()));
        harness.run(180 * SECOND);
        let sent = harness.actions.iter().filter_map(|action| match action {
            Action::Publish(message) => Some(String::from_utf8_lossy(&message.payload).into_owned()),
            _ => None,
        });
        sent.collect::<Vec<_>>()
    };
    assert!((200..1_500).contains(&untouched.len()), "{}", untouched.len());
    assert_eq!(published_with(|_| document(mixed())), untouched);
}

/// With a restarted stream, every step of ten seconds would lose the same of its hundred messages.
#[test]
fn the_steps_of_a_ramp_draw_on_one_stream() {
    let ramp = |step: u64| document([of(Kind::Loss, 0.5 + step as f64 * 1e-12)]);
    let published = published_with(ramp);
    assert_eq!(published, published_with(|_| ramp(0)), "steps this small change no result");
    let of_step = |step: u64| -> Vec<u64> {
        let times = published.iter().map(|payload| payload.parse::<u64>().expect("a time"));
        let within = times.filter(|at| at.div_ceil(10_000_000_000) == step + 1);
        within.map(|at| at - step * 10_000_000_000).collect()
    };
    assert!((30..70).contains(&of_step(0).len()));
    assert!((1..18).all(|step| of_step(step) != of_step(0)));
}

/// Runs until an outage is active.
fn in_outage(faults: FaultDocument) -> Harness {
    let mut harness = Harness::new(ticker, faults);
    while harness.device.active_faults().is_empty() {
        harness.run(SECOND);
    }
    harness
}

fn began_and_ended(harness: &Harness) -> (usize, usize) {
    let began = harness.notices(|notice| matches!(notice, DeviceNotice::FaultBegan(..)).then_some(()));
    let ended = harness.notices(|notice| matches!(notice, DeviceNotice::FaultEnded(..)).then_some(()));
    (began.len(), ended.len())
}

#[test]
fn an_active_outage_keeps_its_end() {
    for kind in [Kind::Silence, Kind::Hang, Kind::Partition] {
        let mut harness = in_outage(document([outage(kind)]));
        let until = harness.device.active_faults()[0].until.expect("an end");
        let longer = with(outage(kind), json!({"for": span(50)}));
        set(&mut harness, &document([of(Kind::Loss, 0.5), longer]));
        assert_eq!(harness.device.active_faults()[0].until, Some(until));
        harness.run(until.since(harness.now));
        assert_eq!(began_and_ended(&harness), (1, 1), "{kind:?}");
        assert!(harness.device.active_faults().is_empty());
    }
}

#[test]
fn a_removed_fault_ends_with_a_notice() {
    let mut harness = in_outage(document([outage(Kind::Silence)]));
    set(&mut harness, &document([of(Kind::Loss, 0.0)]));
    assert_eq!(began_and_ended(&harness), (1, 1));
    assert!(harness.actions.contains(&Action::Resume));
    assert!(harness.device.active_faults().is_empty());
}

#[test]
fn a_fault_of_another_kind_is_a_new_fault() {
    let named = |entry| with(entry, json!({"id": "it"}));
    let mut harness = in_outage(document([named(outage(Kind::Silence))]));
    set(&mut harness, &document([named(outage(Kind::Hang))]));
    assert_eq!(began_and_ended(&harness), (1, 1));
    assert!(harness.device.active_faults().is_empty());
}

#[test]
fn held_messages_wait_until_their_fault_is_removed() {
    let held = with(of(Kind::Reorder, 1.0), json!({"gap": 5, "max": span(60)}));
    let mut harness = Harness::new(idle, document([held.clone()]));
    harness.put(Input::Publish(message("t", "x")));
    set(&mut harness, &document([of(Kind::Corrupt, 0.0), held]));
    assert_eq!((harness.published(), harness.device.waiting().0), (0, 1));
    set(&mut harness, &document([of(Kind::Corrupt, 0.0)]));
    assert_eq!((harness.published(), harness.device.waiting().0), (1, harness.device.in_flight()));
    assert!(harness.closes());
}
