//! `wasmote config show`, completions and manual pages.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::program::wasmote;

#[test]
fn every_option_is_shown_with_its_value_and_its_origin() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("fleet.toml");
    fs::write(
        &file,
        "devices = 3\nfaults = \"none\"\n\nbroker_password = \"s3cr3t-1\"\nbroker = \"mqtt://host\"\n",
    )
    .expect("a file");
    let path = file.to_str().expect("a path");
    let show = |args: &[&str]| {
        let output = wasmote(&[&["config", "show", "--config", path], args].concat())
            .env("WASMOTE_KEEPALIVE", "30s")
            .env("WASMOTE_DEVICES", "4")
            .env("WASMOTE_SEED", "")
            .env("WASMOTE_HTTP_TOKEN", "s3cr3t-s3cr3t-s3cr3t")
            .output()
            .expect("it ran");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(!text.contains("s3cr3t"), "{text}");
        text
    };
    let text = show(&["--origin", "--devices", "5"]);
    let line = |name: &str| {
        let found = text.lines().find(|line| line.split_whitespace().next() == Some(name));
        found.unwrap_or_else(|| panic!("{name}: {text}")).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("devices"), format!("devices 5 [--devices, instead of WASMOTE_DEVICES, {path}:1]"));
    assert_eq!(line("faults"), format!("faults \"none\" [{path}:2]"));
    assert_eq!(line("broker_password"), format!("broker_password (hidden) [{path}:4]"));
    assert_eq!(line("keepalive"), "keepalive 30s [WASMOTE_KEEPALIVE]");
    assert_eq!(line("http_token"), "http_token (hidden) [WASMOTE_HTTP_TOKEN]");
    assert_eq!(line("seed"), "seed drawn and printed [default]");
    assert_eq!(line("topic_root"), "topic_root wasmote [default]");
    let json: Value = serde_json::from_str(&show(&["--json"])).expect("JSON");
    let devices =
        json.as_array().expect("a list").iter().find(|it| it["name"] == "devices").expect("an option");
    assert_eq!(devices["origin"], serde_json::json!({"kind": "environment", "name": "WASMOTE_DEVICES"}));
    assert_eq!(devices["overrides"][0]["line"], 1);
}

#[test]
fn a_configuration_that_a_run_refuses_is_shown_with_the_reason() {
    let output =
        wasmote(&["config", "show", "--broker", "mqtt://host", "--ca", "ca.pem"]).output().expect("it ran");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("ca.pem") && text(&output.stderr).contains("--ca"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn completions_are_scripts_of_their_shells() {
    for (shell, words) in [
        ("bash", "complete -F _wasmote"),
        ("zsh", "#compdef wasmote"),
        ("fish", "complete -c wasmote"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let output = wasmote(&["completions", shell]).output().expect("it ran");
        let script = String::from_utf8(output.stdout).expect("text");
        assert!(
            output.status.success() && script.contains(words) && script.contains("doctor"),
            "{shell}: {script}"
        );
        if shell == "bash" {
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join("completions");
            fs::write(&file, &script).expect("a file");
            let check = format!(
                "source {} && COMP_WORDS=(wasmote do) COMP_CWORD=1 && _wasmote wasmote do wasmote && echo \"${{COMPREPLY[*]}}\"",
                file.display()
            );
            let completed = Command::new("bash").args(["-c", &check]).output().expect("bash is there");
            assert_eq!(String::from_utf8_lossy(&completed.stdout).trim(), "doctor", "{completed:?}");
        }
    }
    assert_eq!(wasmote(&["completions", "tcsh"]).output().expect("it ran").status.code(), Some(2));
}

#[test]
fn manual_pages_are_there_for_every_subcommand() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("man1");
    let path = out.to_str().expect("a path");
    assert!(wasmote(&["man", "--out", path]).output().expect("it ran").status.success());
    for page in [
        "wasmote.1",
        "wasmote-run.1",
        "wasmote-experiment-run.1",
        "wasmote-behaviours-push.1",
        "wasmote-config-show.1",
    ] {
        let text = fs::read_to_string(out.join(page)).unwrap_or_else(|why| panic!("{page}: {why}"));
        assert!(text.contains(".TH "), "{page}: {text}");
    }
    let output = wasmote(&["man"]).output().expect("it ran");
    assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains(".TH wasmote"));
}
