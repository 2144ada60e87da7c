//! Devices behave alike in both compile modes. The [`Harness`] also runs every device of the other tests in
//! both.

use std::time::Duration;

use serde_json::{Value, json};
use wasmote_engine::CompileMode;
use wasmote_sim::limits::Limits;

use crate::guests::{self, Guest, repository};
use crate::harness::{Harness, compiled};

fn built(name: &str) -> Vec<u8> {
    let path = repository().join("behaviours/built").join(name);
    std::fs::read(path).expect("`make behaviours` builds it")
}

fn published(component: &[u8], config: Value) -> usize {
    let mut harness = Harness::with(component, config, Limits::default()).start();
    harness.run(Duration::from_secs(120));
    assert!(harness.traps().is_empty(), "{:?}", harness.traps());
    harness.published().len()
}

#[test]
fn bundled_behaviours_publish_alike_in_both_modes() {
    for name in ["heartbeat.wasm", "sensor.wasm"] {
        assert!(published(&built(name), json!({})) > 10, "{name}");
    }
    let links = json!({"topology": [["guest-0", "guest-1"]]});
    assert!(published(&built("routing.wasm"), links) > 10);
    assert_eq!(published(&built("publisher.wasm"), json!({"interval": "1s"})), 120);
}

/// Both modes need the same amount of fuel if the guest neither fills nor copies memory.
#[test]
fn both_modes_use_the_same_fuel() {
    // Its instructions need more fuel than its only host call.
    let counting = Guest {
        functions: "(func $count (param i32) (loop $more
          (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br_if $more (local.get 0))))",
        start: "(call $set-timer-1s)",
        timer: "(call $set-timer-1s) (call $count (i32.const 200))",
        ..Guest::default()
    };
    let bytes = counting.component();
    let (full, quick) = (compiled(CompileMode::Full, &bytes), compiled(CompileMode::Quick, &bytes));
    let is_enough = |fuel_per_call| {
        let limits = Limits { fuel_per_call, ..Limits::default() };
        let mut harness = Harness::pair(&full, &quick, json!({}), limits).start();
        harness.run(Duration::from_secs(3));
        harness.traps().is_empty()
    };
    let enough = (0..2_000).filter(|&fuel| is_enough(fuel)).count();
    assert!((1..2_000).contains(&enough), "{enough} of the limits that were tried");
}

#[test]
fn unsupported_instructions_fall_back_to_full_mode() {
    let tail = Guest {
        functions: "(func $count (param i32)
          (if (local.get 0) (then (return_call $count (i32.sub (local.get 0) (i32.const 1))))))",
        start: "(call $set-timer-1s)",
        // Without tail calls the stack would overflow.
        timer: "(call $count (i32.const 1000000)) (call $set-timer-1s) (call $publish-one)",
        ..Guest::default()
    };
    assert_eq!(published(&tail.component(), json!({})), 120);
}

/// Winch counts an instruction that fills the whole memory as one: without the time limit the call would take
/// half an hour.
#[test]
#[cfg(target_arch = "x86_64")]
fn a_guest_that_keeps_filling_its_memory_is_stopped_in_both_modes() {
    let filler = Guest {
        start: "(drop (memory.grow (i32.const 60))) (call $set-timer-1s)",
        timer: "(loop $again (memory.fill (i32.const 65536) (i32.const 7) (i32.const 3900000)) (br $again))",
        ..Guest::default()
    };
    for (mode, end) in [
        (CompileMode::Full, "ran out of fuel: "),
        (CompileMode::Quick, "took too long: one call went on for"),
    ] {
        let component = compiled(mode, &filler.component());
        let mut harness = Harness::single(&component, json!({}), Limits::default()).start();
        harness.run(Duration::from_millis(1_500));
        let traps = harness.traps();
        assert!(traps.len() == 1 && traps[0].starts_with(end), "{mode:?}: {traps:?}");
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_fallback_to_full_mode_is_reported() {
    let tail = Guest {
        functions: "(func $once) (func $tail (return_call $once))",
        start: "(call $tail)",
        ..Guest::default()
    };
    let component = compiled(CompileMode::Quick, &tail.component());
    let warnings: Vec<String> = component.cache_warnings().iter().map(ToString::to_string).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("could not be compiled quickly"), "{warnings:?}");
    assert!(compiled(CompileMode::Quick, &guests::well_behaved().component()).cache_warnings().is_empty());
}
