//! Runs in real time whose broker refuses messages: results, report and exit code.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::mosquitto::{Mosquitto, free_port};
use crate::workspace::{Workspace, json, text};

/// Two devices at QoS 1. The broker's rules decide which of them may publish.
fn workspace() -> Workspace {
    let publisher = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../behaviours/built/publisher.wasm");
    let publisher = publisher.canonicalize().expect("it is built");
    let groups: String = ["good", "bad"]
        .map(|name| {
            format!(
                "[[group]]\nname = \"{name}\"\nbehaviour = {publisher:?}\ncount = 1\n\
                 config = {{ interval = \"100ms\", qos = 1 }}\n"
            )
        })
        .concat();
    let head = "name = \"refused\"\nduration = \"3s\"\ninterval = \"1s\"\n\
                thresholds = [\"refused == 0\", \"group good: refused == 0\"]\n";
    Workspace::with_plan(&format!("{head}{groups}"))
}

fn count(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_else(|| panic!("{field}: {value:#}"))
}

/// Checks the equation of outbound messages in a ledger of `ledger.json`.
fn check(ledger: &Value) {
    let faults = |field: &str| -> u64 {
        ledger["faults"].as_object().expect("faults").values().map(|fault| count(fault, field)).sum()
    };
    assert_eq!(
        count(ledger, "generated") + faults("duplicated_out"),
        count(ledger, "sent")
            + faults("dropped_out")
            + count(ledger, "waiting_out")
            + count(ledger, "lost_offline")
            + count(ledger, "refused"),
        "{ledger:#}"
    );
    let causes: BTreeMap<String, u64> = serde_json::from_value(
        ledger.get("refused_by_cause").cloned().unwrap_or_else(|| Value::Object(Default::default())),
    )
    .expect("counts");
    assert_eq!(causes.values().sum::<u64>(), count(ledger, "refused"), "{ledger:#}");
}

#[test]
fn refused_messages_are_in_all_results_and_miss_a_threshold() {
    const ANSWER: &str = "PUBACK 0x87 not authorized";
    let broker = Mosquitto::with("allow_anonymous true", "pattern write wasmote/good-0/#\n");
    let workspace = workspace();
    let http = format!("127.0.0.1:{}", free_port());
    let args = ["plan.toml", "--time", "real", "--http", &http, "--broker", &broker.url()];
    let folder = workspace.run(&args, 99);
    let ledger = json(&folder.join("ledger.json"));
    assert_eq!(ledger["closes"], true);
    check(&ledger["total"]);
    ledger["devices"].as_array().expect("devices").iter().for_each(check);
    let refused = count(&ledger["total"], "refused");
    assert!(refused > 10, "{ledger:#}");
    assert_eq!(ledger["total"]["refused_by_cause"]["broker"], refused);
    assert_eq!(ledger["total"]["negative_answers"][ANSWER], refused);
    let summary = json(&folder.join("summary.json"));
    assert_eq!(summary["negative_answers"][ANSWER].as_u64(), Some(count(&summary, "refused")), "{summary:#}");
    assert_eq!(
        (count(&summary["groups"]["good"], "refused"), count(&summary["groups"]["bad"], "sent")),
        (0, 0)
    );
    assert!(count(&summary["groups"]["good"], "sent") > 10, "{summary:#}");
    let held: Vec<bool> =
        summary["thresholds"].as_array().expect("thresholds").iter().map(|it| it["ok"] == true).collect();
    assert_eq!(held, [false, true]);
    let events = std::fs::read_to_string(folder.join("events.ndjson")).expect("events");
    assert!(events.contains("\"kind\":\"refused\"") && events.contains(ANSWER), "{events}");
    let report = std::fs::read_to_string(folder.join("report.html")).expect("a report");
    assert!(report.contains("Messages or requests were refused") && report.contains(ANSWER));
    let rows = std::fs::read_to_string(folder.join("timeseries.csv")).expect("a table");
    assert!(rows.lines().next().expect("a header").contains(",refused"), "{rows}");
}

#[test]
fn a_run_of_which_the_broker_accepts_nothing_fails() {
    let broker = Mosquitto::with("allow_anonymous true", "topic read #\n");
    let workspace = workspace();
    let http = format!("127.0.0.1:{}", free_port());
    let output =
        workspace.call(&["run", "plan.toml", "--time", "real", "--http", &http, "--broker", &broker.url()]);
    let (printed, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("the broker accepted no message"), "{errors}");
    assert!(printed.contains("negative answers of the broker: PUBACK 0x87 not authorized"), "{printed}");
    assert!(printed.contains("not sent:"), "{printed}");
}
