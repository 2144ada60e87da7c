//! Workspace: a temporary folder in which tests run the program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// Folder of the built-in plans.
pub fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments").canonicalize().unwrap()
}

/// Temporary working folder.
pub struct Workspace(pub TempDir);

impl Workspace {
    /// Creates an empty workspace.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Creates a workspace with `plan.toml`.
    pub fn with_plan(plan: &str) -> Self {
        let workspace = Self::new();
        fs::write(workspace.0.path().join("plan.toml"), plan).unwrap();
        workspace
    }

    /// Command `wasmote experiment` with these arguments.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wasmote"));
        command.arg("experiment").args(args).current_dir(self.0.path());
        command
    }

    /// Runs the command to its end.
    pub fn call(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs a plan, asserts the exit code, and returns the results folder.
    pub fn run(&self, args: &[&str], code: i32) -> PathBuf {
        let args = [&["run"], args, &["--json"]].concat();
        let output = self.call(&args);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        self.0.path().join(printed["folder"].as_str().unwrap())
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub fn json(file: &Path) -> Value {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Files of a folder with their bytes.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => drop(
                    found.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap()),
                ),
            }
        }
    }
    found
}

/// All files except the manifest and the report, which contain the time and place of the run.
pub fn reproducible_files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = files(folder);
    files.remove(Path::new("manifest.json")).expect("there is a manifest");
    files.remove(Path::new("report.html")).expect("there is a report");
    files
}

/// Versions of each device: SHA-256 of the component, and the time in seconds from which the device had it.
pub fn versions(folder: &Path) -> BTreeMap<String, Vec<(String, f64)>> {
    let text = fs::read_to_string(folder.join("versions.csv")).unwrap();
    let mut versions: BTreeMap<String, Vec<(String, f64)>> = BTreeMap::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(cells[2], "heartbeat", "a version keeps the behaviour's name: {line}");
        versions
            .entry(cells[0].to_owned())
            .or_default()
            .push((cells[3].to_owned(), cells[4].parse().unwrap()));
    }
    versions
}

/// Another version of the heartbeat component with equal behaviour: it has an additional, empty custom section.
pub fn modified_heartbeat() -> Vec<u8> {
    let built = wasmote_fleet::builtins::find("heartbeat").unwrap().bytes;
    let section = [0, 9, 4, b'm', b'a', b'r', b'k', b'e', b'd', b'!', b'!'];
    [built, &section].concat()
}

/// Small plan that uses most features.
pub const SMALL: &str = r#"
name = "small"
duration = "60s"
warm_up = "5s"
seeds = [1, 2]
faults = "realistic"

[[group]]
name = "west"
behaviour = "heartbeat"
count = 4
config = { interval = "1s" }

[[group]]
name = "east"
behaviour = "sensor"
count = 2

[[timeline]]
at = "20s"
phase = "trouble"
crash = { share = 0.5 }

[sweep]
"faults.loss.probability" = [0, 0.3]
"#;
