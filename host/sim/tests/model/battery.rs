//! Lifetime of batteries.

use std::time::Duration;

use serde_json::json;
use wasmote_mqtt::client::DisconnectMode;
use wasmote_sim::action::Action;
use wasmote_sim::device::{Input, PowerState};
use wasmote_sim::event::StopReason;
use wasmote_sim::faults::document::{FaultDocument, FaultEntry, Kind};
use wasmote_sim::faults::span::Span;
use wasmote_sim::notice::DeviceNotice;

use crate::harness::{Harness, document, fault, idle, message, ticker, with};

fn battery(capacity_joules: f64) -> FaultEntry {
    fault(json!({"kind": Kind::Battery, "capacity_joules": capacity_joules}))
}

/// A battery for 100 seconds of idling.
fn idling() -> FaultEntry {
    with(battery(10.0), json!({"idle_watts": 0.1}))
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn is_dead(harness: &Harness) -> bool {
    matches!(harness.device.power(), PowerState::Dead(_))
}

/// Rounded to microjoules, because the last bits depend on the order of additions.
fn microjoules(harness: &Harness) -> Option<i64> {
    harness.device.joules_left(harness.now).map(|joules| (joules * 1e6 + 0.5) as i64)
}

#[test]
fn an_idle_device_stays_off_after_its_battery_is_empty() {
    let mut harness = Harness::new(idle, document([idling()]));
    harness.run(seconds(99));
    assert_eq!((harness.device.is_running(), microjoules(&harness)), (true, Some(100_000)));
    harness.run(seconds(2));
    assert_eq!(*harness.device.power(), PowerState::Dead("the battery `battery` is empty".into()));
    assert!(
        harness.actions.contains(&Action::Disconnect(DisconnectMode::PowerLoss)),
        "so that the will is published"
    );
    let died = harness.notices(|notice| matches!(notice, DeviceNotice::Died(_, None)).then_some(()));
    assert_eq!(died.len(), 1);
    assert_eq!(harness.device.ledger().fault_total().outages, 1);
    assert_eq!(harness.device.next_deadline(), None, "a dead device has no deadlines");
}

#[test]
fn messages_bytes_and_events_consume_energy() {
    let entry = with(
        battery(100.0),
        json!({
            "send_joules": 1.0,
            "send_joules_per_byte": 0.1,
            "receive_joules": 0.5,
            "receive_joules_per_byte": 0.01,
            "event_joules": 0.001,
        }),
    );
    let mut harness = Harness::new(idle, document([entry]));
    // The device has handled the start and the connection.
    assert_eq!(microjoules(&harness), Some(99_998_000));
    harness.put(Input::Publish(message("t", "123")));
    assert_eq!(microjoules(&harness), Some(98_598_000));
    harness.put(Input::Delivered(message("t", "123")));
    assert_eq!(microjoules(&harness), Some(98_057_000));
}

#[test]
fn messages_can_empty_the_battery() {
    let mut harness = Harness::new(ticker, document([with(battery(5.5), json!({"send_joules": 1.0}))]));
    harness.run(seconds(60));
    assert_eq!((harness.published(), is_dead(&harness)), (6, true), "the sixth is still sent");
    assert!(harness.closes());
}

#[test]
fn a_new_battery_is_full() {
    let mut harness = Harness::new(idle, document([idling()]));
    harness.run(seconds(150));
    assert!(is_dead(&harness));
    harness.put(Input::Start);
    harness.run(seconds(50));
    assert_eq!((harness.device.is_running(), microjoules(&harness)), (true, Some(5_000_000)));
    harness.run(seconds(51));
    assert!(is_dead(&harness));
}

#[test]
fn a_recharged_battery_is_full() {
    let entry = with(idling(), json!({"recharge": Span(seconds(20))}));
    let mut harness = Harness::new(idle, document([entry]));
    harness.run(seconds(110));
    assert!(matches!(harness.device.power(), PowerState::Down { .. }));
    harness.run(seconds(11));
    assert!(harness.device.is_running());
    // 100 seconds on, 20 off: five cycles in ten minutes.
    harness.run(seconds(600 - 121));
    assert_eq!(harness.device.ledger().fault_total().outages, 5);
}

#[test]
fn a_device_that_is_off_consumes_no_energy_and_a_crash_does_not_recharge() {
    let mut harness = Harness::new(idle, document([idling()]));
    harness.run(seconds(40));
    harness.put(Input::Stop(StopReason::Requested));
    harness.run(seconds(1_000));
    assert_eq!(microjoules(&harness), Some(6_000_000));
    harness.put(Input::Start);
    harness.put(Input::Crash);
    harness.run(seconds(25));
    // 5 of the 25 seconds are the restart delay.
    assert_eq!(microjoules(&harness), Some(4_000_000));
}

#[test]
fn a_battery_of_the_same_name_keeps_its_state() {
    let faults = |entry: FaultEntry| -> FaultDocument { document([entry]) };
    let mut harness = Harness::new(idle, faults(idling()));
    harness.run(seconds(40));
    let hungry = with(idling(), json!({"idle_watts": 1.0}));
    harness.put(Input::SetFaults(faults(hungry).faults().unwrap().into()));
    assert_eq!(microjoules(&harness), Some(6_000_000));
    harness.run(seconds(5));
    assert_eq!(microjoules(&harness), Some(1_000_000), "past consumption is not computed again");
    harness.put(Input::SetFaults(faults(battery(5.0)).faults().unwrap().into()));
    assert!(is_dead(&harness), "the capacity is below the consumption");
}
