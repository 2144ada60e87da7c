//! Hostile guests in a fleet with well-behaved ones.

use std::path::{Path, PathBuf};

use crate::fleet::{Fleet, wasmote};
use crate::guests::{self, Guest};
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::Mosquitto;

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
