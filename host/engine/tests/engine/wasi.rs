//! Guests that import WASI find no files, no network and no environment.

use std::time::Duration;

use serde_json::json;
use wasmote_engine::CompileMode;
use wasmote_sim::device::{Input, PowerState};
use wasmote_sim::limits::Limits;

use crate::guests::{self, Guest};
use crate::harness::{Harness, compiled};

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

/// World of guests whose runtime calls WASI while it is instantiated.
const RUNTIME_WORLD: &str = "package test:guest;
    world guest {
        include wasmote:device/device@0.1.0;
        import wasi:cli/stderr@0.2.0;
        import wasi:clocks/monotonic-clock@0.2.0;
        import wasi:clocks/wall-clock@0.2.0;
        import wasi:random/random@0.2.0;
    }";
const RUNTIME_IMPORTS: &str = r#"
    (import "wasi:cli/stderr@0.2.0" "get-stderr" (func $stderr (result i32)))
    (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
      (func $write (param i32 i32 i32 i32)))
    (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
    (import "wasi:clocks/wall-clock@0.2.0" "now" (func $wall (param i32)))
    (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))"#;

/// A guest whose runtime executes these instructions during instantiation.
fn with_runtime(initialize: &str, start: &str) -> Vec<u8> {
    let functions = format!("(func (export \"_initialize\") {initialize})");
    let guest = Guest { imports: RUNTIME_IMPORTS, functions: &functions, start, ..Guest::default() };
    guests::encode(guest.core_module(), RUNTIME_WORLD)
}

#[test]
fn the_clocks_run_and_random_numbers_differ_during_instantiation() {
    // As Go does: `nanotime returning zero` is fatal, at the start of the run as well.
    let initialize = "
        (if (i64.eqz (call $now)) (then (unreachable)))
        (call $wall (i32.const 2048))
        (if (i64.ne (i64.load (i32.const 2048)) (i64.const 1800000000)) (then (unreachable)))
        (if (i64.eq (call $random) (call $random)) (then (unreachable)))";
    let harness =
        Harness::new(&with_runtime(initialize, "(if (i64.eqz (call $now)) (then (unreachable)))")).start();
    assert_eq!(harness.traps(), [""; 0]);
    assert!(matches!(harness.device.power(), PowerState::On));
}

#[test]
fn the_monotonic_clock_of_a_restarted_guest_goes_on() {
    let initialize = "(i64.store (i32.const 5000) (call $now))";
    let start = "(i64.store (i32.const 5008) (call $now)) (call $report (i32.const 5000) (i32.const 16))";
    let mut harness = Harness::new(&with_runtime(initialize, start)).start();
    harness.handle(Input::Crash);
    harness.run(Duration::from_secs(10));
    let times = harness.published().into_iter().map(|message| {
        let nanos =
            |at: usize| u64::from_le_bytes(message.payload[at..at + 8].try_into().expect("eight bytes"));
        (nanos(0), nanos(8))
    });
    assert_eq!(times.collect::<Vec<_>>(), [(1, 1), (5_000_000_000, 5_000_000_000)]);
}

#[test]
fn what_a_guest_writes_before_a_failed_start_is_logged() {
    let write = "(call $write (call $stderr) (i32.const 96) (i32.const 10) (i32.const 2048))";
    for (initialize, start) in
        [(format!("{write} (unreachable)"), String::new()), (String::new(), format!("{write} (unreachable)"))]
    {
        let harness = Harness::new(&with_runtime(&initialize, &start)).start();
        assert_eq!(harness.logs(), ["final line"], "{initialize} {start}");
        assert_eq!(harness.traps(), ["trapped: a panic or an explicit trap; it wrote: final line"]);
    }
}

#[test]
fn a_new_version_that_fails_while_it_is_instantiated_is_refused_and_its_output_is_logged() {
    let write = "(call $write (call $stderr) (i32.const 96) (i32.const 10) (i32.const 2048)) (unreachable)";
    let old = compiled(CompileMode::Full, &with_runtime("", ""));
    let new = compiled(CompileMode::Full, &with_runtime(write, ""));
    let mut harness = Harness::single(&old, json!({}), Limits::default()).start();
    harness.swap(&new);
    assert_eq!(harness.logs(), ["final line"]);
    assert_eq!(harness.device.swap_counts().refused, 1);
    assert!(matches!(harness.device.power(), PowerState::On));
}

#[test]
fn a_runtime_that_grows_beyond_its_memory_while_it_starts_names_the_flag() {
    // Python asks for 13 MB.
    let initialize = "(if (i32.lt_s (memory.grow (i32.const 200)) (i32.const 0)) (then (unreachable)))";
    let component = with_runtime(initialize, "");
    let harness = Harness::new(&component).start();
    let wanted = "ran out of memory: it asked for 13172736 bytes of memory and may have 4194304; \
                  --limit memory_bytes=33554432 allows more";
    assert_eq!(harness.traps(), [wanted]);
    let limits = Limits { memory_bytes: 33_554_432, ..Limits::default() };
    let harness = Harness::with(&component, json!({}), limits).start();
    assert_eq!(harness.traps(), [""; 0]);
}

#[test]
fn random_bytes_are_as_many_as_asked_for() {
    let imports = r#"(import "wasi:random/random@0.2.0" "get-random-bytes" (func $bytes (param i64 i32)))"#;
    let start = "(drop (memory.grow (i32.const 15))) (call $bytes (i64.const 100000) (i32.const 2048))
        (call $report (i32.const 2052) (i32.const 4))";
    let world = "package test:guest;
        world guest { include wasmote:device/device@0.1.0; import wasi:random/random@0.2.0; }";
    let guest = Guest { imports, start, ..Guest::default() };
    let harness = Harness::new(&guests::encode(guest.core_module(), world)).start();
    assert_eq!(harness.traps(), [""; 0]);
    assert_eq!(harness.published()[0].payload[..], 100_000_u32.to_le_bytes());
}

/// World of guests that use more of WASI than a simulated device has, in other versions of 0.2.
const MORE_WORLD: &str = "package test:guest;
    world guest {
        include wasmote:device/device@0.1.0;
        import wasi:sockets/instance-network@0.2.9;
        import wasi:sockets/tcp-create-socket@0.2.9;
        import wasi:sockets/name-lookup@0.2.9;
        import wasi:http/outgoing-handler@0.2.9;
        import wasi:clocks/timezone@0.2.9;
        import wasi:clocks/monotonic-clock@0.2.0;
        import wasi:config/store@0.2.0-rc.1;
        import wasi:io/streams@0.2.9;
    }
    package wasi:sockets@0.2.9 {
        interface network {
            resource network;
            enum error-code { unknown, access-denied, not-supported }
        }
        interface instance-network {
            use network.{network};
            instance-network: func() -> network;
        }
        interface tcp-create-socket {
            use network.{error-code};
            resource tcp-socket;
            create-tcp-socket: func(family: u8) -> result<tcp-socket, error-code>;
        }
        interface name-lookup {
            use network.{network, error-code};
            resolve: func(network: borrow<network>, name: string) -> result<list<string>, error-code>;
        }
    }
    package wasi:http@0.2.9 {
        interface outgoing-handler {
            handle: func(url: string) -> result<u32>;
        }
    }
    package wasi:clocks@0.2.9 {
        interface timezone {
            record timezone-display { utc-offset: s32, name: string, in-daylight-saving-time: bool }
            display: func(seconds: u64) -> timezone-display;
            utc-offset: func(seconds: u64) -> s32;
        }
    }
    package wasi:config@0.2.0-rc.1 {
        interface store {
            variant error { upstream(string), io(string) }
            get: func(key: string) -> result<option<string>, error>;
        }
    }
    package wasi:io@0.2.9 {
        interface streams {
            variant stream-error { last-operation-failed(string), closed }
            resource output-stream {
                write-zeroes: func(len: u64) -> result<_, stream-error>;
            }
            splice: func() -> u64;
            open: func() -> option<output-stream>;
        }
    }";
const MORE_IMPORTS: &str = r#"
    (import "wasi:sockets/instance-network@0.2.9" "instance-network" (func $network (result i32)))
    (import "wasi:sockets/network@0.2.9" "[resource-drop]network" (func $drop-network (param i32)))
    (import "wasi:sockets/tcp-create-socket@0.2.9" "create-tcp-socket" (func $socket (param i32 i32)))
    (import "wasi:sockets/name-lookup@0.2.9" "resolve" (func $resolve (param i32 i32 i32 i32)))
    (import "wasi:http/outgoing-handler@0.2.9" "handle" (func $request (param i32 i32 i32)))
    (import "wasi:clocks/timezone@0.2.9" "display" (func $zone (param i64 i32)))
    (import "wasi:clocks/timezone@0.2.9" "utc-offset" (func $offset (param i64) (result i32)))
    (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $subscribe-clock (param i64) (result i32)))
    (import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop-pollable (param i32)))
    (import "wasi:config/store@0.2.0-rc.1" "get" (func $setting (param i32 i32 i32)))
    (import "wasi:io/streams@0.2.9" "splice" (func $splice (result i64)))
    (import "wasi:io/streams@0.2.9" "open" (func $open (param i32)))"#;

/// A device whose guest executes these instructions at its start.
fn with_more_wasi(start: &str) -> Harness {
    let guest = Guest { imports: MORE_IMPORTS, start, ..Guest::default() };
    Harness::new(&guests::encode(guest.core_module(), MORE_WORLD)).start()
}

#[test]
fn absent_functions_fail_as_on_a_machine_that_denies_access() {
    let start = r#"
        (local $network i32)
        (local.set $network (call $network))
        (call $socket (i32.const 4) (i32.const 4096))
        (call $resolve (local.get $network) (i32.const 64) (i32.const 11) (i32.const 4112))
        (call $drop-network (local.get $network))
        (call $setting (i32.const 64) (i32.const 11) (i32.const 4128))
        (call $open (i32.const 4144))
        (i32.store8 (i32.const 4156) (call $offset (i64.const 1)))
        (call $zone (i64.const 1) (i32.const 4160))
        (call $report (i32.const 4096) (i32.const 80))"#;
    let harness = with_more_wasi(start);
    assert_eq!(harness.traps(), [""; 0]);
    let payload = harness.published()[0].payload.clone();
    let (failed, access_denied) = (1, 1);
    assert_eq!((payload[0], payload[4]), (failed, access_denied), "of a socket");
    assert_eq!((payload[16], payload[20]), (failed, access_denied), "of a lookup of a name");
    assert_eq!((payload[32], payload[36]), (failed, 0), "of a setting: the first error with a text");
    assert_eq!((payload[48], payload[60]), (0, 0), "no stream, and UTC");
    assert_eq!(payload[72], 3, "the length of `UTC`");
}

#[test]
fn calls_that_cannot_be_answered_name_the_function_and_what_to_use() {
    for (start, wanted) in [
        (
            "(call $request (i32.const 64) (i32.const 11) (i32.const 4096))",
            "trapped: it called `wasi:http/outgoing-handler@0.2.0#handle`, which a simulated device does not have; send \
             requests with `send` of `wasmote:device/http`",
        ),
        (
            "(drop (call $splice))",
            "trapped: it called `wasi:io/streams@0.2.0#splice`, which a simulated device does not have",
        ),
    ] {
        let traps = with_more_wasi(start).traps();
        assert!(traps.first().is_some_and(|trap| trap.starts_with(wanted)), "{traps:?}");
    }
}

#[test]
fn resources_that_are_never_dropped_have_a_limit() {
    for create in ["(call $subscribe-clock (i64.const 1))", "(call $network)"] {
        let kept = format!("(loop $ever (drop {create}) (br $ever))");
        let traps = with_more_wasi(&kept).traps();
        let wanted =
            "trapped: it holds 10000 resources of WASI, such as streams and pollables, which is the limit";
        assert!(traps.first().is_some_and(|trap| trap.starts_with(wanted)), "{traps:?}");
    }
    let dropped = "
        (local $left i32)
        (local.set $left (i32.const 30000))
        (loop $again
          (call $drop-pollable (call $subscribe-clock (i64.const 1)))
          (call $drop-network (call $network))
          (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))";
    assert_eq!(with_more_wasi(dropped).traps(), [""; 0]);
}
