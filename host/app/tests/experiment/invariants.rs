//! Invariants of plans in plain runs.

use std::fs;

use crate::workspace::{Workspace, json, text};

fn plan(invariants: &[(&str, &str)], more: &str) -> String {
    let list: String = invariants
        .iter()
        .map(|(name, check)| format!("[[invariant]]\nname = \"{name}\"\ncheck = '{check}'\n\n"))
        .collect();
    format!(
        "name = \"ruled\"\nduration = \"60s\"\nsession_expiry = \"30s\"\n{more}\n[[group]]\nbehaviour = \"heartbeat\"\ncount = 3\n\
         config = {{ interval = \"1s\" }}\n\n{list}\
         [[timeline]]\nat = \"20s\"\ndisconnect = {{ devices = [\"heartbeat-1\"], for = \"8s\" }}\n\n\
         [[timeline]]\nat = \"40s\"\ncrash = {{ devices = [\"heartbeat-2\"] }}\n\n\
         [[timeline]]\nat = \"50s\"\npublish = {{ topic = \"wasmote/heartbeat-0/cmd\", payload = '{{\"id\":\"c1\",\"cmd\":\"beat\"}}', qos = 1 }}\n"
    )
}

/// Each rule, and the part of the message of its first violation; `None` for a rule that holds.
const RULES: [(&str, &str, Option<&str>); 22] = [
    ("no-trap", "never traps", None),
    ("no-crash", "never crashes", Some("heartbeat-2 lost its power")),
    ("no-disconnect", "never disconnects", Some("heartbeat-1 lost its connection")),
    ("no-restart", "never starts twice", Some("heartbeat-2 started, which occurred before")),
    ("rising", "always publishes \"wasmote/+/heartbeat\" has $.seq == previous $.seq + 1", None),
    ("falling", "always publishes \"wasmote/+/heartbeat\" has $.seq < previous $.seq", Some("\"seq\":2")),
    ("own-topic", "always publishes \"wasmote/{device}/#\" has topic contains device", None),
    ("unique", "never publishes \"wasmote/+/heartbeat\" twice with the same $.seq", None),
    (
        "unique-all",
        "never publishes \"wasmote/+/heartbeat\" twice with the same $.seq on any device",
        Some("which occurred before"),
    ),
    ("delivered-once", "never receives \"wasmote/+/heartbeat\" twice with the same $.device, $.seq", None),
    (
        "never-five",
        "never publishes \"wasmote/+/heartbeat\" where $.seq == 5 and device == \"heartbeat-0\"",
        Some("\"seq\":5"),
    ),
    ("connected", "always connected", Some("heartbeat-0 is in the forbidden state")),
    ("both-down", "never not connected on 2 devices for 5s", None),
    (
        "down-long",
        "never not connected for 5s",
        Some("heartbeat-1 is in the forbidden state for more than 5s"),
    ),
    (
        "all-high",
        "never last published \"wasmote/+/heartbeat\" where $.seq > 10 on 3 devices",
        Some("heartbeat-0 and heartbeat-1 and heartbeat-2"),
    ),
    (
        "same-seq",
        "never last published \"wasmote/+/heartbeat\" where $.seq > 10 on 2 devices with the same $.seq",
        Some("at once"),
    ),
    (
        "online",
        "after connects, eventually within 5s retained \"wasmote/{device}/state\" == \"online\" unless disconnects",
        None,
    ),
    (
        "stays-online",
        "never retained \"wasmote/{device}/state\" == \"offline\"",
        Some("heartbeat-1 is in the forbidden state: wasmote/heartbeat-1/state offline"),
    ),
    ("few-beats", "always metric heartbeats_sent_total <= 20", Some("heartbeats_sent_total is 21")),
    (
        "acknowledged",
        "after receives \"wasmote/{device}/cmd\", eventually within 2s publishes \"wasmote/{device}/ack\" where $.id == trigger $.id",
        None,
    ),
    (
        "refused",
        "after host publishes \"wasmote/+/cmd\", eventually within 2s any device publishes \"wasmote/+/nack\"",
        Some("no device did not reach the goal"),
    ),
    (
        "heard-early",
        "eventually within 10ms receives \"wasmote/+/heartbeat\"",
        Some("did not reach the goal in time, after the device joined"),
    ),
];

#[test]
fn rules_of_every_form_hold_or_are_broken() {
    let rules: Vec<(&str, &str)> = RULES.iter().map(|(name, check, _)| (*name, *check)).collect();
    let workspace = Workspace::with_plan(&plan(&rules, ""));
    let output = workspace.call(&["run", "plan.toml", "--junit", "junit.xml"]);
    assert_eq!(output.status.code(), Some(99), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let folder = printed.lines().find_map(|line| line.strip_prefix("results  ")).unwrap();
    let folder = workspace.0.path().join(folder);
    let summary = json(&folder.join("summary.json"));
    let junit = fs::read_to_string(workspace.0.path().join("junit.xml")).unwrap();
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    let events = fs::read_to_string(folder.join("events.ndjson")).unwrap();
    let mut wrong = Vec::new();
    for (at, (name, _, expected)) in RULES.iter().enumerate() {
        let outcome = &summary["invariants"][at];
        let message = outcome["first"]["message"].as_str();
        let fits = match expected {
            None => outcome["ok"] == true && message.is_none(),
            Some(part) => outcome["ok"] == false && message.is_some_and(|message| message.contains(part)),
        };
        if !fits {
            wrong.push(outcome.to_string());
        }
        let sign = if expected.is_none() { '✓' } else { '✗' };
        assert!(printed.contains(&format!("{sign} {name}")), "{name}: {printed}");
        assert!(page.contains(&format!("<b>{name}</b>")), "{name}");
        assert!(junit.contains(&format!("name=\"{name}\"")), "{name}: {junit}");
        assert_eq!(events.contains(&format!("\"message\":\"{name}: ")), expected.is_some(), "{name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rules_that_hold_change_neither_the_exit_code_nor_the_digest() {
    let digest = |invariants: &[(&str, &str)]| {
        let folder = Workspace::with_plan(&plan(invariants, ""));
        let results = folder.run(&["plan.toml"], 0);
        json(&results.join("summary.json"))["digest"].clone()
    };
    let holding: Vec<(&str, &str)> = RULES
        .iter()
        .filter(|(.., broken)| broken.is_none())
        .map(|(name, check, _)| (*name, *check))
        .collect();
    assert!(holding.len() > 5);
    assert_eq!(digest(&holding), digest(&[]));
}

#[test]
fn a_rule_for_one_group_ignores_others() {
    let more = "[[group]]\nname = \"other\"\nbehaviour = \"heartbeat\"\n";
    let rule = [("no-crash", "never crashes")];
    let text =
        plan(&rule, "").replace("check = 'never crashes'", "check = 'never crashes'\ngroup = \"other\"");
    Workspace::with_plan(&format!("{text}\n{more}")).run(&["plan.toml"], 0);
}

#[test]
fn rules_are_evaluated_in_real_time_except_for_retained_messages() {
    let workspace = Workspace::with_plan(
        plan(&[("never-five", "never publishes \"wasmote/+/heartbeat\" where $.seq == 5")], "")
            .replace("duration = \"60s\"", "duration = \"8s\"")
            .split("[[timeline]]")
            .next()
            .unwrap(),
    );
    let results = workspace.run(&["plan.toml", "--time", "real", "--broker", "embedded:0"], 99);
    let summary = json(&results.join("summary.json"));
    assert_eq!(summary["invariants"][0]["violations"], 3, "{summary}");
    let retained = "check = 'never retained \"a\" == 1'";
    let plan = workspace.0.path().join("plan.toml");
    let changed = fs::read_to_string(&plan).unwrap();
    let start = changed.find("check = ").unwrap();
    fs::write(&plan, format!("{}{retained}\n", &changed[..start])).unwrap();
    let output = workspace.call(&["run", "plan.toml", "--time", "real", "--broker", "embedded:0"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("virtual time only"), "{}", text(&output.stderr));
}
