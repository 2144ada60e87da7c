//! Host calls cost fuel, in proportion to their bytes.

use std::time::Duration;

use serde_json::json;
use wasmote_sim::limits::Limits;

use crate::guests::{self, Guest};
use crate::harness::Harness;

/// Fuel of the tests, so that they end soon in unoptimized builds too.
const FUEL: u64 = 2_000_000;
/// World of guests without WASI.
const WORLD: &str = "package test:guest; world guest { include wasmote:device/device@0.1.0; }";

/// Runs a guest that makes host calls in an endless loop, and returns the reason of its end.
fn end_of_loop(imports: &str, call: &str, world: &str) -> String {
    let timer = format!("(loop $ever {call} (br $ever))");
    let guest = Guest { imports, start: "(call $set-timer-1s)", timer: &timer, ..Guest::default() };
    let limits = Limits { fuel_per_call: FUEL, ..Limits::default() };
    let mut harness = Harness::with(&guests::encode(guest.core_module(), world), json!({}), limits).start();
    harness.run(Duration::from_millis(1_500));
    let traps = harness.traps();
    assert_eq!(traps.len(), 1, "{traps:?}");
    traps[0].clone()
}

fn assert_names(end: &str, import: &str) {
    assert!(
        end.starts_with("ran out of fuel: the host calls of one call used more than 2000000 units"),
        "{end}"
    );
    assert!(end.contains(&format!("the last was `{import}`; --limit fuel_per_call=")), "{end}");
}

#[test]
fn an_endless_loop_of_large_values_for_the_store_runs_out_of_fuel() {
    let imports = r#"(import "wasmote:device/state@0.1.0" "set" (func $store (param i32 i32 i32 i32 i32)))"#;
    let call = "(call $store (i32.const 64) (i32.const 1) (i32.const 0) (i32.const 60000) (i32.const 2048))";
    assert_names(&end_of_loop(imports, call, WORLD), "state.set");
}

#[test]
fn endless_loops_of_other_imports_run_out_of_fuel() {
    let loops = [
        (
            r#"(import "wasmote:device/mqtt@0.1.0" "subscribe" (func $subscribe (param i32 i32 i32 i32)))
               (import "wasmote:device/mqtt@0.1.0" "unsubscribe" (func $unsubscribe (param i32 i32)))"#,
            "(call $subscribe (i32.const 64) (i32.const 11) (i32.const 0) (i32.const 2048))
             (call $unsubscribe (i32.const 64) (i32.const 11))",
            "mqtt.subscribe, unsubscribe",
        ),
        ("", "(call $log (i32.const 2) (i32.const 0) (i32.const 60000))", "log.write"),
        (
            "",
            "(call $publish (i32.const 64) (i32.const 11) (i32.const 0) (i32.const 60000) (i32.const 0)
               (i32.const 0) (i32.const 2048))",
            "mqtt.publish, publish-with",
        ),
        (
            r#"(import "wasmote:device/metrics@0.1.0" "gauge-set" (func $gauge (param i32 i32 f64 i32)))"#,
            "(call $gauge (i32.const 64) (i32.const 60000) (f64.const 1) (i32.const 60100))",
            "metrics.*",
        ),
        ("", "(call $set-timer-1s)", "timers.*"),
    ];
    for (imports, call, import) in loops {
        assert_names(&end_of_loop(imports, call, WORLD), import);
    }
}

#[test]
fn an_endless_loop_of_writes_to_standard_output_runs_out_of_fuel() {
    let imports = r#"
        (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
        (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
          (func $write (param i32 i32 i32 i32)))"#;
    let call = "(call $write (call $stdout) (i32.const 0) (i32.const 4096) (i32.const 2048))";
    let world = "package test:guest;
        world guest { include wasmote:device/device@0.1.0; import wasi:cli/stdout@0.2.0; }";
    assert_names(&end_of_loop(imports, call, world), "wasi:io output-stream.write");
}

#[test]
fn the_cost_of_a_call_is_exact_and_the_budget_is_new_for_each_call() {
    // Each timer costs 500 for `timers.set` and 3 times 500 + 1 + 60,000 for `state.set`, at most 182,003 units.
    let imports = r#"(import "wasmote:device/state@0.1.0" "set" (func $store (param i32 i32 i32 i32 i32)))"#;
    let store = "(call $store (i32.const 64) (i32.const 1) (i32.const 0) (i32.const 60000) (i32.const 2048))";
    let timer = format!("(call $set-timer-1s) {store} {store} {store}");
    let guest = Guest { imports, start: "(call $set-timer-1s)", timer: &timer, ..Guest::default() };
    let traps = |fuel_per_call| {
        let limits = Limits { fuel_per_call, ..Limits::default() };
        let mut harness = Harness::with(&guest.component(), json!({}), limits).start();
        harness.run(Duration::from_millis(5_500));
        harness.traps()
    };
    assert_eq!(traps(182_003), [""; 0], "five calls, each with its own budget");
    assert_names(&traps(182_002)[0].replace("182002", "2000000"), "state.set");
}
