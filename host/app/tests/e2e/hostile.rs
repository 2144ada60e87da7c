//! Hostile guests in a fleet with well-behaved ones.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::fleet::Fleet;
use crate::guests::{self, Guest};
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::Mosquitto;
use crate::program::wasmote;

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let file = folder.join(format!("{name}.wasm"));
    std::fs::write(&file, bytes).expect("a file");
    file
}

/// Writes a run file with one hostile guest and three heartbeats.
fn plan_with_heartbeats(folder: &Path, guest: &Guest<'_>) -> PathBuf {
    let bad = write(folder, "bad", &guest.component());
    let plan = format!(
        "faults = \"none\"\n\
         [[group]]\nname = \"bad\"\nbehaviour = {bad:?}\ncount = 1\n\
         [[group]]\nname = \"good\"\nbehaviour = \"heartbeat\"\ncount = 3\nconfig = {{ interval = \"500ms\" }}\n"
    );
    let file = folder.join("run.toml");
    std::fs::write(&file, plan).expect("a file");
    file
}

/// Runs a hostile guest, waits until its failure is logged, and checks that the other devices keep running.
fn assert_logged(guest: &Guest<'_>, words: &str) {
    let broker = Mosquitto::start();
    let subscriber = broker.subscribe("wasmote/+/heartbeat");
    let folder = tempfile::tempdir().expect("a folder");
    let plan = plan_with_heartbeats(folder.path(), guest);
    let fleet = Fleet::run(&["--broker", &broker.url(), "--config", plan.to_str().expect("a path")]);
    let logged = fleet.stderr.wait(1, DEFAULT_TIMEOUT, |line| line.contains("bad-0") && line.contains(words));
    assert!(logged[0].contains("bad-0"), "{logged:?}");
    let before = subscriber.lines.all().len();
    subscriber.lines.wait(before + 18, DEFAULT_TIMEOUT, |line| line.contains("good-"));
    assert_eq!(fleet.status_of("/healthz"), 200);
    let good = fleet.get("/devices/good-1");
    assert_eq!(good["state"], "connected", "{good}");
    fleet.stop();
}

#[test]
fn a_guest_with_an_endless_loop() {
    assert_logged(&guests::endless_loop(), "ran out of fuel");
}

#[test]
fn a_guest_that_exhausts_memory() {
    assert_logged(&guests::memory_eater(), "ran out of memory");
}

#[test]
fn a_guest_that_fills_the_store_in_an_endless_loop() {
    let guest = Guest {
        imports: r#"(import "wasmote:device/state@0.1.0" "set" (func $store (param i32 i32 i32 i32 i32)))"#,
        start: "(call $set-timer-1s)",
        timer: "(loop $ever
            (call $store (i32.const 64) (i32.const 1) (i32.const 0) (i32.const 60000) (i32.const 2048))
            (br $ever))",
        ..Guest::default()
    };
    assert_logged(&guest, "ran out of fuel: the host calls of one call used more than 50000000 units");
}

/// The broker acknowledges every packet, but not as fast as this guest subscribes.
#[test]
fn a_guest_that_subscribes_and_unsubscribes_in_a_loop() {
    let guest = Guest {
        imports: r#"(import "wasmote:device/mqtt@0.1.0" "subscribe" (func $subscribe (param i32 i32 i32 i32)))
                    (import "wasmote:device/mqtt@0.1.0" "unsubscribe" (func $unsubscribe (param i32 i32)))"#,
        globals: "(global $left (mut i32) (i32.const 0))",
        start: "(call $set-timer-1s)",
        timer: "(call $set-timer (i32.const 1) (i64.const 1000000) (i32.const 2048))
            (global.set $left (i32.const 1000))
            (loop $more
              (call $subscribe (i32.const 64) (i32.const 11) (i32.const 0) (i32.const 2048))
              (call $unsubscribe (i32.const 64) (i32.const 11))
              (global.set $left (i32.sub (global.get $left) (i32.const 1)))
              (br_if $more (global.get $left)))",
        ..Guest::default()
    };
    assert_logged(&guest, "are missing from the log");
}

/// Sets 64 timers of 100 µs, each of which runs for some ten milliseconds and sets itself again.
fn timer_storm() -> Guest<'static> {
    Guest {
        globals: "(global $token (mut i32) (i32.const 0)) (global $left (mut i64) (i64.const 0))",
        start: "(loop $more
        (call $set-timer (global.get $token) (i64.const 100000) (i32.const 2048))
        (global.set $token (i32.add (global.get $token) (i32.const 1)))
        (br_if $more (i32.lt_u (global.get $token) (i32.const 64))))",
        timer: "(call $set-timer (local.get 0) (i64.const 100000) (i32.const 2048))
        (global.set $left (i64.const 4000000))
        (loop $burn (global.set $left (i64.sub (global.get $left) (i64.const 1)))
          (br_if $burn (i64.ne (global.get $left) (i64.const 0))))",
        ..Guest::default()
    }
}

/// Stores large values in a loop that stays just below the budget for host calls.
fn store_storm() -> Guest<'static> {
    Guest {
        imports: r#"(import "wasmote:device/state@0.1.0" "set" (func $store (param i32 i32 i32 i32 i32)))"#,
        globals: "(global $left (mut i32) (i32.const 0))",
        start: "(call $set-timer (i32.const 1) (i64.const 100000) (i32.const 2048))",
        timer: "(call $set-timer (i32.const 1) (i64.const 100000) (i32.const 2048))
        (global.set $left (i32.const 820))
        (loop $more
          (call $store (i32.const 64) (i32.const 1) (i32.const 0) (i32.const 60000) (i32.const 2048))
          (global.set $left (i32.sub (global.get $left) (i32.const 1)))
          (br_if $more (global.get $left)))",
        ..Guest::default()
    }
}

#[test]
fn expensive_handlers_in_a_row_delay_only_their_own_devices() {
    const HONEST: u64 = 200;
    let broker = Mosquitto::start();
    let folder = tempfile::tempdir().expect("a folder");
    let good = write(folder.path(), "good", &guests::well_behaved().component());
    let timers = write(folder.path(), "timers", &timer_storm().component());
    let store = write(folder.path(), "store", &store_storm().component());
    let plan = format!(
        "faults = \"none\"\n\
         [[group]]\nname = \"timers\"\nbehaviour = {timers:?}\ncount = 1\n\
         [[group]]\nname = \"store\"\nbehaviour = {store:?}\ncount = 1\n\
         [[group]]\nname = \"good\"\nbehaviour = {good:?}\ncount = {HONEST}\n"
    );
    let file = folder.path().join("run.toml");
    std::fs::write(&file, plan).expect("a file");
    let fleet = Fleet::run(&["--broker", &broker.url(), "--config", file.to_str().expect("a path")]).ready();
    // Both culprits are named, in a warning and in the metrics.
    fleet.stderr.wait(2, DEFAULT_TIMEOUT, |line| {
        line.contains("more than 10 % of its thread")
            && (line.contains("timers-0") || line.contains("store-0"))
    });
    fleet.wait_until("the metrics name both", DEFAULT_TIMEOUT, |fleet| {
        let metrics = fleet.get("/metrics")["delayed_devices"].to_string();
        metrics.contains("timers-0") && metrics.contains("store-0")
    });
    let (_, text) = fleet.curl(&["-H", "accept: text/plain"], "/metrics");
    assert!(text.contains("wasmote_delayed_device_seconds_total{device=\"timers-0\"}"), "{text}");
    // The honest devices keep their rate: one message a second from each.
    let sent = |fleet: &Fleet| fleet.get("/metrics")["sent"].as_u64().expect("a number");
    let (before, began) = (sent(&fleet), Instant::now());
    fleet.wait_until("five seconds of messages", DEFAULT_TIMEOUT, |fleet| {
        let asked = Instant::now();
        assert_eq!(fleet.status_of("/healthz"), 200);
        let took = asked.elapsed();
        assert!(took < Duration::from_secs(1), "/healthz took {took:?}");
        sent(fleet) >= before + 5 * HONEST
    });
    let took = began.elapsed();
    assert!(took < Duration::from_millis(6_500), "five messages of each device took {took:?}");
    // No honest session was lost, and no honest device was delayed.
    let metrics = fleet.get("/metrics");
    let delayed = metrics["delayed_devices"].as_array().expect("a list");
    assert_eq!(delayed.len(), 2, "{delayed:?}");
    assert_eq!(metrics["devices"]["connected"], HONEST + 2, "{metrics}");
    assert_eq!(metrics["connects"], HONEST + 2, "{metrics}");
    let memory = fleet.resident_mib();
    assert!(memory < 400, "{memory} MiB");
    let asked = Instant::now();
    fleet.signal("INT");
    let (status, _) = fleet.end();
    assert!(status.success(), "{status}");
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(2), "SIGINT took {took:?}");
}

/// Publishes retained messages of 60 KB on ever more topics.
fn retained_flood() -> Guest<'static> {
    Guest {
        globals: "(global $left (mut i32) (i32.const 0)) (global $n (mut i32) (i32.const 0))",
        start: "(call $set-timer (i32.const 1) (i64.const 10000000) (i32.const 2048))",
        timer: "(call $set-timer (i32.const 1) (i64.const 10000000) (i32.const 2048))
        (global.set $left (i32.const 50))
        (loop $more
          (global.set $n (i32.add (global.get $n) (i32.const 1)))
          ;; Three hexadecimal digits of the number as the last letters of the topic.
          (i32.store8 (i32.const 72) (i32.add (i32.const 97) (i32.and (global.get $n) (i32.const 15))))
          (i32.store8 (i32.const 73)
            (i32.add (i32.const 97) (i32.and (i32.shr_u (global.get $n) (i32.const 4)) (i32.const 15))))
          (i32.store8 (i32.const 74)
            (i32.add (i32.const 97) (i32.and (i32.shr_u (global.get $n) (i32.const 8)) (i32.const 15))))
          (call $publish (i32.const 64) (i32.const 11) (i32.const 0) (i32.const 60000) (i32.const 0)
            (i32.const 1) (i32.const 2048))
          (global.set $left (i32.sub (global.get $left) (i32.const 1)))
          (br_if $more (global.get $left)))",
        ..Guest::default()
    }
}

#[test]
fn a_guest_that_fills_the_store_of_retained_messages() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = plan_with_heartbeats(folder.path(), &retained_flood());
    let fleet = Fleet::run(&["--broker", "embedded:0", "--config", plan.to_str().expect("a path")]).ready();
    let before = fleet.resident_mib();
    fleet.wait_until("messages are refused", DEFAULT_TIMEOUT, |fleet| {
        fleet.get("/metrics")["broker"]["refused"].as_u64() > Some(400)
    });
    let metrics = fleet.get("/metrics");
    let store = &metrics["stores"]["broker_retained"];
    assert!(store["used_bytes"].as_u64() <= Some(17 << 20), "{store}");
    assert!(store["refused"].as_u64() > Some(400), "{store}");
    let memory = fleet.resident_mib();
    assert!(memory < before + 150, "{before} MiB, then {memory} MiB");
    assert_eq!(metrics["devices"]["connected"], 4, "{metrics}");
    fleet.stop();
}

#[test]
fn a_guest_whose_messages_are_delayed() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = plan_with_heartbeats(folder.path(), &retained_flood());
    let text = std::fs::read_to_string(&plan).expect("a file").replace("faults = \"none\"\n", "");
    std::fs::write(&plan, format!("faults = \"faults.toml\"\n{text}")).expect("a file");
    let fault = "[[fault]]\nkind = \"delay\"\nmin = \"1h\"\nmax = \"1h\"\ngroup = \"bad\"\n";
    std::fs::write(folder.path().join("faults.toml"), fault).expect("a file");
    let fleet = Fleet::run(&["--broker", "embedded:0", "--config", plan.to_str().expect("a path")]).ready();
    let before = fleet.resident_mib();
    fleet.wait_until("messages are refused", DEFAULT_TIMEOUT, |fleet| {
        fleet.get("/metrics")["refused"]["queue_full"].as_u64() > Some(400)
    });
    let memory = fleet.resident_mib();
    assert!(memory < before + 100, "{before} MiB, then {memory} MiB");
    assert_eq!(fleet.get("/metrics")["ledger_closes"], true);
    fleet.stop();
}

#[test]
fn the_final_log_line_of_a_trapped_guest_is_logged() {
    assert_logged(&guests::trapping(), "final line");
}

#[test]
fn a_guest_that_floods_the_broker() {
    let broker = Mosquitto::start();
    let subscriber = broker.subscribe("wasmote/+/heartbeat");
    let folder = tempfile::tempdir().expect("a folder");
    let plan = plan_with_heartbeats(folder.path(), &guests::flooder());
    let fleet = Fleet::run(&["--broker", &broker.url(), "--config", plan.to_str().expect("a path")]);
    fleet.wait_until("the refused messages are counted", DEFAULT_TIMEOUT, |fleet| {
        fleet.get("/devices/bad-0").to_string().contains("9900")
            || fleet.get("/metrics")["refused"]["publish_rate"].as_u64() > Some(90_000)
    });
    subscriber.lines.wait(18, DEFAULT_TIMEOUT, |line| line.contains("good-"));
    fleet.stop();
}

/// Error output for a file that cannot be run.
fn refusal(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(folder.path(), "given", bytes);
    let output =
        wasmote(&["run", file.to_str().expect("a path"), "--http", "127.0.0.1:0"]).output().expect("it ran");
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(stderr.contains("given.wasm"), "the error names the file: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

#[test]
fn a_truncated_file() {
    let whole = guests::well_behaved().component();
    assert!(refusal(&whole[..whole.len() / 2]).contains("damaged or incomplete"));
}

#[test]
fn a_core_module() {
    assert!(
        refusal(&guests::well_behaved().core_module()).contains("core WebAssembly module, not a component")
    );
}

#[test]
fn a_file_of_another_format() {
    assert!(refusal(b"#!/bin/sh\necho hello\n").contains("no WebAssembly"));
}

#[test]
fn a_component_that_starts_with_more_memory_than_a_device_may_have() {
    // As large as Python's.
    let python = Guest { pages: 208, ..guests::well_behaved() }.component();
    let wanted = "it needs 13631488 bytes of memory to start, and may have 4194304; `--limit memory_bytes=33554432` \
                  allows more";
    assert!(refusal(&python).contains(wanted));
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(folder.path(), "python", &python);
    let path = file.to_str().expect("a path");
    // `inspect` says what `run` says, and shows the component nevertheless.
    let inspect = |more: &[&str]| {
        let output = wasmote(&[&["behaviours", "inspect", path], more].concat()).output().expect("it ran");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, stdout, stderr) = inspect(&[]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(&format!("`wasmote run` refuses it: {wanted}")), "{stderr}");
    assert!(
        stdout.contains("memory   13631488 bytes at the start") && stdout.contains("mqtt@0.1.0"),
        "{stdout}"
    );
    let (code, _, stderr) = inspect(&["--limit", "memory_bytes=33554432"]);
    assert_eq!((code, &*stderr), (Some(0), ""));
    let args = ["--devices", "2", "--broker", "embedded:0", "--limit", "memory_bytes=33554432"];
    Fleet::run(&[&[path][..], &args].concat()).ready().stop();
}
