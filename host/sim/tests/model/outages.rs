//! Frequency, duration and effects of outages.

mod hang;
mod reboots;
mod regions;

use std::time::Duration;

use serde_json::json;
use wasmote_mqtt::client::DisconnectMode;
use wasmote_sim::action::Action;
use wasmote_sim::behaviour::Trap;
use wasmote_sim::context::Context;
use wasmote_sim::device::{ConnectionState, Input, PowerState};
use wasmote_sim::event::{Event, StartCause, StopReason};
use wasmote_sim::faults::document::{FaultDocument, Kind};
use wasmote_sim::faults::span::Span;
use wasmote_sim::http::HttpFailure;
use wasmote_sim::notice::DeviceNotice;

use crate::harness::{Harness, at_qos_1, document, fault, idle, message, ticker, with};

const HOUR: Duration = Duration::from_secs(3600);

fn outage(kind: Kind, every: u64, probability: f64, lasting: u64) -> FaultDocument {
    let seconds = |n| Some(Span(Duration::from_secs(n)));
    document([fault(
        json!({"kind": kind, "every": seconds(every), "probability": probability, "for": seconds(lasting)}),
    )])
}

fn outages_begun(harness: &Harness) -> usize {
    harness.notices(|notice| matches!(notice, DeviceNotice::FaultBegan(..)).then_some(())).len()
}

#[test]
fn silences_have_the_configured_frequency() {
    // 200 devices for 10 hours: 1,200 periods each. The trial at the end of a silence has no effect, so that
    // 1 + p periods correspond to one trial.
    let count: usize = (0..200)
        .map(|n| {
            let mut harness =
                Harness::named(&format!("d-{n}"), "d", idle, outage(Kind::Silence, 30, 0.05, 30), 9);
            harness.run(10 * HOUR);
            outages_begun(&harness)
        })
        .sum();
    let recurrence = 200.0 * 1200.0 / 1.05;
    let deviation = (count as f64 - recurrence * 0.05).abs() / (recurrence * 0.05 * 0.95).sqrt();
    assert!(deviation < 3.29, "{count} silences are {deviation:.2} standard deviations off");
}

#[test]
fn the_silences_of_a_fleet_do_not_coincide() {
    let first = |n: u32| {
        let faults = outage(Kind::Silence, 30, 1.0, 1);
        let mut harness = Harness::named(&format!("d-{n}"), "d", idle, faults, 9);
        harness.run(Duration::from_secs(30));
        assert_eq!(outages_begun(&harness), 1, "the first trial is in the first period");
        harness.actions.iter().find_map(|action| match action {
            Action::Notice(DeviceNotice::FaultBegan(_, _, until)) => Some(until.as_nanos()),
            _ => None,
        })
    };
    let mut instants: Vec<_> = (0..100).map(first).collect();
    instants.sort_unstable();
    instants.dedup();
    assert_eq!(instants.len(), 100);
}

#[test]
fn a_silent_device_sends_nothing_and_its_losses_are_counted_for_the_silence() {
    let mut harness = Harness::new(ticker, outage(Kind::Silence, 100, 1.0, 30));
    harness.run(Duration::from_secs(100));
    let silence = harness.actions.iter().position(|action| *action == Action::Silence).expect("a silence");
    let resume = harness.actions.iter().position(|action| *action == Action::Resume);
    let during = &harness.actions[silence..resume.unwrap_or(harness.actions.len())];
    assert!(!during.iter().any(|action| matches!(action, Action::Publish(_))));
    let dropped: u64 = harness.device.ledger().faults().map(|(_, counts)| counts.dropped()).sum();
    assert!((1..=31).contains(&dropped), "{dropped}");
    assert!(harness.closes());
}

#[test]
fn messages_at_qos_1_survive_a_silence() {
    let mut harness = Harness::new(idle, outage(Kind::Silence, 10, 1.0, 30));
    harness.run(Duration::from_secs(11));
    assert!(harness.actions.contains(&Action::Silence));
    harness.put(Input::Publish(at_qos_1("t/keep", "a")));
    harness.put(Input::Publish(message("t/lose", "b")));
    assert_eq!(harness.published(), 0);
    harness.run(Duration::from_secs(31));
    assert_eq!(harness.published(), 1, "the message at QoS 1 is sent, the one at QoS 0 is lost");
    assert!(harness.closes());
}

#[test]
fn after_a_silence_nothing_is_sent_until_the_connection_is_tested() {
    let mut harness = Harness::new(idle, outage(Kind::Silence, 10, 1.0, 5));
    harness.broker_up = false;
    harness.put(Input::Connected { session_present: false });
    harness.run(Duration::from_secs(16));
    assert!(harness.actions.contains(&Action::Resume));
    assert_eq!(*harness.device.connection(), ConnectionState::Resuming);
    harness.put(Input::Publish(at_qos_1("t/keep", "a")));
    assert_eq!(harness.published(), 0);
    harness.put(Input::Resumed);
    assert_eq!(harness.published(), 1);
}

/// Keeps a count in its store, and logs it at every start.
fn counts_lives(event: Event, context: &mut Context) -> Result<(), Trap> {
    if let Event::Started(cause) = event {
        let kept = context.store().get("lives").map_or(0, |bytes| bytes[0]);
        let text = format!("{cause:?} after {kept}");
        context.log(wasmote_sim::context::LogLevel::Info, text);
        context.store_value("lives".into(), vec![kept + 1].into()).expect("it fits");
        context.set_timer(1, context.now() + HOUR).expect("it fits");
    }
    Ok(())
}

#[test]
fn a_crash_keeps_only_the_store_and_sends_no_disconnect() {
    let mut harness = Harness::new(counts_lives, FaultDocument::default());
    harness.run(Duration::from_secs(1));
    harness.put(Input::Crash);
    assert!(matches!(harness.device.power(), PowerState::Down { .. }));
    assert!(
        harness.actions.contains(&Action::Disconnect(DisconnectMode::PowerLoss)),
        "so that the will is published"
    );
    harness.run(Duration::from_secs(6));
    assert_eq!(*harness.device.power(), PowerState::On);
    let logged = harness.notices(|notice| match notice {
        DeviceNotice::Log(_, text) => Some(text.clone()),
        _ => None,
    });
    assert_eq!(logged, ["PowerOn after 0", "Restart after 1"]);
    let causes = harness.notices(|notice| match notice {
        DeviceNotice::Started(cause) => Some(*cause),
        _ => None,
    });
    assert_eq!(causes, [StartCause::PowerOn, StartCause::Restart]);
}

#[test]
fn a_disconnected_device_reconnects_after_the_outage() {
    let mut harness = Harness::new(ticker, outage(Kind::Disconnect, 60, 1.0, 20));
    harness.run(Duration::from_secs(60));
    let reasons = harness.notices(|notice| match notice {
        DeviceNotice::Disconnected(end, pause) => Some((end.reason.clone(), *pause)),
        _ => None,
    });
    assert_eq!(reasons, [("fault `disconnect`".to_owned(), Duration::from_secs(20))]);
    let ends = harness.actions.iter().filter(|action| matches!(action, Action::Disconnect(_)));
    assert_eq!(
        ends.collect::<Vec<_>>(),
        [&Action::Disconnect(DisconnectMode::Abort)],
        "the device keeps its memory"
    );
    harness.run(Duration::from_secs(20));
    assert_eq!(*harness.device.connection(), ConnectionState::Up);
    assert!(harness.device.ledger().lost_offline >= 19, "{}", harness.device.ledger().lost_offline);
    assert!(harness.closes());
}

#[test]
fn fault_counts_continue_after_a_change_of_faults() {
    let lossy = document([fault(json!({"kind": "loss", "probability": 1.0}))]);
    let mut harness = Harness::new(ticker, lossy.clone());
    harness.run(Duration::from_secs(10));
    assert_eq!(harness.published(), 0);
    harness.put(Input::SetFaults(Vec::new().into()));
    harness.run(Duration::from_secs(10));
    assert_eq!(harness.published(), 10);
    harness.put(Input::SetFaults(lossy.faults().unwrap().into()));
    harness.run(Duration::from_secs(10));
    let dropped: Vec<u64> = harness.device.ledger().faults().map(|(_, counts)| counts.dropped()).collect();
    assert_eq!(dropped, [20]);
    assert!(harness.closes());
}

#[test]
fn a_device_that_is_stopped_while_down_can_be_started() {
    let mut harness = Harness::new(counts_lives, FaultDocument::default());
    harness.put(Input::Crash);
    harness.put(Input::Stop(StopReason::Requested));
    harness.put(Input::HttpReply(1, Err(HttpFailure::TimedOut)));
    harness.put(Input::Start);
    assert_eq!(
        (harness.device.power(), harness.device.connection()),
        (&PowerState::On, &ConnectionState::Up)
    );
    let logged = harness.notices(|notice| match notice {
        DeviceNotice::Log(_, text) => Some(text.clone()),
        _ => None,
    });
    assert_eq!(logged, ["PowerOn after 0", "Restart after 1"], "the store survives a stop");
}

#[test]
fn trials_missed_while_off_do_not_delay_a_device() {
    let mut harness = Harness::new(idle, outage(Kind::Disconnect, 1, 1.0, 1));
    harness.put(Input::Stop(StopReason::Requested));
    harness.run(24 * HOUR);
    let before = outages_begun(&harness);
    harness.put(Input::Start);
    harness.run(Duration::from_secs(10));
    assert!((3..=10).contains(&(outages_begun(&harness) - before)), "{}", outages_begun(&harness) - before);
}

#[test]
fn a_too_short_period_is_refused() {
    let mut document = outage(Kind::Silence, 1, 0.0, 1);
    let entry = document.faults.remove(0);
    document.faults.push(with(entry, json!({"every": Span(Duration::from_nanos(1))})));
    let problem = document.faults().unwrap_err().to_string();
    assert_eq!(problem, "fault[0].every: 1ns is less than 10ms");
}
