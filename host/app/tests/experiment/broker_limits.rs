//! Limits of the broker in plans.

use crate::workspace::{Workspace, text};

const PLAN: &str = r#"
name = "small-broker"
duration = "10s"
thresholds = ["sent >= 1"]

[broker_limits]
session_bytes = 65_536

[[group]]
behaviour = "heartbeat"
count = 100
"#;

/// The sessions of about sixty devices fit.
#[test]
fn a_plan_limits_the_stores_of_its_broker() {
    let workspace = Workspace::with_plan(PLAN);
    let output = workspace.call(&["run", "plan.toml"]);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(format!("{stdout}{stderr}").contains("CONNACK 0x97"), "{stdout}{stderr}");
    // With the default all of them connect.
    let output = workspace.call(&["run", "plan.toml", "--set", "broker_limits.session_bytes=1000000"]);
    let stdout = text(&output.stdout);
    assert!(output.status.success() && !stdout.contains("CONNACK"), "{stdout}{}", text(&output.stderr));
    let output = workspace.call(&["run", "plan.toml", "--set", "broker_limits.sessions=1"]);
    let found = text(&output.stderr);
    assert!(found.contains("there is no such field"), "{found}");
}
