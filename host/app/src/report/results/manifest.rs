//! `manifest.json`: what was run, and with what.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::document::DocumentError;
use crate::experiment::driver::TimeMode;

/// The version of the folder's layout that this program reads.
pub const FORMAT: u64 = 1;

/// The manifest.
#[derive(Clone, Debug, Deserialize)]
pub struct Manifest {
    /// The version of the folder's layout.
    pub format: u64,
    /// Whether all runs ended.
    pub complete: bool,
    /// Whose time passed.
    #[serde(default)]
    pub time: TimeMode,
    /// In real time: the broker, as it was asked for.
    #[serde(default)]
    pub broker: Option<String>,
    /// Of the program that ran it.
    pub wasmote_version: String,
    /// What was run.
    pub plan: PlanEntry,
    /// The behaviours.
    #[serde(default)]
    pub components: Vec<ComponentEntry>,
    /// How to run it again.
    #[serde(default)]
    pub command: Value,
    /// Where it ran.
    #[serde(default)]
    pub host: HostEntry,
    /// When it began (RFC 3339).
    #[serde(default)]
    pub started_utc: Option<String>,
    /// When it ended.
    #[serde(default)]
    pub finished_utc: Option<String>,
    /// The runs, in the order of the plan.
    pub runs: Vec<RunEntry>,
}

/// The plan's name and hash.
#[derive(Clone, Debug, Deserialize)]
pub struct PlanEntry {
    /// As its author calls it.
    pub name: String,
    /// Of the resolved plan.
    pub sha256: String,
}

/// A component that ran.
#[derive(Clone, Debug, Deserialize)]
pub struct ComponentEntry {
    /// What it is called in the plan.
    pub name: String,
    /// Of its bytes.
    pub sha256: String,
    /// How many bytes.
    pub size_bytes: u64,
}

/// The machine.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct HostEntry {
    /// Operating system.
    pub os: String,
    /// Processor architecture.
    pub arch: String,
    /// How many cores.
    pub cores: u64,
}

/// One run.
#[derive(Clone, Debug, Deserialize)]
pub struct RunEntry {
    /// Its folder, below that of the results; `.` is that folder itself.
    pub path: String,
    /// What a sweep set for it, by field.
    #[serde(default)]
    pub point: Map<String, Value>,
    /// All its randomness comes from this.
    pub seed: u64,
    /// Of its chain of events, when it ended.
    #[serde(default)]
    pub digest: Option<String>,
}

impl Manifest {
    /// Whose time passed, in words.
    pub fn time_text(&self) -> String {
        match (self.time, &self.broker) {
            (TimeMode::Virtual, _) => "virtual time".to_owned(),
            (TimeMode::Real, None) => "real time".to_owned(),
            (TimeMode::Real, Some(broker)) if broker == "embedded" => {
                "real time, on the embedded broker".to_owned()
            }
            (TimeMode::Real, Some(broker)) => format!("real time, on {broker}"),
        }
    }

    /// The command as one would type it.
    pub fn command_line(&self) -> String {
        match &self.command {
            Value::String(text) => text.clone(),
            Value::Array(words) => words
                .iter()
                .map(|word| quoted(word.as_str().unwrap_or_default()))
                .collect::<Vec<_>>()
                .join(" "),
            _ => String::new(),
        }
    }
}

/// A word as a POSIX shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

impl RunEntry {
    /// The run's folder, which must not lie outside of the results.
    pub(super) fn folder(&self, dir: &Path, manifest: &Path) -> Result<PathBuf, DocumentError> {
        let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        match Path::new(&self.path).components().all(inside) {
            true if self.path == "." => Ok(dir.to_path_buf()),
            true => Ok(dir.join(&self.path)),
            false => {
                let problem = format!("`{}` leads out of the results folder", self.path);
                Err(DocumentError::at("runs.path", problem).in_file(manifest.display()))
            }
        }
    }
}
