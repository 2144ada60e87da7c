//! Outages in the results files.

use std::fs;

use crate::workspace::Workspace;

#[test]
fn a_disconnection_by_the_timeline_lasts_its_full_time() {
    let plan = r#"
name = "cut"
duration = "30s"

[[group]]
behaviour = "heartbeat"
count = 3

[[timeline]]
at = "10s"
disconnect = { for = "5s" }
"#;
    let workspace = Workspace::with_plan(plan);
    let folder = workspace.run(&["plan.toml"], 0);
    let outages = fs::read_to_string(folder.join("outages.csv")).unwrap();
    let rows: Vec<Vec<&str>> = outages.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 3, "one per device: {outages}");
    for row in rows {
        let [from, to] = [4, 5].map(|column: usize| row[column].parse::<f64>().unwrap());
        assert!(row[3] == "disconnect" && (10.0..10.02).contains(&from), "{outages}");
        assert!((to - from - 5.0).abs() < 1e-6, "{outages}");
    }
    let log = fs::read_to_string(folder.join("logs/heartbeat-0.log")).unwrap();
    assert!(log.contains("(disconnect) began, for 5.0 s"), "{log}");
    assert!(!log.contains("(disconnect) ended"), "the outage lasts its full time: {log}");
    let steps = fs::read_to_string(folder.join("timeline.csv")).unwrap();
    assert_eq!(steps.lines().count(), 2, "the end of the outage is not a step of the plan: {steps}");
}
