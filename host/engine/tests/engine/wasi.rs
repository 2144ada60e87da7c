//! Guests that import WASI find no files, no network and no environment.

use std::time::Duration;

use crate::guests::{self, Guest};
use crate::harness::Harness;

const WORLD: &str = "package test:guest;
    world guest {
        include wasmote:device/device@0.1.0;
        import wasi:cli/stdout@0.2.0;
        import wasi:cli/exit@0.2.0;
        import wasi:clocks/wall-clock@0.2.0;
        import wasi:random/random@0.2.0;
        import wasi:filesystem/preopens@0.2.0;
    }";

#[test]
fn standard_output_becomes_log_lines_and_the_clock_is_the_simulations() {
    let guest = Guest {
        imports: r#"
            (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
            (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
              (func $write (param i32 i32 i32 i32)))
            (import "wasi:clocks/wall-clock@0.2.0" "now" (func $wall (param i32)))
            (import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))"#,
        start: r#"
            (call $write (call $stdout) (i32.const 96) (i32.const 10) (i32.const 2048))
            (call $wall (i32.const 2048))
            (if (i64.ne (i64.load (i32.const 2048)) (i64.const 1800000000)) (then (unreachable)))
            (call $directories (i32.const 2048))
            (if (i32.load (i32.const 2052)) (then (unreachable)))"#,
        ..Guest::default()
    };
    let harness = Harness::new(&guests::encode(guest.core_module(), WORLD)).start();
    assert_eq!(harness.traps(), [""; 0], "the clock reads the bench's date, and there are no folders");
    assert_eq!(harness.logs(), ["final line"]);
}

#[test]
fn random_numbers_follow_from_the_seed() {
    let guest = Guest {
        imports: r#"(import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))"#,
        start: "(call $set-timer-1s)",
        timer: r#"
            (i64.store (i32.const 96) (i64.and (call $random) (i64.const 0x0f0f0f0f0f0f0f0f)))
            (call $publish-one)"#,
        ..Guest::default()
    };
    let draw = || {
        let mut harness = Harness::new(&guests::encode(guest.core_module(), WORLD)).start();
        harness.run(Duration::from_secs(2));
        harness.published()[0].payload.clone()
    };
    assert_eq!(draw(), draw());
}

#[test]
fn an_exit_is_reported_as_an_exit() {
    let guest = Guest {
        imports: r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#,
        start: "(call $exit (i32.const 1))",
        ..Guest::default()
    };
    let harness = Harness::new(&guests::encode(guest.core_module(), WORLD)).start();
    assert!(harness.traps()[0].contains("it called exit with failure"), "{:?}", harness.traps());
}
