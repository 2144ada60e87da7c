//! Order, causes and clocks of the calls of a behaviour.

use std::time::Duration;

use serde_json::json;
use wasmote_engine::CompileMode;
use wasmote_sim::action::Action;
use wasmote_sim::device::Input;
use wasmote_sim::event::StopReason;
use wasmote_sim::faults::document::FaultDocument;
use wasmote_sim::limits::Limits;
use wasmote_sim::notice::DeviceNotice;

use super::started;
use crate::guests::{self, Guest};
use crate::harness::{Harness, compiled};

/// Reports the parameter of the export as a byte.
const REPORT_PARAMETER: &str =
    "(i32.store (i32.const 5000) (local.get 0)) (call $report (i32.const 5000) (i32.const 1))";

fn payloads(harness: &Harness) -> Vec<Vec<u8>> {
    harness.published().iter().map(|message| message.payload.to_vec()).collect()
}

#[test]
fn start_gets_its_cause_and_stop_its_reason() {
    let guest = Guest { start: REPORT_PARAMETER, stop: REPORT_PARAMETER, ..Guest::default() };
    let component = compiled(CompileMode::Full, &guest.component());
    let mut harness = Harness::single(&component, json!({}), Limits::default()).start();
    harness.handle(Input::Crash);
    harness.run(Duration::from_secs(10));
    harness.swap(&component);
    harness.handle(Input::Stop(StopReason::Requested));
    harness.handle(Input::Start);
    harness.handle(Input::Stop(StopReason::Shutdown));
    // Start: power-on, restart, swap. The old version stops with `swap` before the messages of the new one.
    let wanted: [&[u8]; 7] = [&[0], &[1], &[2], &[2], &[0], &[1], &[1]];
    assert_eq!(payloads(&harness), wanted);
}

#[test]
fn messages_of_the_last_call_are_sent_before_the_connection_ends() {
    let mut harness = started(&Guest { stop: "(call $publish-one)", ..Guest::default() });
    harness.handle(Input::Stop(StopReason::Shutdown));
    let end = harness.actions.iter().position(|action| matches!(action, Action::Disconnect(_)));
    let sent = harness.actions.iter().position(|action| matches!(action, Action::Publish(_)));
    assert!(sent.is_some() && sent < end, "{sent:?} {end:?}");
}

#[test]
fn the_host_connects_after_start_and_effects_keep_the_order_of_the_calls() {
    let start = "(call $log-line) (call $report (i32.const 64) (i32.const 1)) (call $report (i32.const 64) (i32.const 2))";
    let harness = started(&Guest { start, ..Guest::default() });
    assert_eq!(payloads(&harness), [&b"w"[..], b"wa"]);
    let place = |wanted: fn(&Action) -> bool| harness.actions.iter().position(wanted);
    let logged = place(|action| matches!(action, Action::Notice(DeviceNotice::Log(..))));
    let connects = place(|action| matches!(action, Action::Connect(_)));
    assert!(logged.is_some() && logged < connects, "{logged:?} {connects:?}");
}

#[test]
fn a_connection_change_says_whether_the_session_was_there_or_why_it_ended() {
    let connection = "(i32.store8 (i32.const 5000) (local.get 0)) (i32.store8 (i32.const 5001) (local.get 1))
        (if (i32.eqz (local.get 0)) (then (call $report (i32.const 5000) (i32.const 2)))
          (else (call $publish-one) (call $report (local.get 1) (local.get 2))))";
    let mut harness = started(&Guest { connection, ..Guest::default() });
    harness.handle(Input::Disconnected("the cable is cut".into()));
    harness.handle(Input::Connected { session_present: true });
    // Of the two messages that it publishes while the connection is down, that of QoS 1 waits.
    assert_eq!(payloads(&harness), [&[0, 0][..], b"the cable is cut", &[0, 1]]);
    assert_eq!(harness.device.ledger().lost_offline, 1);
}

#[test]
fn both_clocks_stand_still_during_a_call_and_go_on_between_calls() {
    let imports = r#"(import "wasmote:device/clock@0.1.0" "monotonic-now" (func $now (result i64)))
        (import "wasmote:device/clock@0.1.0" "wall-now" (func $wall (result i64)))"#;
    let timer = "(call $set-timer-1s)
        (i64.store (i32.const 5000) (call $now)) (i64.store (i32.const 5008) (call $wall))
        (global.set $left (i32.const 10000))
        (loop $more (global.set $left (i32.sub (global.get $left) (i32.const 1))) (br_if $more (global.get $left)))
        (i64.store (i32.const 5016) (call $now)) (i64.store (i32.const 5024) (call $wall))
        (call $report (i32.const 5000) (i32.const 32))";
    let globals = "(global $left (mut i32) (i32.const 0))";
    let mut harness =
        started(&Guest { imports, globals, start: "(call $set-timer-1s)", timer, ..Guest::default() });
    harness.run(Duration::from_millis(2_500));
    let times: Vec<Vec<u64>> = payloads(&harness)
        .iter()
        .map(|report| report.chunks(8).map(|it| u64::from_le_bytes(it.try_into().expect("eight"))).collect())
        .collect();
    let (second, date) = (1_000_000_000, 1_800_000_000_000_000_000);
    let at = |now: u64| vec![now, date + now, now, date + now];
    assert_eq!(times, [at(second), at(2 * second)]);
}

#[test]
fn timers_keep_their_order_their_shortest_delay_and_their_limit() {
    let imports = r#"(import "wasmote:device/timers@0.1.0" "set-at" (func $set-at (param i32 i64 i32)))
        (import "wasmote:device/timers@0.1.0" "cancel" (func $cancel (param i32)))"#;
    // Timers 3, 1 and 2 at the same instant, 4 in the past, 5 with the longest delay, 6 cancelled.
    let start = "(call $set-at (i32.const 3) (i64.const 1000000) (i32.const 2048))
        (call $set-timer (i32.const 1) (i64.const 1000000) (i32.const 2048))
        (call $set-at (i32.const 2) (i64.const 1000000) (i32.const 2048))
        (call $set-at (i32.const 4) (i64.const 0) (i32.const 2048))
        (call $set-timer (i32.const 5) (i64.const -1) (i32.const 2048))
        (call $set-timer (i32.const 6) (i64.const 0) (i32.const 2048))
        (call $cancel (i32.const 6)) (call $cancel (i32.const 99))";
    let mut harness = started(&Guest { imports, start, timer: REPORT_PARAMETER, ..Guest::default() });
    harness.run(Duration::from_nanos(99_999));
    assert!(payloads(&harness).is_empty(), "no timer fires before 100 microseconds");
    harness.run(Duration::from_secs(100));
    assert_eq!(payloads(&harness), [[4], [3], [1], [2]]);

    let start = "(global.set $left (i32.const 65))
        (loop $more (call $set-timer (global.get $left) (i64.const 1000000000) (i32.const 2048))
          (global.set $left (i32.sub (global.get $left) (i32.const 1))) (br_if $more (global.get $left)))
        (call $report (i32.const 2048) (i32.const 12))";
    let globals = "(global $left (mut i32) (i32.const 0))";
    let harness = started(&Guest { globals, start, ..Guest::default() });
    let report = &payloads(&harness)[0];
    assert_eq!((report[0], super::number(report, 8)), (1, 64), "too-many(64)");
}

#[test]
fn what_is_stored_stays_when_the_call_traps() {
    let imports = r#"(import "wasmote:device/state@0.1.0" "set" (func $store (param i32 i32 i32 i32 i32)))
        (import "wasmote:device/state@0.1.0" "get" (func $load (param i32 i32 i32)))"#;
    let start = "(call $load (i32.const 64) (i32.const 1) (i32.const 2048))
        (if (i32.load8_u (i32.const 2048)) (then (call $report (i32.load (i32.const 2052)) (i32.load (i32.const 2056))))
          (else (call $store (i32.const 64) (i32.const 1) (i32.const 96) (i32.const 10) (i32.const 2048))
            (call $publish-one) (unreachable)))";
    let mut harness = started(&Guest { imports, start, ..Guest::default() });
    harness.run(Duration::from_secs(5));
    assert_eq!(harness.traps().len(), 1);
    assert_eq!(payloads(&harness), [b"final line"], "the message of the call that trapped was discarded");
}

#[test]
fn a_guest_sees_the_faults_of_its_device_but_not_those_of_messages() {
    let imports = r#"(import "wasmote:device/faults@0.1.0" "active" (func $active (param i32)))"#;
    // A fault takes 40 bytes: id, kind, and the end as an option at 16.
    let timer = "(call $set-timer-1s) (call $active (i32.const 2048))
        (if (i32.load (i32.const 2052)) (then
          (call $log (i32.const 2) (i32.load (i32.load (i32.const 2048))) (i32.load offset=4 (i32.load (i32.const 2048))))
          (call $log (i32.const 2) (i32.load offset=8 (i32.load (i32.const 2048))) (i32.load offset=12 (i32.load (i32.const 2048))))
          (call $report (i32.load (i32.const 2048)) (i32.const 32))))";
    let mut harness = started(&Guest { imports, start: "(call $set-timer-1s)", timer, ..Guest::default() });
    let text = r#"{"fault": [
        {"kind": "loss", "id": "lossy", "probability": 0.0},
        {"kind": "silence", "id": "quiet", "probability": 1.0, "every": "60s", "for": "20s"}]}"#;
    let document: FaultDocument = serde_json::from_str(text).expect("a fault document");
    let faults = document.faults().expect("valid faults");
    harness.handle(Input::SetFaults(faults.into()));
    harness.run(Duration::from_millis(1_500));
    assert!(harness.logs().is_empty(), "the loss is no fault that the device can see");
    harness.run(Duration::from_secs(600));
    let logs = harness.logs();
    assert!(logs.chunks(2).all(|fault| fault == ["quiet", "silence"]) && logs.len() >= 8, "{logs:?}");
}

#[test]
fn connected_is_true_while_the_host_considers_the_connection_up() {
    let imports = r#"(import "wasmote:device/mqtt@0.1.0" "connected" (func $connected (result i32)))"#;
    let connection =
        "(i32.store (i32.const 5000) (call $connected)) (call $report (i32.const 5000) (i32.const 1))";
    let start =
        "(i32.store (i32.const 5000) (call $connected)) (call $report (i32.const 5000) (i32.const 1))";
    let mut harness = started(&Guest { imports, start, connection, ..Guest::default() });
    harness.handle(Input::Disconnected("the cable is cut".into()));
    harness.handle(Input::Connected { session_present: false });
    assert_eq!(payloads(&harness), [[0], [1], [0], [1]]);
}

#[test]
fn components_of_all_worlds_run_alike() {
    for world in ["device", "isolated-device", "reflex-device"] {
        let world = format!("package test:guest; world guest {{ include wasmote:device/{world}@0.1.0; }}");
        let guest = Guest { start: "(call $set-timer-1s)", timer: "(call $publish-one)", ..Guest::default() };
        let component = compiled(CompileMode::Full, &guests::encode(guest.core_module(), &world));
        let mut harness = Harness::single(&component, json!({}), Limits::default()).start();
        harness.run(Duration::from_secs(1));
        assert_eq!(payloads(&harness), [b"final line"], "{world}");
    }
}
