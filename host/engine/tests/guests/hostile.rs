//! Catalogue of guests that break a rule or use a resource without measure. Each one is a trial of the suites that run
//! them beside honest devices.

use super::Guest;

/// A hostile guest, and what becomes of it.
pub struct Trial {
    /// Name of the trial, valid as a group's name.
    pub name: &'static str,
    /// The guest.
    pub guest: Guest<'static>,
    /// Part of the reason of its end; `None` if it keeps running.
    pub trap: Option<&'static str>,
}

const MORE_IMPORTS: &str = r#"
    (import "wasmote:device/mqtt@0.1.0" "subscribe" (func $subscribe (param i32 i32 i32 i32)))
    (import "wasmote:device/mqtt@0.1.0" "unsubscribe" (func $unsubscribe (param i32 i32)))
    (import "wasmote:device/state@0.1.0" "set" (func $store (param i32 i32 i32 i32 i32)))
    (import "wasmote:device/state@0.1.0" "get" (func $load (param i32 i32 i32)))
    (import "wasmote:device/metrics@0.1.0" "counter-add" (func $count (param i32 i32 f64 i32)))
    (import "wasmote:device/config@0.1.0" "whoami" (func $whoami (param i32)))
    (import "wasmote:device/http@0.1.0" "send"
      (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32)))"#;

/// Texts at 256 and functions for numbered names at 300, which have eight letters.
const MORE_FUNCTIONS: &str = r##"
    (data (i32.const 256) "#")
    (data (i32.const 260) "$share/g/#")
    (data (i32.const 272) "GET")
    (data (i32.const 276) "http://127.0.0.1:1/")
    (data (i32.const 320) "\ed\a0\80")
    (data (i32.const 324) "\ff\ff")
    (data (i32.const 328) "\1b]0;owned\07\1b[2J\00\0a12:00:00 honest-0 forged")
    (data (i32.const 384) "a\00b")
    (data (i32.const 388) "$SYS/broker/load")
    (global $number (mut i32) (i32.const 0))
    (global $left (mut i32) (i32.const 0))
    ;; Writes the next name to 300.
    (func $next-name
      (global.set $number (i32.add (global.get $number) (i32.const 1)))
      (i32.store (i32.const 300)
        (i32.add (i32.and (global.get $number) (i32.const 0x0f0f0f0f)) (i32.const 0x61616161)))
      (i32.store (i32.const 304)
        (i32.add (i32.and (i32.shr_u (global.get $number) (i32.const 4)) (i32.const 0x0f0f0f0f))
          (i32.const 0x61616161))))
    (func $set-timer-10ms
      (call $set-timer (i32.const 1) (i64.const 10000000) (i32.const 2048)))
    (func $more (result i32)
      (global.set $left (i32.sub (global.get $left) (i32.const 1)))
      (global.get $left))
    (func $publish-text (param $text i32) (param $length i32)
      (call $publish (local.get $text) (local.get $length) (i32.const 96) (i32.const 10)
        (i32.const 0) (i32.const 0) (i32.const 2048)))
    (func $request
      (call $send (i32.const 272) (i32.const 3) (i32.const 276) (i32.const 19) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i64.const 1000000000) (i32.const 2048)))
    (func $deep (result i32) (i32.add (call $deep) (i32.const 1)))"##;

/// Sets a timer of a second at start.
const TIMED: Guest<'static> = Guest {
    imports: MORE_IMPORTS,
    globals: "",
    functions: MORE_FUNCTIONS,
    start: "(call $set-timer-1s)",
    timer: "",
    message: "",
    connection: "",
    http: "",
    reply: "",
    stop: "",
    snapshot: "",
    restore: "",
    realloc: "",
    pages: 0,
};

const FUEL: Option<&str> = Some("ran out of fuel");
const TRAPPED: Option<&str> = Some("trapped");

const fn at_start(name: &'static str, start: &'static str, trap: Option<&'static str>) -> Trial {
    Trial { name, guest: Guest { start, ..TIMED }, trap }
}

const fn at_timer(name: &'static str, timer: &'static str, trap: Option<&'static str>) -> Trial {
    Trial { name, guest: Guest { timer, ..TIMED }, trap }
}

/// All trials.
pub const TRIALS: &[Trial] = &[
    // Endless loops in every function that the host calls.
    at_start("loop-at-start", "(loop $ever (br $ever))", FUEL),
    at_timer("loop-at-timer", "(loop $ever (br $ever))", FUEL),
    Trial {
        name: "loop-at-connection",
        guest: Guest { connection: "(loop $ever (br $ever))", ..TIMED },
        trap: FUEL,
    },
    Trial {
        name: "loop-at-message",
        guest: Guest {
            start: "(call $subscribe (i32.const 64) (i32.const 11) (i32.const 0) (i32.const 2048))
                    (call $set-timer-1s)",
            timer: "(call $publish-one)",
            message: "(loop $ever (br $ever))",
            ..TIMED
        },
        trap: FUEL,
    },
    Trial { name: "loop-at-stop", guest: Guest { stop: "(loop $ever (br $ever))", ..TIMED }, trap: None },
    Trial {
        name: "loop-at-request",
        guest: Guest { http: "(loop $ever (br $ever))", ..TIMED },
        trap: None,
    },
    Trial {
        name: "loop-at-snapshot",
        guest: Guest { snapshot: "(loop $ever (br $ever))", ..TIMED },
        trap: None,
    },
    // Endless loops of host calls.
    at_timer("calls-publish", "(loop $ever (call $publish-one) (br $ever))", FUEL),
    at_timer(
        "calls-store",
        "(loop $ever
           (call $store (i32.const 64) (i32.const 1) (i32.const 0) (i32.const 60000) (i32.const 2048)) (br $ever))",
        FUEL,
    ),
    at_timer(
        "calls-log",
        "(loop $ever (call $log (i32.const 2) (i32.const 1100) (i32.const 50000)) (br $ever))",
        FUEL,
    ),
    at_timer(
        "calls-subscribe",
        "(loop $ever (call $next-name)
           (call $subscribe (i32.const 300) (i32.const 8) (i32.const 0) (i32.const 2048))
           (call $unsubscribe (i32.const 300) (i32.const 8)) (br $ever))",
        FUEL,
    ),
    at_timer("calls-timers", "(loop $ever (call $set-timer-1s) (br $ever))", FUEL),
    at_timer(
        "calls-metrics",
        "(loop $ever (call $next-name)
           (call $count (i32.const 300) (i32.const 8) (f64.const 1) (i32.const 2048)) (br $ever))",
        FUEL,
    ),
    at_timer("calls-http", "(loop $ever (call $request) (br $ever))", FUEL),
    at_timer("calls-whoami", "(loop $ever (call $whoami (i32.const 2048)) (br $ever))", FUEL),
    // Floods that stay within the fuel of each call.
    at_timer(
        "flood-publish",
        "(call $set-timer-10ms) (global.set $left (i32.const 300))
         (loop $again (call $publish-one) (br_if $again (call $more)))",
        None,
    ),
    at_timer(
        "flood-publish-qos-2",
        "(call $set-timer-10ms) (global.set $left (i32.const 300))
         (loop $again
           (call $publish (i32.const 64) (i32.const 11) (i32.const 0) (i32.const 1000)
             (i32.const 2) (i32.const 0) (i32.const 2048))
           (br_if $again (call $more)))",
        None,
    ),
    at_timer(
        "flood-retained",
        "(call $set-timer-10ms) (global.set $left (i32.const 100))
         (loop $again (call $next-name)
           (call $publish (i32.const 300) (i32.const 8) (i32.const 0) (i32.const 4000)
             (i32.const 0) (i32.const 1) (i32.const 2048))
           (br_if $again (call $more)))",
        None,
    ),
    at_timer(
        "flood-subscribe",
        "(call $set-timer-10ms) (global.set $left (i32.const 100))
         (loop $again (call $next-name)
           (call $subscribe (i32.const 300) (i32.const 8) (i32.const 0) (i32.const 2048))
           (br_if $again (call $more)))",
        None,
    ),
    at_timer(
        "flood-resubscribe",
        "(call $set-timer-10ms) (global.set $left (i32.const 100))
         (loop $again (call $next-name)
           (call $subscribe (i32.const 300) (i32.const 8) (i32.const 0) (i32.const 2048))
           (call $unsubscribe (i32.const 300) (i32.const 8))
           (br_if $again (call $more)))",
        None,
    ),
    at_timer(
        "flood-store",
        "(call $set-timer-10ms) (global.set $left (i32.const 300))
         (loop $again (call $next-name)
           (call $store (i32.const 300) (i32.const 8) (i32.const 0) (i32.const 100) (i32.const 2048))
           (br_if $again (call $more)))",
        None,
    ),
    at_timer(
        "flood-metrics",
        "(call $set-timer-10ms) (global.set $left (i32.const 300))
         (loop $again (call $next-name)
           (call $count (i32.const 300) (i32.const 8) (f64.const 1) (i32.const 2048))
           (br_if $again (call $more)))",
        None,
    ),
    at_timer(
        "flood-log",
        "(call $set-timer-10ms) (global.set $left (i32.const 300))
         (loop $again (call $log-line) (br_if $again (call $more)))",
        None,
    ),
    at_timer(
        "flood-http",
        "(call $set-timer-10ms) (global.set $left (i32.const 100))
         (loop $again (call $request) (br_if $again (call $more)))",
        None,
    ),
    at_start(
        "flood-timers",
        "(global.set $left (i32.const 20000))
         (loop $again
           (call $set-timer (global.get $left) (i64.const 500000000) (i32.const 2048))
           (br_if $again (call $more)))",
        None,
    ),
    Trial {
        name: "timers-of-zero",
        guest: Guest {
            start: "(global.set $left (i32.const 64))
                    (loop $again
                      (call $set-timer (global.get $left) (i64.const 0) (i32.const 2048))
                      (br_if $again (call $more)))",
            timer: "(call $set-timer (local.get 0) (i64.const 0) (i32.const 2048))",
            ..TIMED
        },
        trap: None,
    },
    Trial {
        name: "echo-of-everything",
        guest: Guest {
            start: "(call $subscribe (i32.const 256) (i32.const 1) (i32.const 2) (i32.const 2048))
                    (call $subscribe (i32.const 260) (i32.const 10) (i32.const 2) (i32.const 2048))
                    (call $set-timer-1s)",
            timer: "(call $publish-one)",
            message: "(call $publish-one)",
            ..TIMED
        },
        trap: None,
    },
    // Memory and stack.
    at_timer(
        "memory-to-the-limit",
        "(call $set-timer-1s)
         (loop $more (br_if $more (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0))))
         (unreachable)",
        Some("ran out of memory"),
    ),
    at_timer(
        "memory-filled-for-ever",
        "(drop (memory.grow (i32.const 30)))
         (loop $ever (memory.fill (i32.const 65536) (i32.const 1) (i32.const 0x100000)) (br $ever))",
        FUEL,
    ),
    at_timer("recursion", "(drop (call $deep))", Some("stack")),
    at_start("recursion-at-start", "(drop (call $deep))", Some("stack")),
    // Invalid pointers, lengths and values.
    at_timer(
        "result-out-of-bounds",
        "(call $publish (i32.const 64) (i32.const 11) (i32.const 0) (i32.const 1)
           (i32.const 0) (i32.const 0) (i32.const -16))",
        TRAPPED,
    ),
    at_timer(
        "argument-out-of-bounds",
        "(call $log (i32.const 2) (i32.const -16) (i32.const 1000))",
        TRAPPED,
    ),
    at_timer(
        "payload-of-256-mib",
        "(call $publish (i32.const 64) (i32.const 11) (i32.const 0) (i32.const 0x10000000)
           (i32.const 0) (i32.const 0) (i32.const 2048))",
        TRAPPED,
    ),
    at_timer(
        "result-over-the-arguments",
        "(call $set-timer-1s)
         (call $publish (i32.const 64) (i32.const 11) (i32.const 64) (i32.const 11)
           (i32.const 0) (i32.const 0) (i32.const 64))",
        None,
    ),
    at_timer(
        "unknown-qos",
        "(call $publish (i32.const 64) (i32.const 11) (i32.const 0) (i32.const 1)
           (i32.const 99) (i32.const 0) (i32.const 2048))",
        TRAPPED,
    ),
    at_timer("unknown-level", "(call $log (i32.const 99) (i32.const 96) (i32.const 10))", TRAPPED),
    at_timer("topic-with-a-surrogate", "(call $publish-text (i32.const 320) (i32.const 3))", TRAPPED),
    at_timer("log-of-invalid-text", "(call $log (i32.const 2) (i32.const 324) (i32.const 2))", TRAPPED),
    at_timer(
        "log-of-escapes",
        "(call $set-timer-10ms) (call $log (i32.const 2) (i32.const 328) (i32.const 40))",
        None,
    ),
    at_timer(
        "odd-topics",
        "(call $set-timer-10ms)
         (call $publish-text (i32.const 256) (i32.const 1))
         (call $publish-text (i32.const 384) (i32.const 3))
         (call $publish-text (i32.const 388) (i32.const 16))
         (call $publish-text (i32.const 260) (i32.const 10))
         (call $publish-text (i32.const 64) (i32.const 0))",
        None,
    ),
    at_start("unknown-result-at-start", "(i32.store8 (i32.const 1024) (i32.const 9))", TRAPPED),
    at_start("result-of-start-out-of-bounds", "(return (i32.const -16))", TRAPPED),
    Trial {
        name: "allocator-out-of-bounds",
        guest: Guest { timer: "(call $whoami (i32.const 2048))", realloc: "(return (i32.const -16))", ..TIMED },
        trap: TRAPPED,
    },
    Trial {
        name: "allocator-misaligned",
        guest: Guest { message: "(call $publish-one)", realloc: "(return (i32.const 1))", ..TIMED },
        trap: None,
    },
    Trial {
        name: "allocator-that-traps",
        guest: Guest { timer: "(call $whoami (i32.const 2048))", realloc: "(unreachable)", ..TIMED },
        trap: TRAPPED,
    },
    // Traps in every function that the host calls.
    at_start("trap-at-start", "(unreachable)", TRAPPED),
    at_timer("trap-at-timer", "(call $publish-one) (unreachable)", TRAPPED),
    Trial { name: "trap-at-connection", guest: Guest { connection: "(unreachable)", ..TIMED }, trap: TRAPPED },
    Trial { name: "trap-at-stop", guest: Guest { stop: "(unreachable)", ..TIMED }, trap: None },
    Trial { name: "trap-at-request", guest: Guest { http: "(unreachable)", ..TIMED }, trap: None },
    Trial { name: "trap-at-snapshot", guest: Guest { snapshot: "(unreachable)", ..TIMED }, trap: None },
    Trial {
        name: "snapshot-of-4-mib",
        guest: Guest { snapshot: "(i32.store (i32.const 1032) (i32.const 0x400000))", ..TIMED },
        trap: None,
    },
    at_timer(
        "state-before-each-trap",
        "(call $store (i32.const 64) (i32.const 1) (i32.const 0) (i32.const 60000) (i32.const 2048)) (unreachable)",
        TRAPPED,
    ),
];
