//! Effects of timeline actions on results.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::workspace::{Workspace, json, modified_heartbeat, text, versions};

fn plan(timeline: &str) -> String {
    format!(
        r#"
name = "told"
duration = "2m"
interval = "10s"
faults = {{ fault = [{{ kind = "loss", probability = 0.0 }}] }}

[[group]]
name = "west"
behaviour = "heartbeat"
count = 4
config = {{ interval = "1s", peers = "all" }}

[[group]]
name = "east"
behaviour = "heartbeat"
count = 4
config = {{ interval = "1s", peers = "all" }}

{timeline}
"#
    )
}

fn run(timeline: &str) -> (Workspace, std::path::PathBuf) {
    let workspace = Workspace::with_plan(&plan(timeline));
    let folder = workspace.run(&["plan.toml"], 0);
    (workspace, folder)
}

/// Column of the time series for all devices.
fn column(folder: &Path, name: &str) -> Vec<f64> {
    let text = fs::read_to_string(folder.join("timeseries.csv")).unwrap();
    let at = text.lines().next().unwrap().split(',').position(|column| column == name).unwrap();
    let rows = text.lines().map(|line| line.split(',').collect::<Vec<_>>()).filter(|row| row[1] == "*");
    rows.map(|row| row[at].parse().unwrap_or(0.0)).collect()
}

fn ratios(folder: &Path) -> Vec<f64> {
    let (delivered, expected) = (column(folder, "delivered"), column(folder, "expected"));
    delivered.iter().zip(&expected).map(|(delivered, expected)| delivered / expected).collect()
}

fn outages(folder: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(folder.join("outages.csv")).unwrap();
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn a_share_crashes_and_comes_back() {
    let (_bench, folder) = run("[[timeline]]\nat = \"29s\"\ncrash = { share = 0.5 }");
    let crashed = outages(&folder);
    assert_eq!(crashed.len(), 4);
    for outage in crashed {
        assert_eq!(outage[2..], ["timeline", "crash", "29", "34"]);
    }
    let up = column(&folder, "up");
    assert_eq!((up[1], up[2], up[3]), (8.0, 4.0, 8.0), "{up:?}");
}

#[test]
fn stopped_devices_expect_no_messages() {
    let (_bench, folder) = run(
        "[[timeline]]\nat = \"30s\"\nstop = { group = \"east\" }\n[[timeline]]\nat = \"60s\"\nstart = { group = \"east\" }",
    );
    let up = column(&folder, "up");
    assert_eq!((up[2], up[3], up[7]), (4.0, 4.0, 8.0), "{up:?}");
    let expected = column(&folder, "expected");
    assert!(expected[4] < expected[1] * 0.6, "{expected:?}");
    assert!(ratios(&folder)[4] > 0.99);
}

#[test]
fn a_partition_separates_only_its_sides_for_its_duration() {
    let (_bench, folder) = run("[[timeline]]\nat = \"30s\"\npartition = { group = \"west\", for = \"30s\" }");
    let reported = ratios(&folder);
    assert!(reported[1] > 0.999 && reported[8] > 0.999, "{reported:?}");
    let ledger = json(&folder.join("ledger.json"));
    assert_eq!(
        ledger["total"]["faults"]["timeline-0"]["dropped_out"], 0,
        "both sides still reach the broker"
    );
    let partitions = (0..4).map(|index| format!("west-{index} west timeline-0 partition 30 60"));
    let reported: Vec<String> = outages(&folder).iter().map(|outage| outage.join(" ")).collect();
    assert_eq!(reported, partitions.collect::<Vec<_>>());
    let lost = fs::read_to_string(folder.join("plots/losses-by-fault.svg")).unwrap();
    assert!(lost.contains(">partition (timeline-0)<"), "{lost}");
    // Every device subscribes to all others, and still receives messages of its own side.
    let summary = json(&folder.join("summary.json"));
    assert!(summary["ledger_closes"].as_bool().unwrap());
}

#[test]
fn a_ramp_rises_in_steps() {
    let (_bench, folder) = run(
        "[[timeline]]\nat = \"30s\"\nramp = { field = \"loss.probability\", from = 0, to = 0.8, over = \"60s\", steps = 6 }",
    );
    let reported = ratios(&folder);
    assert!(reported[1] > 0.999, "{reported:?}");
    assert!(reported[11] < 0.35 && reported[5] > reported[11] + 0.2, "{reported:?}");
}

#[test]
fn a_ramp_has_fractions_if_the_field_accepts_them() {
    let (_bench, folder) = run(
        "[[timeline]]\nat = \"0s\"\nramp = { field = \"loss.probability\", from = 0, to = 1, over = \"100s\", steps = 10 }",
    );
    let ratios = ratios(&folder);
    for (row, ratio) in ratios.iter().enumerate().take(10) {
        let kept = 1.0 - row as f64 / 10.0;
        assert!((ratio - kept).abs() < 0.15, "{row}: {ratios:?}");
    }

    // The number of copies is a whole number: one up to 40 s, then two, and three from 80 s on.
    let (_bench, folder) = run(
        "[[timeline]]\nat = \"0s\"\nfaults = { fault = [{ kind = \"duplicate\", probability = 1, copies = 1 }] }\n\
         [[timeline]]\nat = \"20s\"\nramp = { field = \"duplicate.copies\", from = 1, to = 3, over = \"80s\", steps = 4 }",
    );
    let timeline = fs::read_to_string(folder.join("timeline.csv")).unwrap();
    assert_eq!(timeline.lines().filter(|line| line.contains("faults")).count(), 6, "{timeline}");
}

#[test]
fn connections_break_at_once_and_stay_broken() {
    let (_bench, folder) = run("[[timeline]]\nat = \"29s\"\ndisconnect = { group = \"west\", for = \"5s\" }");
    let up = column(&folder, "up");
    assert_eq!((up[2], up[3]), (4.0, 8.0), "{up:?}");
    let log = fs::read_to_string(folder.join("broker.log")).unwrap();
    assert_eq!(log.matches("without a farewell").count(), 4, "{log}");
}

#[test]
fn devices_join_change_and_receive_messages() {
    let (_bench, folder) = run(r#"
[[timeline]]
at = "20s"
add = { group = "west", count = 3 }

[[timeline]]
at = "60s"
configure = { group = "east", config = { interval = "100ms" } }

[[timeline]]
at = "90s"
publish = { topic = "wasmote/all/message", payload = { message = "hello" }, qos = 1 }

[[timeline]]
at = "100s"
faults = "none"
device = "west-*"
"#);
    let devices = column(&folder, "devices");
    assert_eq!((devices[0], devices[2]), (8.0, 11.0));
    let generated = column(&folder, "generated");
    assert!(generated[8] > generated[3] * 3.0, "{generated:?}");
    assert!(folder.join("logs/west-6.log").is_file());
    let heard = fs::read_to_string(folder.join("logs/west-6.log")).unwrap();
    assert!(heard.contains("hello"), "{heard}");
    let summary: Value = json(&folder.join("summary.json"));
    assert_eq!(summary["groups"]["west"]["devices"], 7);
    assert_eq!((&summary["devices"], &summary["joined"]), (&11.into(), &3.into()));
    assert!(folder.file_name().unwrap().to_string_lossy().starts_with("experiment_8nodes_"));
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("<dt>Devices</dt><dd>8, 3 more during the run</dd>"));
}

/// Broker failures appear in the delivery ratio, the broker log, the events, the outages and the report, and the
/// ledger closes.
#[test]
fn the_broker_pauses_and_restarts() {
    let (_bench, folder) = run("[[timeline]]\nat = \"30s\"\nbroker = { pause = \"5s\" }\n\n\
         [[timeline]]\nat = \"1m\"\nbroker = { restart = \"20s\", persistent = true }\n");
    let ratios = ratios(&folder);
    assert!(ratios[3] > 0.95, "a pause delays messages but loses none: {ratios:?}");
    assert!(ratios[6] < 0.2 && ratios[7] < 0.2, "the broker is down: {ratios:?}");
    assert!(ratios[11] > 0.95, "the broker is back: {ratios:?}");
    let log = fs::read_to_string(folder.join("broker.log")).unwrap();
    for line in [
        "is paused (`timeline-0`)",
        "resumes (`timeline-0`)",
        "shutting down (`timeline-1`)",
        "runs again with its stored state",
    ] {
        assert!(log.contains(line), "{line}\n{log}");
    }
    let events = fs::read_to_string(folder.join("events.ndjson")).unwrap();
    assert_eq!(events.matches("broker_fault_began").count(), 2);
    let outages = fs::read_to_string(folder.join("outages.csv")).unwrap();
    assert_eq!(
        outages.lines().skip(1).collect::<Vec<_>>(),
        ["*,*,timeline-0,broker_pause,30,35", "*,*,timeline-1,broker_restart,60,80"],
        "no device was out"
    );
    let plot = fs::read_to_string(folder.join("plots/devices-over-time.svg")).unwrap();
    for (name, from_s, to_s) in [("broker_pause", 30.0, 35.0), ("broker_restart", 60.0, 80.0)] {
        assert_strip(&plot, name, from_s, to_s);
    }
    assert_eq!(json(&folder.join("ledger.json"))["closes"], true);
}

/// Asserts that the strip of this name is shaded between these times, on an axis of two minutes.
fn assert_strip(plot: &str, name: &str, from_s: f64, to_s: f64) {
    let number = |tag: &str, field: &str| -> f64 {
        let (_, rest) = tag.split_once(&format!(" {field}=\"")).unwrap_or_else(|| panic!("{field}: {tag}"));
        rest.split('"').next().unwrap().parse().unwrap()
    };
    let strip = plot.split("<g>").find(|group| group.contains(&format!("<title>{name}</title>")));
    let strip = strip.unwrap_or_else(|| panic!("{name} has its own strip: {plot}"));
    let rule = strip.split('<').find(|tag| tag.starts_with("line ")).expect("along the whole axis");
    let shades: Vec<&str> = strip.split('<').filter(|tag| tag.starts_with("rect ")).collect();
    assert_eq!(shades.len(), 1, "{strip}");
    let (left, right) = (number(rule, "x1"), number(rule, "x2"));
    let time = |x: f64| (x - left) / (right - left) * 120.0;
    let (from, width) = (number(shades[0], "x"), number(shades[0], "width"));
    assert!((time(from) - from_s).abs() < 0.5 && (time(from + width) - to_s).abs() < 0.5, "{strip}");
    assert_eq!(number(shades[0], "opacity"), 1.0, "it affects all devices");
}

#[test]
fn broker_faults_of_a_document_occur_by_trials() {
    let (_bench, folder) = run(
        "[[timeline]]\nat = \"20s\"\nfaults = { fault = [{ kind = \"broker-restart\", \
         every = \"30s\", probability = 1.0, for = \"5s\" }] }\n\n[[timeline]]\nat = \"90s\"\nfaults = \"none\"\n",
    );
    let log = fs::read_to_string(folder.join("broker.log")).unwrap();
    let restarts = log.matches("shutting down").count();
    assert!((2..=3).contains(&restarts), "{log}");
    assert_eq!(restarts, log.matches("runs again without its earlier state").count());
}

/// Workspace with the plan and another version of its behaviour.
fn with_another_version(timeline: &str) -> Workspace {
    let workspace = Workspace::with_plan(&plan(timeline));
    fs::create_dir(workspace.0.path().join("second")).unwrap();
    fs::write(workspace.0.path().join("second/heartbeat.wasm"), modified_heartbeat()).unwrap();
    workspace
}

#[test]
fn a_partial_swap_precedes_the_group_and_no_device_swaps_twice() {
    let workspace = with_another_version(
        r#"
[[timeline]]
at = "30s"
swap = { group = "west", devices = ["west-0", "west-2"], behaviour = "second/heartbeat.wasm" }

[[timeline]]
at = "40s"
add = { group = "west", count = 1 }

[[timeline]]
at = "60s"
swap = { group = "west", behaviour = "second/heartbeat.wasm" }

[[timeline]]
at = "70s"
add = { group = "west", count = 1 }

[[timeline]]
at = "80s"
swap = { group = "east", share = 0.5, behaviour = "second/heartbeat.wasm" }

[[timeline]]
at = "90s"
configure = { group = "east", config = { interval = "500ms" } }
"#,
    );
    let folder = workspace.run(&["plan.toml"], 0);
    let versions = versions(&folder);
    let times = |device: &str| versions[device].iter().map(|(_, from)| *from).collect::<Vec<_>>();
    assert_eq!((times("west-0"), times("west-2")), (vec![0.0, 30.0], vec![0.0, 30.0]));
    assert_eq!((times("west-1"), times("west-3")), (vec![0.0, 60.0], vec![0.0, 60.0]));
    assert_eq!(times("west-4"), [40.0, 60.0], "it joined with the version of its group");
    assert_eq!(times("west-5"), [70.0]);
    let latest = |device: &str| versions[device].last().unwrap().0.clone();
    assert_eq!(latest("west-5"), latest("west-0"));
    let east: Vec<_> = (0..4).map(|index| versions[&format!("east-{index}")].clone()).collect();
    assert_eq!(east.iter().filter(|had| had.iter().any(|(_, from)| *from == 80.0)).count(), 2, "{east:?}");
    assert!(east.iter().all(|had| had.last() == Some(&(versions["east-0"][0].0.clone(), 90.0))), "{east:?}");
    let generated = column(&folder, "generated");
    assert!(generated[10] >= 13.0 * 10.0, "all of them use the configuration: {generated:?}");
}

#[test]
fn a_swap_during_a_run_is_reproducible() {
    let swap =
        "[[timeline]]\nat = \"60s\"\nswap = { group = \"west\", behaviour = \"second/heartbeat.wasm\" }";
    let workspace = with_another_version(swap);
    let folder = workspace.run(&["plan.toml"], 0);
    let versions = versions(&folder);
    let (west, east) = (&versions["west-3"], &versions["east-3"]);
    assert_eq!((west[0].1, west[1].1, west.len(), east.len()), (0.0, 60.0, 2, 1), "{versions:?}");
    assert_ne!(west[0].0, west[1].0);
    // No device goes down, no message is lost, and sequence numbers continue.
    assert!(column(&folder, "up")[1..].iter().all(|up| *up == 8.0));
    // In the first interval, some messages are published before all devices have subscribed.
    assert!(ratios(&folder)[1..].iter().all(|ratio| *ratio > 0.99), "{:?}", ratios(&folder));
    let events = fs::read_to_string(folder.join("events.ndjson")).unwrap();
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.iter().filter(|event| event["kind"] == "swapped").count(), 4);
    let numbers: Vec<u64> = events
        .iter()
        .filter(|event| event["kind"] == "sent" && event["topic"] == "wasmote/west-3/heartbeat")
        .map(|event| {
            let payload = event["payload"].as_str().unwrap();
            let (_, rest) = payload.split_once("\"seq\":").unwrap();
            rest.split([',', '}']).next().unwrap().parse().unwrap()
        })
        .collect();
    assert!(numbers.len() > 100 && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    fs::remove_dir_all(workspace.0.path().join("second")).unwrap();
    let verified = workspace.call(&["verify", folder.to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stderr));
}

#[test]
fn a_swap_to_an_unknown_name_suggests_a_similar_one() {
    for (swap, words) in [
        (
            "{ group = \"wets\", behaviour = \"heartbeat\" }",
            ["timeline[0].swap.group", "did you mean `west`?"],
        ),
        (
            "{ group = \"west\", behaviour = \"hartbeat\" }",
            ["timeline[0].swap.behaviour", "did you mean `heartbeat`?"],
        ),
        ("{ group = \"west\" }", ["swap", "behaviour"]),
    ] {
        let workspace = Workspace::with_plan(&plan(&format!("[[timeline]]\nat = \"60s\"\nswap = {swap}")));
        let reported = text(&workspace.call(&["run", "plan.toml"]).stderr);
        assert!(words.iter().all(|word| reported.contains(word)), "{reported}");
    }
}

#[test]
fn a_swap_that_every_device_refuses_is_reported() {
    let plan = "name = \"refused\"\nduration = \"20s\"\n\n[[group]]\nname = \"west\"\nbehaviour = \"heartbeat\"\n\
                count = 3\n\n[[timeline]]\nat = \"10s\"\nswap = { group = \"west\", behaviour = \"sensor\" }\n";
    let workspace = Workspace::with_plan(plan);
    let output = workspace.call(&["run", "plan.toml"]);
    let reported = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(reported.contains("swap refused: at 10 s 3 devices of west refused sensor"), "{reported}");
    let folder =
        workspace.0.path().join(reported.lines().find_map(|line| line.strip_prefix("results  ")).unwrap());
    assert_eq!(json(&folder.join("summary.json"))["swaps_refused"][0]["devices"], 3);
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(
        page.contains("A swap was refused.</strong>") && page.contains("3 devices of west refused sensor")
    );
    assert!(!page.contains("Components that ran."));
}

#[test]
fn the_timeline_table_lists_targets_and_details() {
    let plan = "name = \"told\"\nduration = \"20s\"\n\n[[group]]\nname = \"west\"\nbehaviour = \"heartbeat\"\n\
                count = 4\n\n[[timeline]]\nat = \"5s\"\ncrash = { group = \"west\", share = 0.5 }\n\n\
                [[timeline]]\nat = \"8s\"\nfaults = { fault = [{ kind = \"loss\", probability = 0.25 }] }\n\n\
                [[timeline]]\nat = \"10s\"\nconfigure = { group = \"west\", interval = \"2s\" }\n";
    let plan = plan.replace(", interval = \"2s\"", ", config = { interval = \"2s\" }");
    let workspace = Workspace::with_plan(&plan);
    let folder = workspace.run(&["plan.toml"], 0);
    let done = fs::read_to_string(folder.join("timeline.csv")).unwrap();
    let lines: Vec<&str> = done.lines().collect();
    assert_eq!(lines[0], "time_s,source,what,detail,due_s,requests,failed,statuses");
    assert_eq!(lines[1], "5,plan,crash,group west share 0.5; 2 devices,5,,,");
    assert!(
        lines[2].starts_with("8,plan,faults,\"all; loss (") && lines[2].contains("probability = 0.25"),
        "{done}"
    );
    assert_eq!(lines[3], "10,plan,configure,group west; 4 devices,10,,,");
}
