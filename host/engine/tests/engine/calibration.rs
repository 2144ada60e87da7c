//! Real time of host calls, to compare with the units of fuel that they cost. Run it with an optimised build:
//! `cargo test --release -p wasmote-engine --test engine -- --ignored --nocapture time_of_a_unit`.

use std::time::{Duration, Instant};

use serde_json::json;
use wasmote_engine::CompileMode;
use wasmote_sim::limits::Limits;

use crate::guests::Guest;
use crate::harness::{Harness, compiled};

/// A call that the guest repeats.
struct Call {
    name: &'static str,
    imports: &'static str,
    code: &'static str,
    /// Units that one repetition costs, by the table in `behaviours/README.md`.
    units: u64,
}

const STATE: &str = r#"
    (import "wasmote:device/state@0.1.0" "set" (func $store (param i32 i32 i32 i32 i32)))
    (import "wasmote:device/state@0.1.0" "get" (func $load (param i32 i32 i32)))"#;
const SUBSCRIBE: &str = r#"
    (import "wasmote:device/mqtt@0.1.0" "subscribe" (func $subscribe (param i32 i32 i32 i32)))
    (import "wasmote:device/mqtt@0.1.0" "unsubscribe" (func $unsubscribe (param i32 i32)))"#;
const METRICS: &str = r#"
    (import "wasmote:device/metrics@0.1.0" "histogram-observe" (func $observe (param i32 i32 f64 i32)))
    (import "wasmote:device/metrics@0.1.0" "gauge-set" (func $gauge (param i32 i32 f64 i32)))"#;
const RANDOM: &str = r#"
    (import "wasmote:device/random@0.1.0" "next-u64" (func $number (result i64)))
    (import "wasmote:device/random@0.1.0" "bytes" (func $bytes (param i32 i32)))"#;
const CONFIG: &str = r#"
    (import "wasmote:device/config@0.1.0" "whoami" (func $whoami (param i32)))
    (import "wasmote:device/config@0.1.0" "text" (func $text (param i32 i32 i32)))"#;

const CALLS: [Call; 17] = [
    Call { name: "timers.set", imports: "", code: "(call $set-timer-1s)", units: 500 },
    Call { name: "log.write, 10 bytes", imports: "", code: "(call $log-line)", units: 1_020 },
    Call {
        name: "log.write, 60 KB",
        imports: "",
        code: "(call $log (i32.const 2) (i32.const 0) (i32.const 60000))",
        units: 121_000,
    },
    Call { name: "mqtt.publish, 10 bytes", imports: "", code: "(call $publish-one)", units: 5_221 },
    Call {
        name: "mqtt.publish, 60 KB",
        imports: "",
        code: "(call $publish (i32.const 64) (i32.const 11) (i32.const 0) (i32.const 60000) (i32.const 0)
            (i32.const 0) (i32.const 2048))",
        units: 65_211,
    },
    Call {
        name: "mqtt.subscribe and unsubscribe",
        imports: SUBSCRIBE,
        code: "(call $subscribe (i32.const 64) (i32.const 11) (i32.const 0) (i32.const 2048))
            (call $unsubscribe (i32.const 64) (i32.const 11))",
        units: 10_044,
    },
    Call {
        name: "state.set, 10 bytes",
        imports: STATE,
        code: "(call $store (i32.const 64) (i32.const 1) (i32.const 96) (i32.const 10) (i32.const 2048))",
        units: 511,
    },
    Call {
        name: "state.set, 60 KB",
        imports: STATE,
        code: "(call $store (i32.const 64) (i32.const 1) (i32.const 0) (i32.const 60000) (i32.const 2048))",
        units: 60_501,
    },
    Call {
        name: "state.get, missing",
        imports: STATE,
        code: "(call $load (i32.const 64) (i32.const 11) (i32.const 2048))",
        units: 511,
    },
    Call {
        name: "metrics.gauge-set",
        imports: METRICS,
        code: "(call $gauge (i32.const 72) (i32.const 1) (f64.const 1) (i32.const 2048))",
        units: 1_004,
    },
    Call {
        name: "metrics.histogram-observe",
        imports: METRICS,
        code: "(call $observe (i32.const 72) (i32.const 1) (f64.const 1) (i32.const 2048))",
        units: 1_004,
    },
    Call {
        name: "metrics.gauge-set, 60 KB name",
        imports: METRICS,
        code: "(call $gauge (i32.const 64) (i32.const 60000) (f64.const 1) (i32.const 60100))",
        units: 241_000,
    },
    Call { name: "random.next-u64", imports: RANDOM, code: "(drop (call $number))", units: 200 },
    Call {
        name: "random.bytes, 44 KB",
        imports: RANDOM,
        code: "(call $bytes (i32.const 43700) (i32.const 2048))",
        units: 175_300,
    },
    Call { name: "config.whoami", imports: CONFIG, code: "(call $whoami (i32.const 2048))", units: 1_019 },
    Call {
        name: "config.text, missing",
        imports: CONFIG,
        code: "(call $text (i32.const 64) (i32.const 11) (i32.const 2048))",
        units: 1_044,
    },
    Call {
        name: "config.text, 60 KB path",
        imports: CONFIG,
        code: "(call $text (i32.const 0) (i32.const 60000) (i32.const 60100))",
        units: 241_000,
    },
];

/// Time of one timer call that repeats the code this often, with all its effects.
fn time_of(call: &Call, repetitions: u64) -> Duration {
    let timer = format!(
        "(global.set $left (i64.const {repetitions}))
         (loop $more {} (global.set $left (i64.sub (global.get $left) (i64.const 1)))
           (br_if $more (i64.ne (global.get $left) (i64.const 0))))",
        call.code
    );
    let guest = Guest {
        imports: call.imports,
        globals: "(global $left (mut i64) (i64.const 0))",
        start: "(call $set-timer-1s)",
        timer: &timer,
        ..Guest::default()
    };
    let limits = Limits {
        fuel_per_call: u64::MAX / 4,
        publishes_per_second: 0,
        log_lines_per_second: 0,
        ..Limits::default()
    };
    let component = compiled(CompileMode::Full, &guest.component());
    let mut harness = Harness::single(&component, json!({}), limits).start();
    let began = Instant::now();
    harness.run(Duration::from_millis(1_001));
    let took = began.elapsed();
    assert!(harness.traps().is_empty(), "{}: {:?}", call.name, harness.traps());
    took
}

#[test]
#[ignore = "a measurement, which needs an optimised build and an idle machine"]
fn time_of_a_unit() {
    println!("{:32} {:>12} {:>12} {:>8}", "host call", "ns a call", "units", "ns/unit");
    for call in CALLS {
        let repetitions = (20_000_000 / call.units).max(1);
        let best = (0..3).map(|_| time_of(&call, repetitions)).min().unwrap_or_default();
        let nanos = best.as_nanos() as f64 / repetitions as f64;
        println!("{:32} {nanos:12.0} {:12} {:8.2}", call.name, call.units, nanos / call.units as f64);
    }
}
