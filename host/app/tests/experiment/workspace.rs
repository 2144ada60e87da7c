//! The program in a folder of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// The plans that ship.
pub fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments").canonicalize().unwrap()
}

/// A folder to work in.
pub struct Workspace(pub TempDir);

impl Workspace {
    /// An empty one.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// One with a plan in it.
    pub fn with_plan(plan: &str) -> Self {
        let workspace = Self::new();
        fs::write(workspace.0.path().join("plan.toml"), plan).unwrap();
        workspace
    }

    /// `wasmote experiment` with these words.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wasmote"));
        command.arg("experiment").args(words).current_dir(self.0.path());
        command
    }

    /// The same, to its end.
    pub fn call(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Run something that has to end with this code, and return the results folder.
    pub fn run(&self, words: &[&str], code: i32) -> PathBuf {
        let words = [&["run"], words, &["--json"]].concat();
        let output = self.call(&words);
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

/// The files of a folder with their bytes.
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

/// All files but the manifest and the report, which say when and where.
pub fn reproducible_files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = files(folder);
    files.remove(Path::new("manifest.json")).expect("there is a manifest");
    files.remove(Path::new("report.html")).expect("there is a report");
    files
}

/// What each device ran: SHA-256 of the component, and from when on.
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

/// The heartbeat in another version that does the same: with a section that says nothing.
pub fn modified_heartbeat() -> Vec<u8> {
    let built = wasmote_fleet::builtins::find("heartbeat").unwrap().bytes;
    let section = [0, 9, 4, b'm', b'a', b'r', b'k', b'e', b'd', b'!', b'!'];
    [built, &section].concat()
}

/// A small plan with something of everything.
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
