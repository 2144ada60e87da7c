//! Projects in other languages than Rust, from `wasmote new` to a new version in a running fleet. A language whose toolchain is
//! not in `target/tools`, where `make tools` installs it, is skipped.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;
use crate::program::wasmote;

fn tools() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the repository").join("target/tools")
}

/// The program in a folder, with the toolchains in its search path and a cache for all tests of languages.
fn outcome(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = [tools().join("bin")].into_iter().chain(std::env::split_paths(&path));
    let mut command = wasmote(args);
    command.current_dir(folder).env("PATH", std::env::join_paths(path).expect("a path"));
    let Output { status, stdout, stderr } = command.env("WASMOTE_CACHE", cache()).output().expect("it ran");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

fn cache() -> PathBuf {
    tools().with_file_name("languages")
}

/// Creates and builds a project; `None`, with the reason on stderr, if its toolchain is absent.
fn built(folder: &Path, language: &str, tool: &str) -> Option<PathBuf> {
    if !tools().join(tool).exists() {
        eprintln!("skipped: target/tools/{tool} is not there; `make tools` installs it");
        return None;
    }
    let (code, _, stderr) = outcome(folder, &["new", "my-lamp", "--language", language]);
    if code == Some(1) && stderr.contains("needs tools that are not here") {
        eprintln!("skipped: {stderr}");
        return None;
    }
    assert_eq!(code, Some(0), "{stderr}");
    let project = folder.join("my-lamp");
    symlink(tools(), project.join(".venv")).expect("a link");
    symlink(tools().join("node_modules"), project.join("node_modules")).expect("a link");
    let (code, stdout, stderr) = outcome(&project, &["build", "--json"]);
    assert_eq!(code, Some(0), "{stderr}");
    let report: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(report["role"], "behaviour", "{report}");
    Some(project)
}

/// Two runs of the plan with a seed are the same, to the byte, with a crash and realistic faults.
fn assert_reproducible(project: &Path) {
    let run =
        ["experiment", "run", "plan.toml", "--seeds", "1", "--set", "duration=60s", "--out", "out", "--json"];
    let plan = fs::read_to_string(project.join("plan.toml")).expect("a plan");
    fs::write(project.join("plan.toml"), plan.replace("at = \"5m\"", "at = \"20s\"")).expect("a plan");
    let (code, stdout, stderr) = outcome(project, &run);
    assert_eq!(code, Some(0), "{stderr}{stdout}");
    let report: Value = serde_json::from_str(&stdout).expect("JSON");
    let results = report["folder"].as_str().expect("a folder").to_owned();
    let (code, stdout, stderr) = outcome(project, &["experiment", "verify", &results]);
    assert_eq!(code, Some(0), "{stderr}{stdout}");
    assert!(stdout.contains("1 of 1 runs are the same, to the byte"), "{stdout}");
}

/// Devices run beside others under faults, answer, and hand their state to a new version.
fn assert_swaps_with_state(project: &Path) {
    let (config, cache) = (project.join("fleet.toml"), cache());
    let [config, cache] = [&config, &cache].map(|path| path.to_str().expect("UTF-8"));
    let args = [
        "--config",
        config,
        "--broker",
        "embedded:0",
        "--canary",
        "0s",
        "--cache",
        cache,
        "--cache-size",
        "1GiB",
    ];
    let fleet = Fleet::run(&args).ready();
    // A device that is hung or crashed by a fault does not answer.
    let state = || match fleet.curl(&[], "/devices/my-lamp-0/app/") {
        (200, text) => serde_json::from_str::<Value>(&text).ok(),
        _ => None,
    };
    let seq = |state: &Value| state["seq"].as_u64().unwrap_or_else(|| panic!("{state}"));
    fleet
        .wait_until("three reports", 10 * DEFAULT_TIMEOUT, |_| state().is_some_and(|state| seq(&state) >= 3));
    let wait_for_state = || {
        let mut found = None;
        fleet.wait_until("an answer", DEFAULT_TIMEOUT, |_| {
            found = state();
            found.is_some()
        });
        found.unwrap_or_default()
    };
    let before = wait_for_state();
    let version = |fleet: &Fleet| fleet.get("/devices/my-lamp-0")["behaviour_version"].clone();
    let old = version(&fleet);
    // The same code with a note that makes it another version.
    let mut component = fs::read(project.join("build/my-lamp.wasm")).expect("a component");
    component.extend(b"\0\x05\x04note");
    let file = project.join("build/next.wasm");
    fs::write(&file, component).expect("a file");
    let body = format!("@{}", file.display());
    // The host compiles the version before it answers.
    let put = ["-X", "PUT", "--max-time", "900", "--data-binary", &body];
    let (status, text) = fleet.curl(&put, "/behaviours/my-lamp");
    assert_eq!(status, 200, "{text}");
    fleet.wait_until("the new version", 10 * DEFAULT_TIMEOUT, |fleet| version(fleet) != old);
    let after = wait_for_state();
    assert!(seq(&after) >= seq(&before), "{before} {after}");
    assert!(after["room"].as_f64() >= before["room"].as_f64(), "{before} {after}");
    assert_eq!(fleet.status_of("/devices/my-lamp-0/app/else"), 404);
    fleet.stop();
}

fn journey(language: &str, tool: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(project) = built(folder.path(), language, tool) else { return };
    assert_reproducible(&project);
    assert_swaps_with_state(&project);
}

#[test]
fn a_project_in_c_runs_experiments_and_swaps() {
    journey("c", "bin/python-zig");
}

#[test]
fn a_project_in_javascript_runs_experiments_and_swaps() {
    journey("javascript", "node_modules/.bin/componentize-qjs");
}

#[test]
fn a_project_in_python_runs_experiments_and_swaps() {
    journey("python", "bin/componentize-py");
}

#[test]
fn a_project_in_go_runs_experiments_and_swaps() {
    journey("go", "bin/go");
}

#[test]
fn a_fault_model_in_a_language_without_a_template_names_one_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, _, stderr) =
        outcome(folder.path(), &["new", "rain", "--language", "c", "--fault-model", "--without-tools"]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(
        stderr.contains("--fault-model: there is no template for it in C; there is one in rust"),
        "{stderr}"
    );
}
