//! `wasmote doctor`.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::guests;
use crate::mosquitto::{Mosquitto, free_port};
use crate::program::{wasmote, wasmote_after};

/// Exit code and findings.
fn examined(command: &mut Command) -> (Option<i32>, Vec<Value>) {
    let output = command.output().expect("it ran");
    let whole: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(whole["works"], output.status.success());
    (output.status.code(), whole["findings"].as_array().expect("a list").clone())
}

fn doctor(args: &[&str]) -> (Option<i32>, Vec<Value>) {
    examined(&mut wasmote(&[&["doctor", "--json"], args].concat()))
}

fn of<'a>(findings: &'a [Value], check: &str) -> Vec<&'a Value> {
    findings.iter().filter(|finding| finding["check"] == check).collect()
}

/// The only finding of a check.
fn one<'a>(findings: &'a [Value], check: &str) -> &'a Value {
    let found = of(findings, check);
    assert_eq!(found.len(), 1, "{check}: {findings:#?}");
    found[0]
}

fn assert_failed(findings: &[Value], check: &str, words: &str, fix: &str) {
    let has = |finding: &Value, field: &str, words: &str| {
        finding[field].as_str().is_some_and(|text| text.contains(words))
    };
    let is_failed = |finding: &&Value| finding["check"] == check && finding["verdict"] == "failed";
    let mut failed = findings.iter().filter(is_failed);
    let is_expected = |finding: &Value| has(finding, "found", words) && has(finding, "fix", fix);
    assert!(failed.any(is_expected), "{check}: `{words}` and `{fix}` are not in {findings:#?}");
}

#[test]
fn a_machine_without_wishes_is_examined_and_works() {
    let (code, findings) = doctor(&["--http", "127.0.0.1:0"]);
    assert_eq!(code, Some(0), "{findings:#?}");
    for check in [
        "descriptors",
        "threads",
        "http port",
        "mappings",
        "memory",
        "processors",
        "clock",
        "timers",
        "wasm engine",
    ] {
        assert!(!of(&findings, check).is_empty(), "{check}: {findings:#?}");
    }
    assert!(of(&findings, "disk").len() >= 2 && !of(&findings, "toolchain").is_empty(), "{findings:#?}");
    for finding in &findings {
        assert_eq!(finding["verdict"] == "ok", finding.get("fix").is_none(), "{finding}");
    }
    let output = wasmote(&["doctor", "--http", "127.0.0.1:0"]).output().expect("it ran");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && text.contains("wasm engine") && text.contains("ok "), "{text}");
}

#[test]
fn what_was_asked_for_and_cannot_work_fails_with_its_fix() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (code, findings) = doctor(&["--http", &address]);
    assert_eq!(code, Some(1));
    assert_failed(&findings, "http port", &address, "--http 127.0.0.1:0");

    let url = format!("mqtt://127.0.0.1:{}", free_port());
    let (code, findings) = doctor(&["--http", "127.0.0.1:0", "--broker", &url]);
    assert_eq!(code, Some(1));
    assert_failed(&findings, "broker", &url, "--broker embedded");

    let args = ["doctor", "--json", "--http", "127.0.0.1:0", "-n", "500", "--broker", &url];
    let (code, findings) = examined(&mut wasmote_after("ulimit -n 128", &args));
    assert_eq!(code, Some(1));
    assert_failed(&findings, "descriptors", "500 devices need about", "ulimit -Hn");

    let (code, findings) = doctor(&["--http", "127.0.0.1:0", "-n", "1000000000"]);
    assert_eq!(code, Some(1));
    assert_failed(&findings, "memory", "1000000000 devices need about", "--shard");
}

#[test]
fn a_broker_is_asked_without_a_message() {
    let broker = Mosquitto::start();
    let url = format!("mqtt://127.0.0.1:{}", broker.port);
    let (code, findings) = doctor(&["--http", "127.0.0.1:0", "--broker", &url]);
    assert_eq!(code, Some(0), "{findings:#?}");
    assert_eq!(one(&findings, "broker")["verdict"], "ok");
    let closed = Mosquitto::start_with("allow_anonymous false");
    let url = format!("mqtt://127.0.0.1:{}", closed.port);
    let (code, findings) = doctor(&["--http", "127.0.0.1:0", "--broker", &url]);
    assert_eq!(
        (code, one(&findings, "broker")["verdict"].as_str()),
        (Some(0), Some("warning")),
        "{findings:#?}"
    );
}

/// A component with a section that no packing makes smaller.
fn large_component() -> Vec<u8> {
    let mut bytes = guests::well_behaved().component();
    let mut state = 1_u64;
    let mut payload = vec![1, b'x'];
    payload.extend((0..2_000_000).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    }));
    // A custom section: its number, its length in LEB128, and its content.
    bytes.push(0);
    let mut length = payload.len();
    while length >= 0x80 {
        bytes.push((length as u8 & 0x7f) | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(payload);
    bytes
}

#[test]
fn behaviours_are_read_checked_and_measured_for_a_config_map() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        fs::write(&file, bytes).expect("a file");
        file.to_str().expect("a path").to_owned()
    };
    let large = write("large.wasm", &large_component());
    let (code, findings) = doctor(&["--http", "127.0.0.1:0", "heartbeat", &large]);
    assert_eq!(code, Some(0), "{findings:#?}");
    let maps = of(&findings, "config map");
    assert_eq!(
        (maps[0]["verdict"].as_str(), maps[1]["verdict"].as_str()),
        (Some("ok"), Some("warning")),
        "{maps:?}"
    );
    let nonsense = write("nonsense.wasm", b"hello");
    let (code, findings) = doctor(&["--http", "127.0.0.1:0", &nonsense, "./none.wasm"]);
    assert_eq!(code, Some(1));
    assert_failed(&findings, "behaviour", "this is no WebAssembly", "wasmote behaviours inspect");
    assert_failed(&findings, "behaviour", "there is no behaviour `./none.wasm`", "oci://");
}

/// The program with a search path that has only these scripts.
fn with_scripts(folder: &Path, scripts: &[(&str, &str)], args: &[&str]) -> (Option<i32>, Vec<Value>) {
    for (name, text) in scripts {
        let file = folder.join(name);
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("a file");
    }
    let args = [&["doctor", "--json", "--http", "127.0.0.1:0"], args].concat();
    examined(
        wasmote(&args)
            .env("PATH", folder)
            .env("RUSTUP_HOME", folder)
            .env("CARGO_HOME", folder)
            .env("HOME", folder),
    )
}

#[test]
fn kubectl_and_toolchains_are_needed_only_if_they_are_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (code, findings) = with_scripts(folder, &[], &[]);
    assert_eq!(code, Some(0), "{findings:#?}");
    assert_eq!(one(&findings, "kubectl")["verdict"], "warning");
    let (code, findings) = with_scripts(folder, &[], &["--kubernetes"]);
    assert_eq!(code, Some(1));
    assert_failed(&findings, "kubectl", "kubectl cannot be started", "https://kubernetes.io");
    let (code, findings) = with_scripts(folder, &[], &["--language", "rust"]);
    assert_eq!(code, Some(1));
    assert_failed(&findings, "toolchain", "Cargo", "rustup");
    let (code, findings) = with_scripts(folder, &[], &["--language", "cobol"]);
    assert_eq!(code, Some(1));
    assert_failed(&findings, "toolchain", "there is no language `cobol`", "rust");

    let no_context = [("kubectl", "case \"$1\" in version) ;; *) echo 'no context' >&2; exit 1 ;; esac")];
    let (code, findings) = with_scripts(folder, &no_context, &["--kubernetes"]);
    assert_eq!(code, Some(1));
    assert_failed(&findings, "kubectl context", "no context", "kubectl config use-context");
    let reader = [(
        "kubectl",
        "case \"$*\" in *can-i\\ create*) echo no; exit 1 ;; *current-context*) echo lab ;; esac",
    )];
    let (code, findings) = with_scripts(folder, &reader, &["--kubernetes"]);
    assert_eq!(code, Some(1));
    assert_failed(&findings, "permissions", "you may not create deployments.apps", "Role");
    let all = [("kubectl", "echo lab")];
    let (code, findings) = with_scripts(folder, &all, &["heartbeat", "--kubernetes"]);
    assert_eq!(code, Some(0), "{findings:#?}");
    assert_eq!(one(&findings, "cluster")["verdict"], "ok");
}
