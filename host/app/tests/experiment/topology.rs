//! Plan topologies, as behaviours receive them.

use serde_json::json;

use crate::workspace::{Workspace, json};

const PLAN: &str = r#"
name = "wired"
duration = "90s"
warm_up = "30s"

[topology]
kind = "line"
groups = ["far", "near"]

[[group]]
name = "near"
behaviour = "routing"
count = 2
config = { sink = "near-0", data_interval = "2s" }

[[group]]
name = "far"
behaviour = "routing"
count = 2
config = { sink = "near-0", data_interval = "2s" }

[[group]]
behaviour = "heartbeat"

[[timeline]]
at = "10s"
add = { group = "near", count = 1 }
"#;

#[test]
fn a_plan_links_groups_with_each_other_and_devices_that_join() {
    let workspace = Workspace::with_plan(PLAN);
    let folder = workspace.run(&["plan.toml"], 0);
    let topology = json(&folder.join("topology.json"));
    // Devices are in the order in which the topology lists the groups; the third device of `near` joins later.
    let links = json!([["far-0", "far-1"], ["far-1", "near-0"], ["near-0", "near-1"], ["near-1", "near-2"]]);
    assert_eq!(topology["links"], links);
    let end = &topology["nodes"][4];
    assert_eq!((&end["device"], &end["x"]), (&json!("near-2"), &json!(1.0)));
    let groups = json(&folder.join("summary.json"))["groups"].clone();
    for group in ["near", "far"] {
        assert!(groups[group]["delivered"].as_u64() > Some(50), "{groups:#}");
    }
    // Messages from the far end reach the sink over several hops and across groups.
    let log = std::fs::read_to_string(folder.join("logs/near-0.log")).unwrap();
    assert!(log.contains("of far-0 arrived over 2 hops"), "{log}");
    assert!(log.contains("of near-2 arrived over 2 hops"), "{log}");
}

#[test]
fn a_sweep_can_set_the_kind_of_topology() {
    let workspace = Workspace::with_plan(PLAN);
    let sweep = r#"sweep={"topology.kind": ["star", "ring"]}"#;
    let folder = workspace.run(&["plan.toml", "--set", sweep, "--set", "timeline=[]"], 0);
    let links = |run: &str| {
        let topology = json(&folder.join("runs").join(run).join("topology.json"));
        topology["links"].as_array().unwrap().len()
    };
    assert_eq!((links("001-kind=star-seed=1"), links("002-kind=ring-seed=1")), (3, 4));
}

#[test]
fn routes_are_recorded_and_drawn() {
    let workspace = Workspace::with_plan(PLAN);
    let stop = r#"timeline=[{"at": "60s", "phase": "cut", "stop": {"devices": ["near-0"]}}]"#;
    let folder = workspace.run(&["plan.toml", "--set", stop], 0);
    let routes = std::fs::read_to_string(folder.join("routes.csv")).unwrap();
    let printed = |device: &str, way: &str| {
        routes.lines().any(|line| line.contains(&format!(",{device},")) && line.ends_with(way))
    };
    assert!(routes.starts_with("time_s,device,destination,next_hop,hops\n"), "{routes}");
    assert!(printed("far-1", ",near-0,1") && printed("far-0", ",far-1,2"), "{routes}");
    // When the sink stops, the routes to it disappear.
    assert!(printed("far-0", ",,") && printed("far-1", ",,"), "{routes}");
    let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
    for plot in ["routes-over-time", "route-changes"] {
        assert!(page.contains(&format!("<figure id=\"{plot}\"")), "{plot}");
        assert!(folder.join(format!("plots/{plot}.svg")).is_file(), "{plot}");
    }
    let graph = page.split("<figure id=\"routes-over-time\"").nth(1).unwrap();
    assert!(graph.contains("<title>near-0: out</title>") && graph.contains("cut, at"), "{graph}");
}

#[test]
fn a_group_has_the_same_graph_from_its_own_configuration() {
    let plan = |plan: &str, config: &str| {
        format!(
            r#"
name = "graph"
duration = "60s"
{plan}

[[group]]
behaviour = "routing"
count = 12
config = {{ {config} }}
"#
        )
    };
    let routes = |plan: String| {
        let workspace = Workspace::with_plan(&plan);
        let folder = workspace.run(&["plan.toml"], 0);
        std::fs::read_to_string(folder.join("routes.csv")).unwrap()
    };
    let graph = r#"kind = "random_geometric", seed = 3, radius = 0.6"#;
    let of_plan = routes(plan(&format!("topology = {{ {graph} }}"), ""));
    assert!(of_plan.lines().count() > 12, "{of_plan}");
    assert_eq!(routes(plan("", &format!("topology = {{ {graph} }}"))), of_plan);
}
