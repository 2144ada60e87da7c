//! Audit trail: changes over HTTP during a run are recorded and can be repeated.

use std::fs;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::live_run::Running;
use crate::workspace::{Workspace, json, modified_heartbeat, text, versions};

const PLAN: &str = r#"
name = "edited"
duration = "12s"
interval = "1s"

[[group]]
name = "west"
behaviour = "heartbeat"
count = 5
config = { interval = "200ms", peers = "all" }

[[timeline]]
at = "1s"
faults = "none"
"#;

/// Number of messages that a device published after a time.
fn sent_after(folder: &Path, device: &str, after: f64) -> usize {
    let events = fs::read_to_string(folder.join("events.ndjson")).unwrap();
    let lines = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_it = lines.filter(|line| line["device"] == device && line["kind"] == "sent");
    of_it.filter(|line| line["t_s"].as_f64().unwrap() > after).count()
}

#[test]
fn changes_over_http_are_recorded_and_repeated_in_virtual_time() {
    let workspace = Workspace::with_plan(PLAN);
    let running = Running::start(&workspace, &[]);
    running
        .wait_until(|status| status["states"]["connected"] == 5 && status["uptime_s"].as_f64() > Some(2.0));
    let changes = [
        (
            "PUT",
            "/faults",
            r#"{"fault": [{"kind": "loss", "probability": 0.9}]}"#,
            "the fleet: other faults, loss",
        ),
        ("PUT", "/devices/west-0/faults", r#""none""#, "west-0: other faults, none"),
        ("POST", "/devices/west-1/stop", "", "west-1 stopped"),
        ("POST", "/devices/west-2/crash", "", "west-2 crashed"),
        (
            "POST",
            "/devices/west-0/publish",
            r#"{"message": "by hand", "topic": "wasmote/west-0/heartbeat"}"#,
            "west-0 made to publish on wasmote/west-0/heartbeat",
        ),
        ("DELETE", "/faults", "", "the fleet: back to the faults before"),
    ];
    for (method, path, body, _) in changes {
        assert!(running.request(method, path, body).is_some(), "{method} {path}");
    }
    let output = running.child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let folder = workspace.0.path().join(printed["folder"].as_str().unwrap());

    let summary = json(&folder.join("summary.json"));
    let kept = summary["edits"].as_array().unwrap();
    let messages: Vec<&str> = kept.iter().map(|edit| edit["message"].as_str().unwrap()).collect();
    assert_eq!(messages, changes.map(|(_, _, _, message)| message));
    assert_eq!(json(&folder.join("manifest.json"))["runs"][0]["edits"], changes.len());
    assert_eq!(summary["ledger_closes"], true, "what a user published is accounted for");
    let events = fs::read_to_string(folder.join("events.ndjson")).unwrap();
    assert_eq!(events.matches(r#""kind":"edited""#).count(), changes.len());
    let outages = fs::read_to_string(folder.join("outages.csv")).unwrap();
    assert!(
        outages.contains("west-1,west,http,stop,") && outages.contains("west-2,west,http,crash,"),
        "{outages}"
    );
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("west-1 stopped"), "the report lists the change");

    // The plan as run repeats the changes in virtual time.
    let plan = folder.join("timeline-as-run.toml");
    let again = workspace.run(&[plan.to_str().unwrap(), "--out", "again"], 0);
    let stopped = kept[2]["at_s"].as_f64().unwrap();
    for (device, silent) in [("west-1", true), ("west-4", false)] {
        let counts = [&folder, &again].map(|folder| sent_after(folder, device, stopped + 0.5));
        assert_eq!(counts.map(|count| count == 0), [silent; 2], "{device}: {counts:?}");
    }
    let by_hand =
        |folder: &Path| fs::read_to_string(folder.join("logs/west-0.log")).unwrap().contains("by hand");
    assert!(by_hand(&folder) && by_hand(&again));
    let why = text(&workspace.call(&["verify", folder.to_str().unwrap()]).stderr);
    assert!(why.contains("timeline-as-run.toml"), "{why}");
}

/// An uploaded version is stored with the results, and the plan as run swaps it in again at the same time.
#[test]
fn an_uploaded_version_is_stored_and_swapped_again_by_the_plan_as_run() {
    let plan = PLAN.replace("\"12s\"", "\"25s\"")
        + r#"
[[timeline]]
at = "19s"
add = { group = "west", count = 1 }

[[timeline]]
at = "20s"
configure = { group = "east", config = { interval = "100ms" } }

[[group]]
name = "east"
behaviour = "heartbeat"
count = 2
"#;
    let workspace = Workspace::with_plan(&plan);
    let (sent, bytes) = (workspace.0.path().join("sent.wasm"), modified_heartbeat());
    fs::write(&sent, &bytes).unwrap();
    let running = Running::start(&workspace, &[]);
    running
        .wait_until(|status| status["states"]["connected"] == 7 && status["uptime_s"].as_f64() > Some(2.0));
    let body = format!("@{}", sent.display());
    let answer = running.request("PUT", "/behaviours/heartbeat", &body).expect("the upload is accepted");
    assert_eq!((&answer["swapped"], &answer["changed"]), (&7.into(), &true.into()), "{answer}");
    fs::remove_file(&sent).unwrap();
    let output = running.child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let folder = workspace.0.path().join(printed["folder"].as_str().unwrap());

    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let manifest = json(&folder.join("manifest.json"));
    let components = manifest["components"].as_array().unwrap();
    let kept =
        components.iter().find(|component| component["sha256"] == *sha256).expect("the manifest lists it");
    assert_eq!(fs::read(folder.join(kept["file"].as_str().unwrap())).unwrap(), bytes);
    let said = json(&folder.join("summary.json"))["edits"][0]["message"].as_str().unwrap().to_owned();
    assert!(said.starts_with(&format!("heartbeat swapped for version {}", &sha256[..12])), "{said}");
    assert!(said.ends_with(", first on west-0, east-0"), "{said}");
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains(&sha256), "the report names it");

    let as_run = folder.join("timeline-as-run.toml");
    let again = workspace.run(&[as_run.to_str().unwrap(), "--out", "again"], 0);
    let (then, now) = (versions(&folder), versions(&again));
    assert_eq!(then.len(), 8);
    for (device, then) in then {
        let now = &now[&device];
        let hashes = |had: &[(String, f64)]| had.iter().map(|(hash, _)| hash.clone()).collect::<Vec<_>>();
        assert_eq!(hashes(&then), hashes(now), "{device}");
        assert_eq!(
            then.last().unwrap().0,
            sha256,
            "{device}, which joined later or was configured, has it too"
        );
        let near = |(then, now): (&(String, f64), &(String, f64))| (then.1 - now.1).abs() < 6.0;
        assert!(then.iter().zip(now).all(near), "{device}: {then:?} {now:?}");
    }
    // The devices use the configuration that was set after the swap.
    for folder in [&folder, &again] {
        // Ten messages per second for four seconds; with the old configuration there would be one.
        assert!(sent_after(folder, "east-1", 21.0) > 10);
    }
    let events = fs::read_to_string(again.join("events.ndjson")).unwrap();
    assert_eq!(events.matches(r#""kind":"swapped""#).count(), 7, "each device once");
    let verified = workspace.call(&["verify", again.to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stderr));
}

/// The record of changes has every header of a request, except the host's token.
#[test]
fn results_do_not_contain_the_token_of_the_api() {
    const TOKEN: &str = "correct-horse-battery-staple";
    let workspace = Workspace::with_plan(&PLAN.replace("\"12s\"", "\"6s\""));
    let file = workspace.0.path().join("token");
    fs::write(&file, TOKEN).unwrap();
    let running = Running::start(&workspace, &["--http-token-file", file.to_str().unwrap()]);
    running.wait_until(|status| status["states"]["connected"] == 5);
    assert!(running.request("POST", "/devices/west-0/stop", "").is_none(), "a change needs the token");
    for header in [format!("Authorization: Bearer {TOKEN}"), format!("X-Wasmote-Token: {TOKEN}")] {
        let answer = std::process::Command::new("curl")
            .args([
                "-s",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                "-X",
                "POST",
                "-H",
                &header,
                "-H",
                "X-Kept: yes",
            ])
            .arg(format!("{}/devices/west-0/app/anything", running.url))
            .output()
            .expect("curl is installed");
        assert_eq!(text(&answer.stdout), "404", "the behaviour does not know the path");
    }
    let output = running.child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let folder = workspace.0.path().join(printed["folder"].as_str().unwrap());
    let mut files = vec![folder.clone()];
    let mut read = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        read += 1;
        assert!(!bytes.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes()), "{}", path.display());
    }
    assert!(read > 8, "{read} files");
    let plan = fs::read_to_string(folder.join("timeline-as-run.toml")).unwrap();
    assert!(plan.contains("x-kept") && !plan.contains("authorization"), "{plan}");
    assert!(!text(&output.stderr).contains(TOKEN) && !text(&output.stdout).contains(TOKEN));
}
