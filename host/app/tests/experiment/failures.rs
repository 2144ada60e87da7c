//! Experiments that fail although their runs last to the end: exit code, last words, summary, JUnit and JSON.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::guests::{Guest, models, trapping};
use crate::mosquitto::{Mosquitto, free_port};
use crate::workspace::{Workspace, json, text};

fn workspace(guest: &Guest<'_>, plan: &str) -> Workspace {
    let workspace = Workspace::with_plan(plan);
    fs::write(workspace.0.path().join("guest.wasm"), guest.component()).unwrap();
    workspace
}

const ONE_GROUP: &str = r#"
name = "one"
duration = "20s"

[[group]]
name = "bad"
behaviour = "./guest.wasm"
count = 2
"#;

fn junit(workspace: &Workspace) -> String {
    fs::read_to_string(workspace.0.path().join("junit.xml")).unwrap()
}

/// Runs the plan, which fails. Returns the JSON on stdout and the text on stderr.
fn failed(workspace: &Workspace, args: &[&str]) -> (Value, String) {
    let all = [&["run", "plan.toml", "--json", "--junit", "junit.xml"], args].concat();
    let Output { status, stdout, stderr } = workspace.call(&all);
    assert_eq!(status.code(), Some(1), "{}", text(&stderr));
    (serde_json::from_slice(&stdout).unwrap(), text(&stderr))
}

#[test]
fn a_behaviour_that_traps_in_every_start_is_an_error_of_the_plan() {
    for (start, cause) in [("(unreachable)", "trapped"), ("(loop $ever (br $ever))", "ran out of fuel")] {
        let workspace = workspace(&Guest { start, ..Guest::default() }, ONE_GROUP);
        fs::write(workspace.0.path().join("junit.xml"), "of an earlier experiment").unwrap();
        let output = workspace.call(&["run", "plan.toml", "--junit", "junit.xml"]);
        let printed = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{printed}");
        assert!(printed.contains("plan.toml: group.bad.behaviour: it cannot start, in 3 of 3"), "{printed}");
        assert!(printed.contains(cause), "{printed}");
        assert!(!workspace.0.path().join("results").exists(), "nothing was run");
        assert!(
            junit(&workspace).contains("failures=\"1\"") && junit(&workspace).contains("it cannot start")
        );
    }
}

#[test]
fn devices_that_all_fail_later_fail_the_run() {
    let workspace = workspace(&trapping(), ONE_GROUP);
    let (printed, stderr) = failed(&workspace, &[]);
    let failure = "all 2 devices of group `bad` had failed at the end: ";
    assert_eq!(printed["verdict"], "failed");
    let run = &printed["runs"][0];
    assert!(run["failures"][0].as_str().unwrap().starts_with(failure), "{run}");
    assert!(run["groups"]["bad"]["traps"].as_u64() > Some(4), "{run}");
    assert!(stderr.contains(&format!("error: {failure}")) && stderr.contains("bad-0 trapped"), "{stderr}");
    assert!(junit(&workspace).contains("the run works"), "{}", junit(&workspace));
    let folder = workspace.0.path().join(printed["folder"].as_str().unwrap());
    assert_eq!(json(&folder.join("summary.json"))["failures"], run["failures"]);
    assert!(
        fs::read_to_string(folder.join("report.html")).unwrap().contains("Failed: all 2 devices of group")
    );
}

#[test]
fn a_group_that_fails_beside_one_that_works_fails_the_run() {
    let plan = format!(
        "{ONE_GROUP}\n[[group]]\nbehaviour = \"heartbeat\"\ncount = 2\nconfig = {{ interval = \"1s\" }}\n"
    );
    let workspace = workspace(&trapping(), &plan);
    let (_, stderr) = failed(&workspace, &["--set", r#"thresholds=["delivery_ratio >= 0.9"]"#]);
    assert!(stderr.contains("all 2 devices of group `bad` had failed"), "{stderr}");
    // A single trap is a warning.
    let once = Guest { start: "(call $set-timer-1s)", timer: "(unreachable)", ..Guest::default() };
    let plan = plan.replace("count = 2\n\n", "count = 2\n\n[[timeline]]\nat = \"2s\"\nconfigure = { group = \"bad\", behaviour = \"heartbeat\" }\n\n");
    let workspace = self::workspace(&once, &plan);
    let output = workspace.call(&["run", "plan.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("warning: group `bad`: "), "{}", text(&output.stdout));
}

#[test]
fn a_fault_model_that_is_put_aside_fails_the_run() {
    let plan = "name = \"model\"\nduration = \"20s\"\n\
                faults = { fault = [{ kind = \"component\", id = \"mad\", file = \"mad.wasm\" }] }\n\
                [[group]]\nbehaviour = \"heartbeat\"\ncount = 2\nconfig = { interval = \"1s\" }\n";
    let workspace = Workspace::with_plan(plan);
    fs::write(workspace.0.path().join("mad.wasm"), models::with_judge(models::TRAP)).unwrap();
    let (_, stderr) = failed(&workspace, &[]);
    assert!(
        stderr.contains(
            "the fault model `mad` failed on 2 of 2 devices of group `heartbeat`, and messages passed"
        ),
        "{stderr}"
    );
}

#[test]
fn a_run_in_which_nothing_is_published_fails_unless_the_plan_says_so() {
    let workspace = workspace(&Guest::default(), ONE_GROUP);
    let (printed, stderr) = failed(&workspace, &[]);
    assert!(stderr.contains("nothing was measured, because no device published a message;"), "{stderr}");
    assert!(printed["runs"][0]["delivery_ratio"].is_null());
    let said = r#"thresholds=["generated >= 0"]"#;
    let output = workspace.call(&["run", "plan.toml", "--set", said]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("no message was published"), "{}", text(&output.stdout));
    // Messages that were sent are measured, so the run has a result without any receiver.
    let publisher = "name = \"p\"\nduration = \"5s\"\n[[group]]\nbehaviour = \"sensor\"\ncount = 1\n\
                     config = { report_interval = \"1s\" }\n";
    let output = Workspace::with_plan(publisher).call(&["run", "plan.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains(" published, no device subscribed"), "{}", text(&output.stdout));
}

#[test]
fn a_broker_that_refuses_everyone_fails_a_run_in_real_time_which_has_all_results() {
    let broker = Mosquitto::start_with("allow_anonymous false");
    let plan = "name = \"refused\"\nduration = \"3s\"\n[[group]]\nbehaviour = \"heartbeat\"\ncount = 2\n";
    let workspace = Workspace::with_plan(plan);
    let http = format!("127.0.0.1:{}", free_port());
    let (printed, stderr) =
        failed(&workspace, &["--time", "real", "--broker", &broker.url(), "--http", &http]);
    assert!(stderr.contains("error: no device was ever connected: "), "{stderr}");
    assert!(stderr.to_lowercase().contains("not authorized"), "{stderr}");
    assert!(junit(&workspace).contains("no device was ever connected"), "{}", junit(&workspace));
    let folder = workspace.0.path().join(printed["folder"].as_str().unwrap());
    assert_eq!(json(&folder.join("summary.json"))["devices"], 2);
    assert!(folder.join("report.html").exists() && folder.join("ledger.json").exists());
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let plan = "name = \"out\"\nduration = \"5s\"\n[[group]]\nbehaviour = \"heartbeat\"\ncount = 2\n";
    let workspace = Workspace::with_plan(plan);
    let output = workspace.call(&["run", "plan.toml", "--out", "plan.toml/results"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot write `plan.toml/results`"), "{}", text(&output.stderr));
    let output = workspace.call(&["run", "plan.toml", "--junit", "plan.toml/junit.xml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--junit: cannot write"), "{}", text(&output.stderr));
    assert!(!workspace.0.path().join("results").exists(), "the file is checked before the runs");
    for words in [&["run", "plan.toml"][..], &["run", "plan.toml", "--json"], &["list"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = workspace.command(words).stdout(full).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        assert!(text(&output.stderr).contains("cannot write to stdout"), "{}", text(&output.stderr));
    }
}

#[test]
fn runs_that_an_interrupt_prevented_are_failures_in_the_junit_file() {
    let workspace = Workspace::new();
    let words = ["run", "ten-nodes", "--set", "duration=10000h", "--set", "interval=1h", "--seeds", "2"];
    let more = ["--workers", "1", "--out", "out", "--junit", "junit.xml"];
    let mut command = workspace.command(&[&words[..], &more].concat());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let events = || {
        let folder = fs::read_dir(workspace.0.path().join("out")).ok()?.next()?.ok()?.path().join("runs");
        let run = fs::read_dir(folder).ok()?.next()?.ok()?.path();
        fs::metadata(run.join("events.ndjson")).ok().map(|file| file.len())
    };
    let began = Instant::now();
    while events() < Some(100_000) {
        assert!(began.elapsed() < Duration::from_secs(60), "no events are written");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(junit(&workspace).contains("the experiment has not ended"), "{}", junit(&workspace));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    let junit = junit(&workspace);
    assert!(
        junit.contains("the experiment was interrupted before it") && junit.contains("seed=2"),
        "{junit}"
    );
}
