//! Projects of users' own behaviours: new, built, tested and run in folders outside of this repository.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

use crate::fleet::Fleet;
use crate::program::wasmote;

/// The program in a folder, without network access for Cargo.
fn in_folder(folder: &Path, args: &[&str]) -> Command {
    let mut command = wasmote(args);
    command.current_dir(folder).env("CARGO_NET_OFFLINE", "true").env_remove("CARGO_TARGET_DIR");
    command
}

/// Exit code, stdout and stderr.
fn outcome(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = in_folder(folder, args).output().expect("it ran");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

/// Why this machine cannot build projects in Rust, if it cannot.
fn unable(project: &Path) -> Option<String> {
    let mut metadata = Command::new("cargo");
    metadata.args(["metadata", "--offline", "--format-version", "1"]).current_dir(project);
    match metadata.output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(problem) => Some(problem.to_string()),
    }
}

/// A project in Rust with its component, built once for all tests; `None`, with the reason on stderr, if this machine lacks
/// what a build needs. Tests copy it.
fn built_project() -> Option<&'static Path> {
    static PROJECT: OnceLock<Option<(tempfile::TempDir, PathBuf)>> = OnceLock::new();
    let built = PROJECT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let (code, stdout, stderr) = outcome(folder.path(), &["new", "my-lamp"]);
        if code == Some(1) && stderr.contains("needs tools that are not here") {
            eprintln!("skipped: {stderr}");
            return None;
        }
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stdout.contains("cd my-lamp") && stdout.contains("wasmote test"), "{stdout}");
        let project = folder.path().join("my-lamp");
        if let Some(reason) = unable(&project) {
            eprintln!("skipped: the crates of a project are not in Cargo's cache: {reason}");
            return None;
        }
        let (code, stdout, stderr) =
            with_compiled_dependencies(&project, || outcome(&project, &["build", "--json"]));
        assert_eq!(code, Some(0), "{stderr}");
        let report: Value = serde_json::from_str(&stdout).expect("JSON on stdout, and nothing else");
        assert_eq!(report["role"], "behaviour", "{report}");
        assert!(report["size_bytes"].as_u64().is_some_and(|bytes| bytes < 100_000), "{report}");
        Some((folder, project))
    });
    built.as_ref().map(|(_, project)| project.as_path())
}

#[test]
fn a_new_project_builds_and_runs_its_unit_test() {
    let Some(project) = built_project() else { return };
    assert!(project.join("build/my-lamp.wasm").is_file());
    // The answer is the same from a folder inside the project.
    let (code, stdout, stderr) = outcome(&project.join("src"), &["build"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("build/my-lamp.wasm  behaviour, "), "{stdout}");
    let unit = Command::new("cargo")
        .args(["test", "--offline"])
        .current_dir(project)
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .expect("cargo is there");
    let stdout = String::from_utf8_lossy(&unit.stdout);
    assert!(unit.status.success() && stdout.contains("2 passed"), "{stdout}");
}

#[test]
fn names_languages_and_folders_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("full")).expect("a folder");
    std::fs::write(folder.path().join("full/file"), "").expect("a file");
    for (args, code, words) in [
        (&["new", "My-Lamp"][..], 2, "NAME: `My-Lamp`: it has other characters than lower-case letters"),
        (&["new", "loop"], 2, "NAME: `loop` has a meaning in Rust; choose another name"),
        (&["new", "lamp", "--language", "ruts"], 2, "did you mean `rust`?"),
        (&["new", "lamp", "--folder", "full", "--without-tools"], 2, "exists and is not empty"),
        (&["new", "lamp", "--folder", "full/file/lamp", "--without-tools"], 1, "cannot "),
        (&["build"], 2, "there is no `wasmote.toml` in `"),
        (&["build", "--project", "full"], 2, "cannot read `full/wasmote.toml`"),
    ] {
        let (found, _, stderr) = outcome(folder.path(), args);
        assert_eq!((found, stderr.contains(words)), (Some(code), true), "{args:?}: {stderr}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing was written");
}

#[test]
fn missing_tools_are_named_with_their_commands_before_anything_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = in_folder(folder.path(), &["new", "lamp"]);
    let output = command.env("PATH", folder.path()).output().expect("it ran");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for words in [
        "Cargo and the Rust compiler (install it with `curl --proto",
        "the target wasm32-unknown-unknown of the Rust compiler (install it with `rustup target add wasm32-unknown-unknown`)",
        "--without-tools",
    ] {
        assert!(stderr.contains(words), "{stderr}");
    }
    assert!(!folder.path().join("lamp").exists());
    // The project is written on request, and its build names the same tools.
    let mut command = in_folder(folder.path(), &["new", "lamp", "--without-tools"]);
    assert!(command.env("PATH", folder.path()).status().expect("it ran").success());
    let mut command = in_folder(&folder.path().join("lamp"), &["build"]);
    let output = command.env("PATH", folder.path()).output().expect("it ran");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("wasmote.toml: build: the program `cargo` cannot be started"), "{stderr}");
    assert!(stderr.contains("rustup target add wasm32-unknown-unknown"), "{stderr}");
}

/// Builds with the dependencies that an earlier test has compiled, and keeps them for later ones: test runners may start a
/// process for each test, and the dependencies take most of the time of a build.
fn with_compiled_dependencies<T>(project: &Path, build: impl FnOnce() -> T) -> T {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("project-target");
    let lock = std::fs::File::create(kept.with_extension("lock")).expect("a file");
    lock.lock().expect("a lock");
    let copy = |from: &Path, to: &Path| {
        assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp is there").success());
    };
    if kept.is_dir() {
        copy(&kept, &project.join("target"));
    }
    let built = build();
    if !kept.is_dir() && project.join("target").is_dir() {
        copy(&project.join("target"), &kept.with_extension("new"));
        std::fs::rename(kept.with_extension("new"), &kept).expect("a folder");
    }
    built
}

/// A copy of the built project with its compiled dependencies, for tests that change it.
fn copy_of(project: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let copied = Command::new("cp").arg("-a").arg(project).arg(folder.path().join("my-lamp")).status();
    assert!(copied.expect("cp is there").success());
    folder
}

#[test]
fn the_scenarios_of_a_new_project_pass_and_its_experiment_is_reproducible() {
    let Some(project) = built_project() else { return };
    let copy = copy_of(project);
    let project = copy.path().join("my-lamp");
    let (code, stdout, stderr) = outcome(&project, &["test", "--no-build", "--junit", "report.xml"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    for words in ["pass  tests/commands.toml", "pass  tests/faults.toml", "3 scenarios: 3 passed, 0 failed"] {
        assert!(stdout.contains(words), "{stdout}");
    }
    let junit = std::fs::read_to_string(project.join("report.xml")).expect("a file");
    assert!(junit.contains("<testsuite name=\"tests/reports.toml\" tests=\"5\""), "{junit}");
    // Beside a shipped behaviour under realistic faults, two times with equal digests.
    let digests = || {
        let (code, _, stderr) = outcome(&project, &["experiment", "run", "plan.toml", "--out", "results"]);
        assert_eq!(code, Some(0), "{stderr}");
        let mut found = Vec::new();
        let mut folders = vec![project.join("results")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                match path.is_dir() {
                    true => folders.push(path),
                    false if path.ends_with("summary.json") => {
                        let text = std::fs::read_to_string(&path).expect("a file");
                        let summary: Value = serde_json::from_str(&text).expect("JSON");
                        found.push(summary["digest"].as_str().expect("a digest").to_owned());
                    }
                    false => {}
                }
            }
        }
        std::fs::remove_dir_all(project.join("results")).expect("the folder exists");
        found.sort();
        found
    };
    let first = digests();
    assert_eq!(first.len(), 2, "one for each seed");
    assert_eq!(digests(), first);
}

#[test]
fn a_fault_model_project_has_the_files_of_its_kind() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, stdout, stderr) = outcome(folder.path(), &["new", "rain", "--fault-model", "--without-tools"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("a fault model in Rust"), "{stdout}");
    let code = std::fs::read_to_string(folder.path().join("rain/src/lib.rs")).expect("a file");
    assert!(code.contains("export_fault_model!"), "{code}");
    let (code, _, stderr) = outcome(&folder.path().join("rain"), &["bench", "--no-build"]);
    assert_eq!((code, stderr.contains("a fault model has no events")), (Some(2), true), "{stderr}");
}

const SENSOR: &str = "duration = \"10s\"\nconfig = { report_interval = \"1s\" }\n";

/// Scenarios of the built-in sensor that fail, with the words that a user sees.
#[test]
fn a_failing_scenario_says_what_happened_instead() {
    let folder = tempfile::tempdir().expect("a folder");
    let telemetry = "wasmote/sensor-0/telemetry";
    for (expect, words) in [
        (
            format!("publish = {{ topic = \"{telemetry}\", json = {{ \"/seq\" = 99 }} }}"),
            &[
                "found none; instead:",
                "/seq: it is 1, expected 99",
                "> publish wasmote/sensor-0/telemetry qos 0",
            ][..],
        ),
        (
            format!("publish = {{ topic = \"{telemetry}\" }}\ncount = 2"),
            &["a publication on `wasmote/sensor-0/telemetry`, 2 times", "found "],
        ),
        (format!("publish = {{ topic = \"{telemetry}\", qos = 2 }}"), &["QoS 0, expected QoS 2"]),
        (
            "publish = { topic = \"wasmote/sensor-0/state\", payload = \"online\" }\nfrom = \"5s\"".into(),
            &["from 5.000 s on", "(another time)"],
        ),
        (
            "log = { contains = \"no such line\" }".into(),
            &["a log line with a text containing \"no such line\""],
        ),
        ("connected = false".into(), &["not connected, at 10.000 s", "sensor-0: connected"]),
        (
            "metric = { name = \"reports\", min = 1 }".into(),
            &["metric `reports` from 1 on", "there is none; its metrics are "],
        ),
        ("trap = { kind = \"trapped\" }".into(), &["a trap with kind Trapped"]),
        ("subscribe = { filter = \"a/b\" }".into(), &["a subscription to `a/b`", "it is another filter"]),
        (
            "retained = { topic = \"wasmote/sensor-0/state\", payload = \"offline\" }".into(),
            &["payload is not \"offline\"", "online"],
        ),
    ] {
        let file = folder.path().join("s.toml");
        std::fs::write(&file, format!("{SENSOR}[[expect]]\n{expect}\n")).expect("a file");
        let (code, stdout, stderr) = outcome(folder.path(), &["test", "--behaviour", "sensor", "s.toml"]);
        assert_eq!(code, Some(1), "{expect}: {stdout}{stderr}");
        assert!(
            stdout.contains("FAIL  s.toml") && stdout.contains("1 scenario: 0 passed, 1 failed"),
            "{stdout}"
        );
        words.iter().for_each(|words| assert!(stdout.contains(words), "{expect}: {words}: {stdout}"));
    }
}

#[test]
fn scenarios_see_faults_requests_refusals_and_the_broker() {
    let folder = tempfile::tempdir().expect("a folder");
    let test = |text: &str| {
        std::fs::write(folder.path().join("s.toml"), text).expect("a file");
        outcome(folder.path(), &["test", "--behaviour", "sensor", "s.toml", "--json"])
    };
    let (code, stdout, stderr) = test(&format!(
        r#"{SENSOR}
        [[timeline]]
        at = "2s"
        request = {{ device = "sensor-0", path = "/" }}
        [[expect]]
        at = "2s"
        answer = {{ status = 200 }}
        [[timeline]]
        at = "5s"
        disconnect = {{ for = "2s" }}
        [[expect]]
        at = "6s"
        connected = false
        [[expect]]
        from = "5.5s"
        to = "6.5s"
        publish = {{ topic = "wasmote/sensor-0/telemetry" }}
        seen = "broker"
        count = 0
        [[expect]]
        from = "5.5s"
        to = "6.5s"
        publish = {{ topic = "wasmote/+/telemetry" }}
        "#
    ));
    let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}"));
    assert_eq!((code, &report["passed"], &report["failed"]), (Some(0), &1.into(), &0.into()), "{report:#}");
    assert_eq!(report["scenarios"][0]["checks"].as_array().map(Vec::len), Some(4));

    // A configuration that the behaviour refuses: unexpected it fails, and expected it passes.
    let refused = "duration = \"2s\"\nconfig = { report_interval = \"often\" }\n";
    let expect_nothing = "[[expect]]\npublish = { topic = \"x\" }\ncount = 0\n";
    let (code, stdout, _) = test(&format!("{refused}{expect_nothing}"));
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.contains("report_interval") && stdout.contains("\"traps\""), "{stdout}");
    let expected = "[[expect]]\ntrap = { kind = \"refused\", contains = \"report_interval\" }\n";
    let (code, stdout, _) = test(&format!("{refused}{expected}"));
    assert_eq!(code, Some(0), "{stdout}");
}

#[test]
fn golden_traces_are_written_compared_and_shown_as_a_difference() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("s.toml");
    std::fs::write(&file, format!("{SENSOR}trace = \"s.trace\"\n")).expect("a file");
    let run = |more: &[&str]| {
        outcome(folder.path(), &[&["test", "--behaviour", "sensor", "s.toml"], more].concat())
    };
    let (code, stdout, _) = run(&[]);
    assert!(code == Some(1) && stdout.contains("`wasmote test --update` writes it"), "{stdout}");
    let (code, stdout, _) = run(&["--update"]);
    assert!(code == Some(0) && stdout.contains("trace written"), "{stdout}");
    let trace = std::fs::read_to_string(folder.path().join("s.trace")).expect("a file");
    assert!(trace.contains("0.000  sensor-0  < start power-on\n"), "{trace}");
    assert!(trace.contains("> publish wasmote/sensor-0/telemetry qos 0 {"), "{trace}");
    assert_eq!(run(&[]).0, Some(0), "the same trace again");
    std::fs::write(&file, format!("{SENSOR}seed = 2\ntrace = \"s.trace\"\n")).expect("a file");
    let (code, stdout, _) = run(&[]);
    assert!(code == Some(1) && stdout.contains("another trace"), "{stdout}");
    assert!(stdout.lines().any(|line| line.starts_with("    - ")), "{stdout}");
    assert!(stdout.lines().any(|line| line.starts_with("    + ")), "{stdout}");
}

/// One folder per invalid scenario in `tests/scenarios`, with the expected message.
#[test]
fn invalid_scenarios_have_the_expected_errors() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut count = 0;
    let mut wrong = Vec::new();
    for folder in std::fs::read_dir(cases).expect("cases").map(|entry| entry.expect("a case").path()) {
        if !folder.is_dir() {
            continue;
        }
        count += 1;
        let (code, stdout, stderr) = outcome(&folder, &["test", "--behaviour", "sensor", "scenario.toml"]);
        assert_eq!(code, Some(2), "{}: {stdout}{stderr}", folder.display());
        let expected = folder.join("error.txt");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&expected, &stderr).expect("a file");
        }
        if std::fs::read_to_string(&expected).unwrap_or_default() != stderr {
            wrong.push(format!("{}: {stderr}", folder.display()));
        }
    }
    assert!(count >= 8, "cases are missing");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_scenario_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("empty")).expect("a folder");
    for (args, words) in [
        (&["test", "--behaviour", "sensor"][..], "name at least one scenario"),
        (&["test", "--behaviour", "sensor", "empty"], "there is no scenario in the folder `empty`"),
        (&["test", "--behaviour", "sensor", "none.toml"], "cannot read `none.toml`"),
        (&["test", "--behaviour", "snesor", "none.toml"], "did you mean `sensor`?"),
        (&["test"], "there is no `wasmote.toml`"),
    ] {
        let (code, _, stderr) = outcome(folder.path(), args);
        assert_eq!((code, stderr.contains(words)), (Some(2), true), "{args:?}: {stderr}");
    }
}

/// A build of a project takes long on a busy machine.
const BUILD_TIMEOUT: Duration = Duration::from_secs(300);

#[test]
fn a_change_of_the_sources_is_built_and_swapped_in_with_the_state_kept() {
    let Some(project) = built_project() else { return };
    let copy = copy_of(project);
    let project = copy.path().join("my-lamp");
    let args = ["dev", "--http", "127.0.0.1:0", "--broker", "embedded:0", "--faults", "none"];
    let fleet = Fleet::of(&mut in_folder(&project, &args)).ready();
    let answer = |fleet: &Fleet| fleet.get("/devices/my-lamp-0/app/");
    let seq = |answer: &Value| answer["seq"].as_u64().expect("a number");
    fleet.wait_until("the device has reported", BUILD_TIMEOUT, |fleet| seq(&answer(fleet)) >= 3);
    let source = project.join("src/lib.rs");
    let old = std::fs::read_to_string(&source).expect("a file");
    let new = old.replacen("\"seq\": self.seq, \"room\"", "\"version\": 2.0, \"seq\": self.seq, \"room\"", 1);
    assert_ne!(new, old);

    // An error of the compiler is shown, and the old version goes on.
    std::fs::write(&source, format!("{new}\nno code\n")).expect("a file");
    fleet.stderr.wait(1, BUILD_TIMEOUT, |line| line.contains("src/lib.rs has changed; building"));
    let failed =
        |line: &str| line.starts_with("error: the command `cargo build") && line.ends_with("goes on");
    fleet.stderr.wait(1, BUILD_TIMEOUT, failed);
    assert!(fleet.stderr.count(|line| line.contains("no code")) > 0, "{:?}", fleet.stderr.all());
    let before = answer(&fleet);
    assert_eq!(before["version"], Value::Null);

    std::fs::write(&source, new).expect("a file");
    fleet.wait_until("the devices run the new version", BUILD_TIMEOUT, |fleet| {
        (0..3).all(|device| fleet.get(&format!("/devices/my-lamp-{device}/app/"))["version"] == 2)
    });
    let after = answer(&fleet);
    assert!(seq(&after) >= seq(&before), "{before} {after}");
    let swaps = fleet.get("/devices/my-lamp-0");
    assert_eq!(swaps["traps"].as_u64().unwrap_or(0), 0, "{swaps}");
    fleet.signal("INT");
    let (status, _) = fleet.end();
    assert!(status.success(), "{status}");
}

#[test]
fn a_benchmark_is_stored_and_compared_with_the_last_one() {
    let Some(project) = built_project() else { return };
    let copy = copy_of(project);
    let project = copy.path().join("my-lamp");
    let run = || {
        let args = ["bench", "--no-build", "--length", "30s", "--runs", "3", "--json"];
        let (code, stdout, stderr) = outcome(&project, &args);
        assert_eq!(code, Some(0), "{stderr}");
        serde_json::from_str::<Value>(&stdout).expect("JSON")
    };
    let first = run();
    assert_eq!(first["changes"], Value::Null, "{first:#}");
    let timer = &first["measured"]["calls"]["timer"];
    assert_eq!(timer["calls"], 3 * 30, "three devices, and a report each second: {first:#}");
    assert!(timer["fuel"].as_f64() > Some(1_000.0) && timer["ns"].as_f64() > Some(0.0), "{timer}");
    assert!(first["measured"]["memory_bytes"].as_u64() >= Some(65_536), "{first:#}");
    let second = run();
    assert_eq!(second["measured"]["calls"]["timer"]["fuel"], timer["fuel"], "fuel is exact");
    let changes = second["changes"].as_array().expect("a list");
    let fuel = changes.iter().find(|change| change["figure"] == "fuel per event").expect("fuel");
    assert_eq!(fuel["is_beyond_noise"], false, "{fuel}");
    let lines = std::fs::read_to_string(project.join("bench.ndjson")).expect("a file");
    assert_eq!(lines.lines().count(), 2);
    let (_, stdout, _) =
        outcome(&project, &["bench", "--no-build", "--length", "30s", "--runs", "2", "--no-save"]);
    assert!(stdout.contains("fuel per event") && stdout.contains("unchanged"), "{stdout}");
    assert!(stdout.contains("the times of the runs vary by"), "{stdout}");
    // Of another length nothing can be compared.
    let (_, stdout, _) = outcome(&project, &["bench", "--no-build", "--length", "20s", "--runs", "2"]);
    assert!(stdout.contains("so it is not compared"), "{stdout}");
}
