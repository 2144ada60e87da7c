//! Clock errors affect only the behaviour.

use std::time::Duration;

use serde_json::json;
use wasmote_sim::action::Action;
use wasmote_sim::behaviour::Trap;
use wasmote_sim::context::{Context, LogLevel};
use wasmote_sim::device::Input;
use wasmote_sim::event::Event;
use wasmote_sim::faults::document::{FaultEntry, Kind};
use wasmote_sim::faults::span::SignedSpan;
use wasmote_sim::notice::DeviceNotice;

use crate::harness::{Harness, document, fault, message, ticker};

/// Logs its clock reading for each message.
fn logs_its_clock(event: Event, context: &mut Context) -> Result<(), Trap> {
    if let Event::Message(_) = event {
        context.log(LogLevel::Info, context.wall().as_nanos().to_string());
    }
    Ok(())
}

fn wrong(negative: bool, by: Duration, drift_ppm: f64) -> FaultEntry {
    fault(json!({"kind": Kind::Clock, "offset": SignedSpan { negative, by }, "drift_ppm": drift_ppm}))
}

/// Clock error in nanoseconds at each message.
fn errors(harness: &mut Harness, times: usize) -> Vec<i64> {
    let true_times: Vec<u64> = (0..times)
        .map(|_| {
            harness.put(Input::Delivered(message("t", "x")));
            let now = 1_800_000_000_000_000_000 + harness.now.as_nanos();
            harness.run(Duration::from_secs(1_000));
            now
        })
        .collect();
    let shown = harness.notices(|notice| match notice {
        DeviceNotice::Log(_, text) => text.parse::<u64>().ok(),
        _ => None,
    });
    shown.iter().zip(true_times).map(|(shown, truth)| *shown as i64 - truth as i64).collect()
}

#[test]
fn a_clock_is_behind_by_its_offset_and_gains_by_its_drift() {
    let faults = document([wrong(true, Duration::from_secs(2), 100.0)]);
    let mut harness = Harness::new(logs_its_clock, faults);
    // 100 ppm of 1,000 s are 0.1 s.
    assert_eq!(errors(&mut harness, 3), [-2_000_000_000, -1_900_000_000, -1_800_000_000]);
}

#[test]
fn two_faults_of_one_clock_add_up() {
    let mut second = wrong(false, Duration::from_secs(5), -300.0);
    second.id = Some("second".into());
    let faults = document([wrong(true, Duration::from_secs(2), 100.0), second]);
    let mut harness = Harness::new(logs_its_clock, faults);
    assert_eq!(errors(&mut harness, 2), [3_000_000_000, 2_800_000_000]);
}

#[test]
fn origins_and_latencies_stay_true() {
    let mut harness = Harness::new(ticker, document([wrong(false, Duration::from_secs(3_600), 0.0)]));
    harness.run(Duration::from_secs(2));
    let sent = harness.actions.iter().find_map(|action| match action {
        Action::Publish(message) => message.origin.as_ref().map(|origin| origin.sent.as_nanos()),
        _ => None,
    });
    assert_eq!(sent, Some(1_800_000_001_000_000_000));
    harness.deliver_from("east-0");
    assert_eq!(harness.device.latency_samples().iter().collect::<Vec<_>>(), [Duration::ZERO]);
}
