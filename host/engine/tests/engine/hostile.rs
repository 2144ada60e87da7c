//! Guests that would do harm end alone, with a reason that a user can read, and start again later.

use std::time::Duration;

use serde_json::json;
use wasmote_sim::device::PowerState;
use wasmote_sim::limits::Limits;

use crate::bench::Bench;
use crate::guests::{self, Guest};

fn after_two_seconds(guest: &Guest<'_>) -> Bench {
    let mut bench = Bench::new(&guest.component()).start();
    bench.run(Duration::from_millis(1_500));
    bench
}

#[test]
fn an_endless_loop_runs_out_of_fuel() {
    let bench = after_two_seconds(&guests::endless_loop());
    let traps = bench.traps();
    assert_eq!(traps.len(), 1, "{traps:?}");
    assert!(traps[0].starts_with("ran out of fuel: one call used more than 50000000 units"), "{}", traps[0]);
    assert!(matches!(bench.device.power(), PowerState::Down { .. }));
}

#[test]
fn a_guest_that_takes_all_memory_is_told_the_limit() {
    let bench = after_two_seconds(&guests::memory_eater());
    let traps = bench.traps();
    assert!(traps[0].starts_with("ran out of memory: it asked for"), "{traps:?}");
    assert!(traps[0].ends_with("and may have 4194304"), "{traps:?}");
}

#[test]
fn what_a_guest_wrote_before_it_trapped_is_read_and_what_it_published_is_not_sent() {
    let bench = after_two_seconds(&guests::trapper());
    assert_eq!(bench.logs(), ["last words"]);
    assert!(bench.traps()[0].starts_with("trapped: "));
    assert!(bench.published().is_empty(), "a call that traps has no effects");
}

#[test]
fn a_guest_that_publishes_without_end_is_held_to_its_rate() {
    let limits = Limits { publishes_per_second: 100, ..Limits::default() };
    let mut bench = Bench::with(&guests::flooder().component(), json!({}), limits).start();
    bench.run(Duration::from_millis(10_500));
    // Ten timers, a second apart: each finds a bucket that holds a second's worth.
    assert_eq!(bench.published().len(), 1_000);
    assert_eq!(bench.device.refusals().publish_rate, 10 * 100_000 - 1_000);
    assert!(bench.traps().is_empty(), "being refused is no crash");
}

#[test]
fn endless_recursion_is_a_trap_and_not_the_end_of_the_host() {
    // The call that is not the last instruction keeps its frame.
    let recursive = Guest {
        functions: "(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))",
        start: "(call $again-in-a-second)",
        timer: "(drop (call $deep))",
        ..Guest::default()
    };
    let bench = after_two_seconds(&recursive);
    assert!(bench.traps()[0].contains("stack"), "{:?}", bench.traps());
}

#[test]
fn an_argument_larger_than_the_host_takes_is_a_trap() {
    let limits = Limits { host_call_bytes: 1_000, ..Limits::default() };
    let loud =
        Guest { start: "(call $log (i32.const 2) (i32.const 0) (i32.const 60000))", ..Guest::default() };
    let bench = Bench::with(&loud.component(), json!({}), limits).start();
    let traps = bench.traps();
    assert!(traps[0].contains("fuel") || traps[0].contains("large"), "{traps:?}");
}

#[test]
fn a_pointer_out_of_bounds_is_a_trap() {
    let wild =
        Guest { start: "(call $log (i32.const 2) (i32.const -16) (i32.const 1000))", ..Guest::default() };
    let bench = Bench::new(&wild.component()).start();
    assert!(bench.traps()[0].starts_with("trapped: "), "{:?}", bench.traps());
}

#[test]
fn pauses_between_restarts_grow() {
    let mut bench = Bench::new(&guests::trapper().component()).start();
    bench.run(Duration::from_secs(60));
    // Every life lasts a second. Pauses of 1, 2, 4, 8, 16 and 32 s leave room for no more than seven.
    let lives = bench.traps().len();
    assert!((5..=7).contains(&lives), "{lives} lives in a minute");
}
