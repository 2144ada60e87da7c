//! Pods compile quickly what others compile well: both have the same devices. Every [`Bench`] of the other tests
//! has a twin of quickly made code as well.

use std::time::Duration;

use serde_json::{Value, json};
use wasmote_engine::Effort;
use wasmote_sim::limits::Limits;

use crate::bench::{Bench, compiled};
use crate::guests::{self, Guest, repository};

fn built(name: &str) -> Vec<u8> {
    let path = repository().join("behaviours/built").join(name);
    std::fs::read(path).expect("`make behaviours` builds it")
}

fn published(component: &[u8], config: Value) -> usize {
    let mut bench = Bench::with(component, config, Limits::default()).start();
    bench.run(Duration::from_secs(120));
    assert!(bench.traps().is_empty(), "{:?}", bench.traps());
    bench.published().len()
}

#[test]
fn behaviours_of_ours_do_the_same() {
    for name in ["heartbeat.wasm", "sensor.wasm", "routing.wasm"] {
        assert!(published(&built(name), json!({})) > 10, "{name}");
    }
    assert_eq!(published(&built("publisher.wasm"), json!({"interval": "1s"})), 120);
}

/// Where the one still works the other does, to the unit of fuel, if no memory is filled or copied.
#[test]
fn both_take_the_same_fuel() {
    let bytes = guests::well_behaved().component();
    let (full, quick) = (compiled(Effort::Full, &bytes), compiled(Effort::Quick, &bytes));
    let is_enough = |fuel_per_call| {
        let limits = Limits { fuel_per_call, ..Limits::default() };
        let mut bench = Bench::twins(&full, &quick, json!({}), limits).start();
        bench.run(Duration::from_secs(3));
        bench.traps().is_empty()
    };
    let enough = (0..2_000).filter(|&fuel| is_enough(fuel)).count();
    assert!((1..2_000).contains(&enough), "{enough} of the limits that were tried");
}

#[test]
fn what_the_quick_compiler_does_not_know_the_other_compiles() {
    let tail = Guest {
        functions: "(func $count (param i32)
          (if (local.get 0) (then (return_call $count (i32.sub (local.get 0) (i32.const 1))))))",
        start: "(call $again-in-a-second)",
        // Were it no tail call, the stack would not hold it.
        timer: "(call $count (i32.const 1000000)) (call $again-in-a-second) (call $publish-one)",
        ..Guest::default()
    };
    assert_eq!(published(&tail.component(), json!({})), 120);
}

/// Winch counts an instruction that fills all of the memory as one: without a clock this would go on for half an hour.
#[test]
#[cfg(target_arch = "x86_64")]
fn a_guest_that_keeps_filling_its_memory_is_ended_by_either() {
    let filler = Guest {
        start: "(drop (memory.grow (i32.const 60))) (call $again-in-a-second)",
        timer: "(loop $again (memory.fill (i32.const 65536) (i32.const 7) (i32.const 3900000)) (br $again))",
        ..Guest::default()
    };
    for (effort, end) in
        [(Effort::Full, "ran out of fuel: "), (Effort::Quick, "took too long: one call went on for")]
    {
        let component = compiled(effort, &filler.component());
        let mut bench = Bench::of(&component, json!({}), Limits::default()).start();
        bench.run(Duration::from_millis(1_500));
        let traps = bench.traps();
        assert!(traps.len() == 1 && traps[0].starts_with(end), "{effort:?}: {traps:?}");
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn who_gets_no_quick_code_is_told() {
    let tail = Guest {
        functions: "(func $once) (func $tail (return_call $once))",
        start: "(call $tail)",
        ..Guest::default()
    };
    let component = compiled(Effort::Quick, &tail.component());
    let told: Vec<String> = component.cache_problems().iter().map(ToString::to_string).collect();
    assert!(told.len() == 1 && told[0].contains("could not be compiled quickly"), "{told:?}");
    assert!(compiled(Effort::Quick, &guests::well_behaved().component()).cache_problems().is_empty());
}
