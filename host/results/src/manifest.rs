//! `manifest.json`: description of an experiment: plan, components, machine, time and runs.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Malformed, ReadError};
use crate::json::{JsonFile, read_json};

/// The version of the folder's layout that this crate writes and reads.
pub const FORMAT: u32 = 1;
/// Folder of the components in the results folder; in a run's folder, that of components uploaded by users.
pub const COMPONENTS_FOLDER: &str = "components";

/// Values of the swept fields in one run, by the fields' paths in the plan.
pub type PointValues = BTreeMap<String, Value>;

/// The manifest of a results folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the folder's layout.
    pub format: u32,
    /// True once all runs have ended.
    pub complete: bool,
    /// The time base of the runs.
    #[serde(default)]
    pub time: TimeMode,
    /// In real time: URL of the broker, or `embedded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<String>,
    /// In real time: the reason why runs have no digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_digest: Option<String>,
    /// Version of the program.
    pub wasmote_version: String,
    /// The plan.
    pub plan: PlanEntry,
    /// The behaviours and fault models.
    #[serde(default)]
    pub components: Vec<ComponentEntry>,
    /// The command that reproduces these results.
    #[serde(default)]
    pub command: String,
    /// The machine.
    #[serde(default)]
    pub host: HostEntry,
    /// Start of the experiment, UTC (RFC 3339).
    pub started_utc: String,
    /// End of the experiment, UTC.
    pub finished_utc: Option<String>,
    /// The Kubernetes cluster, if the experiment ran on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterEntry>,
    /// The runs, in the order of the plan.
    pub runs: Vec<RunEntry>,
}

impl JsonFile for Manifest {
    const FILE: &'static str = "manifest.json";
}

/// The time base of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeMode {
    /// Virtual time: computed as fast as possible, with the same outcome every time.
    #[default]
    Virtual,
    /// Real time: with a broker, sockets and the clock.
    Real,
}

/// The plan in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanEntry {
    /// Name of the plan.
    pub name: String,
    /// SHA-256 of `plan.toml`, in hexadecimal.
    pub sha256: String,
}

/// A behaviour or a fault model in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentEntry {
    /// Name of the component.
    pub name: String,
    /// `behaviour` or `fault model`.
    #[serde(default = "behaviour")]
    pub role: String,
    /// Path of the file in the results folder.
    #[serde(default)]
    pub file: String,
    /// The reference by which it was fetched, with the digest that it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Size of the file, in bytes.
    pub size_bytes: usize,
}

/// Default role, for manifests that are older than fault models.
fn behaviour() -> String {
    "behaviour".to_owned()
}

/// The machine in a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostEntry {
    /// Operating system.
    pub os: String,
    /// Processor architecture.
    pub arch: String,
    /// Number of cores that the program may use.
    pub cores: usize,
}

/// The Kubernetes cluster in a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterEntry {
    /// The context of kubectl, if one was named.
    pub context: Option<String>,
    /// The namespace, if one was named.
    pub namespace: Option<String>,
    /// Image of the program.
    pub image: String,
    /// Missing parts of the collection, with reasons. Empty for a complete collection.
    pub missing: Vec<String>,
}

/// A run in a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunEntry {
    /// The run's folder, relative to the results folder; `.` is the results folder itself.
    pub path: String,
    /// Values of the swept fields.
    #[serde(default)]
    pub point: PointValues,
    /// Seed of all randomness.
    pub seed: u64,
    /// Digest of the run's chain of events, once it has ended; `null` in real time.
    pub digest: Option<String>,
    /// In real time: number of changes made over HTTP, which `summary.json` lists.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub edits: usize,
    /// Time that the run took, in seconds.
    pub real_seconds: Option<f64>,
    /// Events divided by that time.
    pub events_per_second: Option<f64>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Manifest {
    /// Reads the manifest of a results folder.
    ///
    /// # Errors
    /// The folder has no manifest, or one that is malformed or of another version.
    pub fn read(dir: &Path) -> Result<Self, ReadError> {
        let file = dir.join(Self::FILE);
        if dir.is_dir() && !file.exists() {
            return Err(ReadError::NoManifest { dir: dir.to_path_buf() });
        }
        let manifest: Self = read_json(dir)?;
        match manifest.format {
            FORMAT => Ok(manifest),
            found => Err(ReadError::Format { file, found }),
        }
    }

    /// The time base and the broker, in words.
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
}

impl RunEntry {
    /// The values of the swept fields, as `path = value`.
    pub fn point_texts(&self) -> Vec<String> {
        self.point.iter().map(|(path, value)| format!("{path} = {value}")).collect()
    }

    /// The run's folder.
    ///
    /// # Errors
    /// It lies outside of the results folder `dir`.
    pub fn folder(&self, dir: &Path) -> Result<PathBuf, ReadError> {
        let is_inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        match Path::new(&self.path).components().all(is_inside) {
            true if self.path == "." => Ok(dir.to_path_buf()),
            true => Ok(dir.join(&self.path)),
            false => {
                let problem = format!("`{}` is outside of the results folder", self.path);
                Err(Malformed::new(None, "runs.path", problem).in_file(&dir.join(Manifest::FILE)))
            }
        }
    }
}
