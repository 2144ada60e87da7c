//! Capabilities that a group denies, quotas, and behaviours that are pinned by their SHA-256.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::fleet::Fleet;
use crate::guests::{self, Guest};
use crate::program::wasmote;

/// A guest that could send HTTP requests.
fn with_http() -> Guest<'static> {
    Guest {
        imports: r#"(import "wasmote:device/http@0.1.0" "send"
            (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i64 i32)))"#,
        functions:
            "(func $unused (call $send (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 2048)))",
        ..guests::well_behaved()
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let file = folder.join(name);
    fs::write(&file, bytes).expect("a file");
    file
}

/// Exit code and standard error of the program.
fn refusal(args: &[&str]) -> (Option<i32>, String) {
    let output = wasmote(args).output().expect("it ran");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn put(fleet: &Fleet, folder: &Path, path: &str, component: &[u8]) -> (u16, Value) {
    let body = format!("@{}", write(folder, "body", component).display());
    let (status, text) = fleet.curl(&["-X", "PUT", "--data-binary", &body], path);
    (status, serde_json::from_str(&text).expect("JSON"))
}

const DENIED: &str = "it imports `wasmote:device/http@0.1.0`, and its group is denied `http`";

#[test]
fn a_behaviour_that_imports_what_its_group_denies_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(folder.path(), "caller.wasm", with_http().component());
    let path = file.to_str().expect("a path");
    let (code, stderr) = refusal(&["run", path, "--http", "127.0.0.1:0", "--deny", "state,http"]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(DENIED), "{stderr}");
    let plan =
        format!("[[group]]\nbehaviour = {path:?}\ndeny = [\"http\"]\n[[group]]\nbehaviour = \"heartbeat\"\n");
    let plan = write(folder.path(), "run.toml", plan);
    let (code, stderr) =
        refusal(&["run", "--http", "127.0.0.1:0", "--config", plan.to_str().expect("a path")]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(DENIED), "{stderr}");
    let (code, stderr) = refusal(&["run", path, "--deny", "htpt"]);
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("there is no capability `htpt`") && stderr.contains("did you mean `http`?"),
        "{stderr}"
    );
    let shown = wasmote(&["behaviours", "inspect", path]).output().expect("it ran");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("capabilities  mqtt, timers, log, http"), "{shown}");
}

#[test]
fn an_update_that_imports_more_than_its_group_allows_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = write(folder.path(), "guest.wasm", guests::well_behaved().component());
    let args = ["--devices", "2", "--broker", "embedded:0", "--deny", "http", "--limit", "timers=7"];
    let fleet = Fleet::run(&[&[file.to_str().expect("a path")], &args[..]].concat()).ready();
    let (status, answer) = put(&fleet, folder.path(), "/behaviours/guest", &with_http().component());
    assert_eq!(status, 422, "{answer}");
    assert!(answer["error"]["message"].as_str().is_some_and(|it| it.contains(DENIED)), "{answer}");
    let shown = fleet.get("/behaviours/guest");
    assert_eq!(shown["capabilities"], serde_json::json!(["mqtt", "timers", "log"]), "{shown}");
    let quota = &shown["quotas"][0];
    assert_eq!((&quota["group"], &quota["deny"][0]), (&"guest".into(), &"http".into()), "{shown}");
    assert_eq!(
        (&quota["limits"]["timers"], &quota["limits"]["memory_bytes"]),
        (&7.into(), &4_194_304.into())
    );
    let (_, text) = fleet.curl(&["-H", "Accept: text/plain"], "/metrics");
    for (limit, value) in [("timers", 7), ("memory_bytes", 4_194_304), ("table_entries", 20_000)] {
        let wanted = format!(
            "wasmote_behaviour_limit{{group=\"guest\",behaviour=\"guest\",limit=\"{limit}\"}} {value}"
        );
        assert!(text.contains(&wanted), "{text}");
    }
    fleet.stop();
}

#[test]
fn a_pinned_behaviour_is_the_only_one_that_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (guests::well_behaved().component(), with_http().component());
    let (old_hash, new_hash) = (sha256(&old), sha256(&new));
    let file = write(folder.path(), "guest.wasm", &old);
    let path = file.to_str().expect("a path");
    let mismatch =
        |found: &str, wanted: &str| format!("its SHA-256 is {found}, and it is pinned to {wanted}");
    let (code, stderr) = refusal(&["run", path, "--http", "127.0.0.1:0", "--sha256", &new_hash]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(&mismatch(&old_hash, &new_hash)), "{stderr}");
    let pin = format!("sha256:{}", old_hash.to_uppercase());
    let args = [path, "--devices", "2", "--broker", "embedded:0", "--watch", "--sha256", &pin];
    let fleet = Fleet::run(&args).ready();
    let (status, answer) = put(&fleet, folder.path(), "/behaviours/guest", &new);
    assert_eq!(status, 422, "{answer}");
    let message = answer["error"]["message"].as_str().expect("a message");
    assert!(message.contains(&mismatch(&new_hash, &old_hash)), "{message}");
    assert_eq!(fleet.get("/behaviours/guest")["quotas"][0]["sha256"], old_hash);
    // The watched file is refused as well.
    fs::write(&file, &new).expect("a file");
    fleet.stderr.wait_for(&format!("{}: {}", "failed", mismatch(&new_hash, &old_hash)));
    assert_eq!(fleet.get("/behaviours/guest")["sha256"], old_hash);
    fleet.stop();
}

#[test]
fn a_request_can_pin_its_component() {
    let folder = tempfile::tempdir().expect("a folder");
    let (old, new) = (guests::well_behaved().component(), with_http().component());
    let file = write(folder.path(), "guest.wasm", &old);
    let args = [file.to_str().expect("a path"), "--devices", "2", "--broker", "embedded:0", "--canary", "0s"];
    let fleet = Fleet::run(&args).ready();
    for (pin, wanted) in [(sha256(&old), 422), ("12ab".to_owned(), 400), (sha256(&new), 200)] {
        let path = format!("/behaviours/guest?sha256={pin}");
        let (status, answer) = put(&fleet, folder.path(), &path, &new);
        assert_eq!(status, wanted, "{answer}");
        if status == 422 {
            let text = answer.to_string();
            assert!(text.contains(&sha256(&old)) && text.contains(&sha256(&new)), "{answer}");
        }
    }
    assert_eq!(fleet.get("/behaviours/guest")["sha256"], sha256(&new));
    fleet.stop();
}

#[test]
fn plans_and_manifests_pin_their_behaviours() {
    let folder = tempfile::tempdir().expect("a folder");
    let hash =
        sha256(&fs::read(guests::repository().join("behaviours/built/heartbeat.wasm")).expect("it is built"));
    let other = "a".repeat(64);
    let plan = |group: &str, swap: &str| {
        let text = format!(
            "name = \"pinned\"\nduration = \"10s\"\nseeds = [1]\n\
             [[group]]\nbehaviour = \"heartbeat\"\ncount = 2\nsha256 = {group:?}\n\
             [[timeline]]\nat = \"5s\"\nswap = {{ group = \"heartbeat\", behaviour = \"heartbeat\", sha256 = {swap:?} }}\n"
        );
        let file = write(folder.path(), "plan.toml", text);
        let out = folder.path().join("results");
        let args =
            ["experiment", "run", file.to_str().expect("a path"), "--out", out.to_str().expect("a path")];
        refusal(&args)
    };
    let mismatch = format!("its SHA-256 is {hash}, and it is pinned to {other}");
    for (group, swap) in [(&other, &hash), (&hash, &other)] {
        let (code, stderr) = plan(group, swap);
        assert_ne!(code, Some(0), "{stderr}");
        assert!(stderr.contains(&mismatch), "{stderr}");
    }
    let (code, stderr) = plan(&hash, &hash);
    assert_eq!(code, Some(0), "{stderr}");

    let output = wasmote(&["manifests", "--deny", "http", "--sha256", &hash]).output().expect("it ran");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("WASMOTE_DENY") && text.contains("WASMOTE_SHA256") && text.contains(&hash),
        "{text}"
    );
    let (code, stderr) = refusal(&["manifests", "--sha256", &other]);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(&hash) && stderr.contains(&other), "{stderr}");
}
