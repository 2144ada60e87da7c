//! Creates the results folder of an experiment, and keeps its manifest up to date.
//!
//! The types of its files are in `wasmote_results`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;
use wasmote_engine::Inspection;
use wasmote_engine::sha256::sha256;
use wasmote_fleet::config::values::{BrokerChoice, format_broker_url};
use wasmote_fleet::source::Source;
use wasmote_results::{
    COMPONENTS_FOLDER, ComponentEntry, FORMAT, HostEntry, JsonFile, Manifest, PLAN, PlanEntry, PointValues,
    RunEntry, TimeMode, write_atomically, write_json,
};

use super::ExperimentError;
use super::plan::{Experiment, point_labels};
use super::plan_snapshot::{component_path, relocate};
use super::point::RunId;

/// Reason why a run in real time has no digest.
pub const NO_DIGEST: &str = "a digest does not apply to real time: in which order devices, sockets and threads meet is \
                             the machine's";

/// Results folder of an experiment that is running.
pub struct ResultsWriter {
    /// The folder.
    pub folder: PathBuf,
    /// Manifest of the results folder.
    pub manifest: Manifest,
}

impl ResultsWriter {
    /// Creates a new folder below `out` with the plan, the components and an incomplete manifest.
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
            format: FORMAT,
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

    /// Adds the components that users uploaded during a run; `run` is the path of its folder.
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

    /// Writes the manifest.
    pub fn write_manifest(&self) -> Result<(), ExperimentError> {
        let path = self.folder.join(Manifest::FILE);
        write_json(&self.folder, &self.manifest).map_err(ExperimentError::writing(&path.display()))
    }

    /// Marks the experiment as complete.
    pub fn complete(&mut self) -> Result<(), ExperimentError> {
        self.manifest.complete = true;
        self.manifest.finished_utc = Some(humantime::format_rfc3339_seconds(SystemTime::now()).to_string());
        self.write_manifest()
    }
}

/// The broker of a run in real time, without its password.
fn broker(experiment: &Experiment) -> Option<String> {
    let point = experiment.points.first()?;
    Some(match &point.settings.broker {
        BrokerChoice::Embedded(_) => "embedded".to_owned(),
        BrokerChoice::Remote(url) => format_broker_url(url),
    })
}

/// Number of threads that the machine can run in parallel.
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

/// Folder name of a run, in characters that every file system accepts.
fn slug(point: &PointValues, seed: u64) -> String {
    let labels = point_labels(point);
    let last_parts = labels.iter().map(|label| label.rsplit_once('.').filter(|(_, tail)| tail.contains('=')));
    let short = last_parts.zip(&labels).map(|(tail, label)| tail.map_or(label.as_str(), |(_, tail)| tail));
    let mut text: String = short.flat_map(|label| [label, "-"]).collect();
    text.push_str(&format!("seed={seed}"));
    let clean = |c: char| if c.is_ascii_alphanumeric() || ".-=_".contains(c) { c } else { '_' };
    text.chars().map(clean).take(80).collect()
}

/// Writes the plan of an experiment with its components into a folder, so that it can be run without the original files.
pub fn export_plan(experiment: &Experiment, folder: &Path, file: &str) -> Result<(), ExperimentError> {
    copy_components(experiment, folder)?;
    let path = folder.join(file);
    write_atomically(&path, plan_text(experiment, folder)?.as_bytes())
        .map_err(ExperimentError::writing(&path.display()))
}

/// Copies the components, so that the results can be reproduced without the original files.
fn copy_components(experiment: &Experiment, folder: &Path) -> Result<Vec<ComponentEntry>, ExperimentError> {
    let target = folder.join(COMPONENTS_FOLDER);
    fs::create_dir_all(&target).map_err(ExperimentError::writing(&target.display()))?;
    let mut entries: Vec<ComponentEntry> = Vec::new();
    for (source, inspection) in experiment.inspections() {
        let file = component_path(experiment, &source, inspection.role);
        if entries.iter().any(|entry| entry.file == file) {
            continue;
        }
        let fetcher = experiment.source.models.fetcher();
        let bytes = source.read(fetcher).map_err(wasmote_fleet::blueprints::BlueprintError::Source)?;
        let path = folder.join(&file);
        write_atomically(&path, &bytes).map_err(ExperimentError::writing(&path.display()))?;
        let Inspection { name, role, sha256, size_bytes, .. } = inspection;
        // A file is there to be looked at; what a tag was on that day is nowhere else.
        let origin = matches!(source.unpinned(), Source::Remote(_)).then(|| source.described(fetcher));
        entries.push(ComponentEntry { name, role: role.to_string(), file, origin, sha256, size_bytes });
    }
    Ok(entries)
}

/// The plan as TOML, with the paths that its components have in the results folder.
fn plan_text(experiment: &Experiment, folder: &Path) -> Result<String, ExperimentError> {
    let plan = relocate(experiment.source.value.clone(), experiment, "");
    to_toml(&plan).map_err(ExperimentError::writing(&folder.join(PLAN).display()))
}

/// Formats a plan as TOML.
pub(super) fn to_toml(plan: &Value) -> io::Result<String> {
    toml::to_string_pretty(plan).map_err(|problem| io::Error::other(problem.to_string()))
}
