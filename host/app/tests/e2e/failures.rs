//! Runs that fail although they last to their end: exit code and last words.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::guests::{Guest, models, trapping};
use crate::mosquitto::Mosquitto;
use crate::program::wasmote;

/// Runs the arguments to their end on the embedded broker. Returns the exit code, stdout and stderr.
fn outcome(args: &[&str]) -> (Option<i32>, String, String) {
    let all =
        [&["run", "--http", "127.0.0.1:0", "--broker", "embedded:0", "--faults", "none"], args].concat();
    let Output { status, stdout, stderr } = wasmote(&all).output().expect("it ran");
    (status.code(), String::from_utf8(stdout).expect("text"), String::from_utf8(stderr).expect("text"))
}

fn component(folder: &Path, guest: &Guest<'_>) -> String {
    let file = folder.join("bad.wasm");
    fs::write(&file, guest.component()).expect("a file");
    file.to_str().expect("UTF-8").to_owned()
}

fn last_line(stderr: &str) -> &str {
    stderr.lines().last().unwrap_or_default()
}

#[test]
fn a_run_whose_starts_all_trap_names_the_trap() {
    let folder = tempfile::tempdir().expect("a folder");
    let bad = component(folder.path(), &Guest { start: "(unreachable)", ..Guest::default() });
    for log in ["text", "json"] {
        let (code, stdout, stderr) = outcome(&[&bad, "-n", "2", "--duration", "3s", "--log", log]);
        assert_eq!(code, Some(1), "{stderr}");
        let last = last_line(&stderr);
        assert!(last.starts_with("error: no device of group `bad` ever ran: "), "{stderr}");
        assert!(last.contains("bad-0 trapped: ") && !stderr.contains("too short"), "{stderr}");
        if log == "json" {
            let record: Value = serde_json::from_str(&stdout).expect("JSON");
            assert!(record["failure"].as_str().is_some_and(|it| it.contains("ever ran")), "{record}");
            assert!(record["traps"].as_u64() >= Some(2), "{record}");
        }
    }
    let args = ["sensor", "--duration", "2s", "--device-config", "report_interval=soon"];
    let (code, _, stderr) = outcome(&args);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        last_line(&stderr).contains("sensor-0 refused to start: ") && stderr.contains("soon"),
        "{stderr}"
    );
}

#[test]
fn devices_that_all_trap_later_fail_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let bad = component(folder.path(), &trapping());
    let (code, _, stderr) = outcome(&[&bad, "-n", "2", "--duration", "6s"]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(last_line(&stderr).contains("all 2 devices of group `bad` had failed at the end"), "{stderr}");
}

#[test]
fn a_group_that_never_runs_and_a_model_that_is_put_aside_fail_a_run_that_lasts_to_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    component(folder.path(), &Guest { start: "(unreachable)", ..Guest::default() });
    fs::write(folder.path().join("mad.wasm"), models::with_judge(models::TRAP)).expect("a file");
    let heartbeats = "[[group]]\nbehaviour = \"heartbeat\"\ncount = 2\nconfig = { interval = \"500ms\" }\n";
    let bad = "[[group]]\nname = \"bad\"\nbehaviour = \"bad.wasm\"\n";
    let model = "[faults]\nfault = [{ kind = \"component\", id = \"mad\", file = \"mad.wasm\" }]\n";
    let file = folder.path().join("run.toml");
    for (text, words) in [
        (format!("{bad}{heartbeats}"), "no device of group `bad` ever ran: "),
        (
            format!("{model}{heartbeats}"),
            "the fault model `mad` failed on 2 of 2 devices of group `heartbeat`",
        ),
    ] {
        fs::write(&file, &text).expect("a file");
        let config = file.to_str().expect("UTF-8");
        let args = [
            "run",
            "--http",
            "127.0.0.1:0",
            "--broker",
            "embedded:0",
            "--duration",
            "4s",
            "--config",
            config,
        ];
        let args =
            if text.contains("mad") { args.to_vec() } else { [&args[..], &["--faults", "none"]].concat() };
        let Output { status, stderr, .. } = wasmote(&args).output().expect("it ran");
        let stderr = String::from_utf8_lossy(&stderr);
        assert_eq!(status.code(), Some(1), "{stderr}");
        assert!(last_line(&stderr).contains(words), "{stderr}");
    }
}

#[test]
fn a_broker_that_refuses_everyone_is_named_with_its_reason() {
    let broker = Mosquitto::start_with("allow_anonymous false");
    let args = ["run", "--http", "127.0.0.1:0", "--broker", &broker.url(), "-n", "2", "--duration", "3s"];
    let Output { status, stderr, .. } = wasmote(&args).output().expect("it ran");
    let stderr = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(1), "{stderr}");
    let last = last_line(&stderr);
    assert!(last.starts_with("error: no device was ever connected: "), "{stderr}");
    assert!(last.to_lowercase().contains("not authorized"), "{stderr}");
}
