//! The results folder, and the manifest that says what is in it.
//!
//! ```text
//! manifest.json      who made this, when and from what; `complete` is false until the end
//! plan.toml          the plan with all that it refers to written out
//! components/        the behaviours, and the fault models in a folder of their own
//! runs/<nnn>-…/      one folder a run, or all of it here if there is only one
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use wasmote_engine::{Inspection, Role};

use super::ExperimentError;
use super::cluster::ClusterEntry;
use super::driver::TimeMode;
use super::plan::{Experiment, RunId, point_labels};
use super::plan_snapshot::{component_path, relocate};
use super::sweep::PointValues;
use crate::config::values::{BrokerChoice, format_broker_url};

/// The name of the manifest's file.
pub const MANIFEST: &str = "manifest.json";
/// The name of the plan's file.
pub const PLAN: &str = "plan.toml";
/// Why a run in real time has no digest.
pub const NO_DIGEST: &str = "a digest does not apply to real time: in which order devices, sockets and threads meet is \
                             the machine's";
/// The folder of the components, in that of the results, and in a run's for those that users sent.
pub(super) const COMPONENTS_FOLDER: &str = "components";

/// What a results folder says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this format: 1.
    pub format: u32,
    /// Whether all runs came to their end. A folder that says false was left in the middle.
    pub complete: bool,
    /// Whose time passed.
    #[serde(default)]
    pub time: TimeMode,
    /// In real time: the broker, as it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<String>,
    /// In real time: why there is no digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_digest: Option<String>,
    /// The program.
    pub wasmote_version: String,
    /// The plan.
    pub plan: PlanEntry,
    /// The behaviours and fault models.
    pub components: Vec<ComponentEntry>,
    /// The command that makes these results again.
    pub command: String,
    /// The machine.
    pub host: HostEntry,
    /// When it began.
    pub started_utc: String,
    /// When it ended.
    pub finished_utc: Option<String>,
    /// The cluster that it ran on, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterEntry>,
    /// The runs, those that are over with their digest.
    pub runs: Vec<RunEntry>,
}

/// A plan in a manifest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlanEntry {
    /// Its name.
    pub name: String,
    /// Of `plan.toml`.
    pub sha256: String,
}

/// A behaviour or a fault model in a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComponentEntry {
    /// Its name.
    pub name: String,
    /// `behaviour` or `fault model`.
    #[serde(default = "behaviour")]
    pub role: String,
    /// Its file in the results folder.
    pub file: String,
    /// Of the file.
    pub sha256: String,
    /// Of the file.
    pub size_bytes: usize,
}

/// All that a manifest had before there were fault models.
fn behaviour() -> String {
    Role::Behaviour.to_string()
}

/// A machine in a manifest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HostEntry {
    /// Operating system.
    pub os: String,
    /// Processor.
    pub arch: String,
    /// Cores that the program may use.
    pub cores: usize,
}

/// A run in a manifest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunEntry {
    /// Its folder.
    pub path: String,
    /// The values that are swept.
    pub point: PointValues,
    /// Its seed.
    pub seed: u64,
    /// The digest of its event chain, once it is over; in real time there is none.
    pub digest: Option<String>,
    /// In real time: how many changes were made over HTTP; `summary.json` lists them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub edits: usize,
    /// How long it took.
    pub real_seconds: Option<f64>,
    /// Everything that happened, by that time.
    pub events_per_second: Option<f64>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A results folder that is being filled.
pub struct ResultsWriter {
    /// Where it is.
    pub folder: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
}

impl ResultsWriter {
    /// Make a folder of its own below `out`.
    pub fn create(
        out: &Path,
        experiment: &Experiment,
        time_mode: TimeMode,
        command: String,
    ) -> Result<Self, ExperimentError> {
        let started = SystemTime::now();
        let stamp: String = humantime::format_rfc3339_seconds(started).to_string();
        let digits: String = stamp.chars().filter(char::is_ascii_digit).collect();
        let (day, time) = digits.split_at(8);
        let name = format!("experiment_{}nodes_{day}_{time}", experiment.devices());
        fs::create_dir_all(out).map_err(ExperimentError::writing(&out.display()))?;
        let folder =
            create_unique_folder(out, &name).map_err(ExperimentError::writing(&out.join(name).display()))?;
        let components = copy_components(experiment, &folder)?;
        let plan = plan_text(experiment, &folder)?;
        let writing = ExperimentError::writing(&folder.display());
        write_atomically(&folder.join(PLAN), plan.as_bytes()).map_err(&writing)?;
        let runs = experiment.runs();
        let manifest = Manifest {
            format: 1,
            complete: false,
            time: time_mode,
            broker: (time_mode == TimeMode::Real).then(|| broker(experiment)).flatten(),
            no_digest: (time_mode == TimeMode::Real).then(|| NO_DIGEST.to_owned()),
            wasmote_version: env!("CARGO_PKG_VERSION").to_owned(),
            plan: PlanEntry { name: experiment.plan.name.to_string(), sha256: sha256(plan.as_bytes()) },
            components,
            command,
            host: HostEntry {
                os: std::env::consts::OS.to_owned(),
                arch: std::env::consts::ARCH.to_owned(),
                cores: cores(),
            },
            started_utc: stamp,
            finished_utc: None,
            cluster: None,
            runs: runs.iter().map(|run| run_entry(experiment, run, runs.len())).collect(),
        };
        let results = Self { folder, manifest };
        results.write_manifest()?;
        Ok(results)
    }

    /// Name the components that users sent in a run, whose folder this is.
    pub fn add_components<'a>(&mut self, run: &str, uploaded: impl Iterator<Item = &'a ComponentEntry>) {
        for entry in uploaded {
            let file = match run {
                "." => entry.file.clone(),
                run => format!("{run}/{}", entry.file),
            };
            if !self.manifest.components.iter().any(|known| known.file == file) {
                self.manifest.components.push(ComponentEntry { file, ..entry.clone() });
            }
        }
    }

    /// Write the manifest as it stands.
    pub fn write_manifest(&self) -> Result<(), ExperimentError> {
        let path = self.folder.join(MANIFEST);
        write_atomically(&path, pretty_json(&self.manifest).as_bytes())
            .map_err(ExperimentError::writing(&path.display()))
    }

    /// All runs are over.
    pub fn complete(&mut self) -> Result<(), ExperimentError> {
        self.manifest.complete = true;
        self.manifest.finished_utc = Some(humantime::format_rfc3339_seconds(SystemTime::now()).to_string());
        self.write_manifest()
    }
}

/// The broker that a run in real time is to use. Passwords are nobody's business.
fn broker(experiment: &Experiment) -> Option<String> {
    let point = experiment.points.first()?;
    Some(match &point.settings.broker {
        BrokerChoice::Embedded(_) => "embedded".to_owned(),
        BrokerChoice::Remote(url) => format_broker_url(url),
    })
}

/// How many threads can run at one time.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn create_unique_folder(out: &Path, name: &str) -> io::Result<PathBuf> {
    let names = (1..).map(|n| if n == 1 { name.to_owned() } else { format!("{name}_{n}") });
    for name in names {
        match fs::create_dir(out.join(&name)) {
            Err(problem) if problem.kind() == io::ErrorKind::AlreadyExists => {}
            Err(problem) => return Err(problem),
            Ok(()) => return Ok(out.join(name)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn run_entry(experiment: &Experiment, run: &RunId, of: usize) -> RunEntry {
    let point = experiment.points[run.point].values.clone();
    let seed = run.seed.value();
    let path = match of {
        1 => ".".to_owned(),
        _ => format!("runs/{:03}-{}", run.index + 1, slug(&point, seed)),
    };
    RunEntry { path, point, seed, digest: None, real_seconds: None, events_per_second: None, edits: 0 }
}

/// A run in a name that every file system takes.
fn slug(point: &PointValues, seed: u64) -> String {
    let labels = point_labels(point);
    let last_parts = labels.iter().map(|label| label.rsplit_once('.').filter(|(_, tail)| tail.contains('=')));
    let short = last_parts.zip(&labels).map(|(tail, label)| tail.map_or(label.as_str(), |(_, tail)| tail));
    let mut text: String = short.flat_map(|label| [label, "-"]).collect();
    text.push_str(&format!("seed={seed}"));
    let clean = |c: char| if c.is_ascii_alphanumeric() || ".-=_".contains(c) { c } else { '_' };
    text.chars().map(clean).take(80).collect()
}

/// The components lie beside the results, so that these can be made again when the originals are gone.
fn copy_components(experiment: &Experiment, folder: &Path) -> Result<Vec<ComponentEntry>, ExperimentError> {
    let target = folder.join(COMPONENTS_FOLDER);
    fs::create_dir(&target).map_err(ExperimentError::writing(&target.display()))?;
    let mut entries: Vec<ComponentEntry> = Vec::new();
    for (source, inspection) in experiment.inspections() {
        let file = component_path(experiment, &source, inspection.role);
        let bytes = source.read().map_err(crate::blueprints::BlueprintError::Source)?;
        let path = folder.join(&file);
        write_atomically(&path, &bytes).map_err(ExperimentError::writing(&path.display()))?;
        let Inspection { name, role, sha256, size_bytes, .. } = inspection;
        entries.push(ComponentEntry { name, role: role.to_string(), file, sha256, size_bytes });
    }
    Ok(entries)
}

/// The plan with its components where the results folder has them.
fn plan_text(experiment: &Experiment, folder: &Path) -> Result<String, ExperimentError> {
    let plan = relocate(experiment.source.value.clone(), experiment, "");
    to_toml(&plan).map_err(ExperimentError::writing(&folder.join(PLAN).display()))
}

/// A plan as TOML.
pub(super) fn to_toml(plan: &Value) -> io::Result<String> {
    toml::to_string_pretty(plan).map_err(|problem| io::Error::other(problem.to_string()))
}

/// Write a file so that it is there with all that belongs in it, or not at all.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_atomically_with(path, |mut file| file.write_all(bytes))
}

/// The same for a file that is too large to be in memory.
pub fn write_atomically_with(path: &Path, write: impl FnOnce(File) -> io::Result<()>) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    write(File::create(&part)?)?;
    fs::rename(part, path)
}

/// JSON for people and programs, with a line's end.
pub fn pretty_json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).map(|text| text + "\n").unwrap_or_default()
}

/// In hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
