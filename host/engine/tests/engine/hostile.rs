//! Hostile guests end alone, with a reason for the user, and restart after a backoff.

use std::time::Duration;

use serde_json::json;
use wasmote_sim::device::PowerState;
use wasmote_sim::limits::Limits;

use crate::guests::{self, Guest};
use crate::harness::Harness;

fn after_two_seconds(guest: &Guest<'_>) -> Harness {
    let mut harness = Harness::new(&guest.component()).start();
    harness.run(Duration::from_millis(1_500));
    harness
}

#[test]
fn an_endless_loop_runs_out_of_fuel() {
    let harness = after_two_seconds(&guests::endless_loop());
    let traps = harness.traps();
    assert_eq!(traps.len(), 1, "{traps:?}");
    assert!(traps[0].starts_with("ran out of fuel: one call used more than 50000000 units"), "{}", traps[0]);
    assert!(matches!(harness.device.power(), PowerState::Down { .. }));
}

#[test]
fn exhausting_memory_traps_with_the_limit() {
    let harness = after_two_seconds(&guests::memory_eater());
    let traps = harness.traps();
    assert!(traps[0].starts_with("ran out of memory: it asked for"), "{traps:?}");
    let advice = "and may have 4194304; --limit memory_bytes=16777216 allows more";
    assert!(traps[0].ends_with(advice), "{traps:?}");
}

#[test]
fn a_trap_keeps_log_lines_and_discards_publications() {
    let harness = after_two_seconds(&guests::trapping());
    assert_eq!(harness.logs(), ["final line"]);
    assert!(harness.traps()[0].starts_with("trapped: "));
    assert!(harness.published().is_empty(), "a call that traps has no effects");
}

#[test]
fn a_guest_that_publishes_without_end_is_held_to_its_rate() {
    let limits = Limits { publishes_per_second: 100, ..Limits::default() };
    let mut harness = Harness::with(&guests::flooder().component(), json!({}), limits).start();
    harness.run(Duration::from_millis(10_500));
    // Ten timers at intervals of a second: each finds a bucket with one second's worth of tokens.
    assert_eq!(harness.published().len(), 1_000);
    assert_eq!(harness.device.refusals().publish_rate, 10 * 100_000 - 1_000);
    assert!(harness.traps().is_empty(), "being refused is no crash");
}

#[test]
fn endless_recursion_traps_without_crashing_the_host() {
    // The call is not in tail position, so it keeps its frame.
    let recursive = Guest {
        functions: "(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))",
        start: "(call $set-timer-1s)",
        timer: "(drop (call $deep))",
        ..Guest::default()
    };
    let harness = after_two_seconds(&recursive);
    assert!(harness.traps()[0].contains("stack"), "{:?}", harness.traps());
}

#[test]
fn an_argument_larger_than_the_host_takes_is_cut() {
    let limits = Limits { host_call_bytes: 1_000, ..Limits::default() };
    let loud =
        Guest { start: "(call $log (i32.const 2) (i32.const 64) (i32.const 60000))", ..Guest::default() };
    let harness = Harness::with(&loud.component(), json!({}), limits).start();
    assert_eq!(harness.traps(), [""; 0]);
    assert_eq!(harness.logs().iter().map(String::len).collect::<Vec<_>>(), [4_096]);
}

#[test]
fn a_pointer_out_of_bounds_is_a_trap() {
    let wild =
        Guest { start: "(call $log (i32.const 2) (i32.const -16) (i32.const 1000))", ..Guest::default() };
    let harness = Harness::new(&wild.component()).start();
    assert!(harness.traps()[0].starts_with("trapped: "), "{:?}", harness.traps());
}

#[test]
fn restart_backoff_grows() {
    let mut harness = Harness::new(&guests::trapping().component()).start();
    harness.run(Duration::from_secs(60));
    // The guest traps after one second. Backoffs of 1, 2, 4, 8, 16 and 32 s allow at most seven restarts.
    let restarts = harness.traps().len();
    assert!((5..=7).contains(&restarts), "{restarts} lives in a minute");
}
