//! Plan sources: files, and plans that are built into the program.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wasmote_fleet::actions::check::INHERIT;
use wasmote_fleet::config_files::{self, FileError};
use wasmote_fleet::document::{self, DocumentError, Format};
use wasmote_fleet::fault_models::FaultModels;
use wasmote_fleet::fault_set::FaultSet;
use wasmote_fleet::field_path;
use wasmote_fleet::payload_bytes;
use wasmote_fleet::regular_file;
use wasmote_fleet::source::Source;
use wasmote_fleet::suggest::did_you_mean;
use wasmote_registry::fetcher::Fetcher;
use wasmote_sim::config::DATA_FIELD;

use super::ExperimentError;
use super::plan_file::PlanFile;

/// Folder in which plans are found by name.
pub const FOLDER: &str = "experiments";

/// Plans that are built into the program.
pub const SHIPPED: [(&str, &str); 8] = [
    ("ten-nodes", include_str!("../../../experiments/ten-nodes.toml")),
    ("fifty-nodes", include_str!("../../../experiments/fifty-nodes.toml")),
    ("loss-by-fleet-size", include_str!("../../../experiments/loss-by-fleet-size.toml")),
    ("routing-under-churn", include_str!("../../../experiments/routing-under-churn.toml")),
    ("sensors-through-aggregator", include_str!("../../../experiments/sensors-through-aggregator.toml")),
    ("on-kubernetes", include_str!("../../../experiments/on-kubernetes.toml")),
    ("reconnect-storm", include_str!("../../../experiments/reconnect-storm.toml")),
    ("rain-fade", include_str!("../../../experiments/rain-fade.toml")),
];

/// Plan document with its references expanded.
#[derive(Clone, Debug)]
pub struct PlanSource {
    /// Name of the plan as the user gave it.
    pub shown: String,
    /// Folder to which its paths are relative.
    pub folder: PathBuf,
    /// The document.
    pub value: Value,
    /// Fault components found for it.
    pub models: FaultModels,
}

impl PlanSource {
    /// Finds a plan, whose components this fetcher reads: a file, a plan in `experiments/`, or a built-in plan.
    pub fn find(name: &str, fetcher: &Fetcher) -> Result<Self, ExperimentError> {
        let path = Path::new(name);
        // A special file is read, too, because the error of the read names its type.
        if path.exists() && !path.is_dir() {
            return Self::read(path, fetcher);
        }
        let local = local_plans();
        if let Some((_, path)) = local.iter().find(|(known, _)| known == name) {
            return Self::read(path, fetcher);
        }
        if let Some((known, text)) = SHIPPED.iter().find(|(known, _)| *known == name) {
            return Self::parse(text, Format::Toml, known, Path::new(""), fetcher);
        }
        let mut known: Vec<&str> = local.iter().map(|(name, _)| name.as_str()).collect();
        known.extend(SHIPPED.map(|(name, _)| name));
        known.sort_unstable();
        known.dedup();
        let hint = did_you_mean(name, known.iter().copied());
        Err(ExperimentError::NoPlan { name: name.to_owned(), known: known.join(", "), hint })
    }

    /// Reads a plan file.
    pub fn read(path: &Path, fetcher: &Fetcher) -> Result<Self, ExperimentError> {
        let shown = path.display().to_string();
        let text = regular_file::read_text(path)
            .map_err(|problem| ExperimentError::Unreadable { path: shown.clone(), problem })?;
        Self::parse(&text, Format::of(path), &shown, path.parent().unwrap_or(Path::new("")), fetcher)
    }

    /// Parses a plan from text.
    pub fn parse(
        text: &str,
        format: Format,
        shown: &str,
        folder: &Path,
        fetcher: &Fetcher,
    ) -> Result<Self, ExperimentError> {
        let located = |error: DocumentError| error.in_file(shown);
        // Parse the typed plan first, because its errors have a line.
        document::parse::<PlanFile>(text, format).map_err(located)?;
        let mut value: Value = document::parse(text, format).map_err(located)?;
        let models = FaultModels::default().with_fetcher(fetcher.clone());
        expand_references(&mut value, folder, &models).map_err(|error| match error.file {
            Some(_) => error,
            None => error.in_file(shown),
        })?;
        Ok(Self { shown: shown.to_owned(), folder: folder.to_owned(), value, models })
    }

    /// Sets a field and expands references in its value. An unknown name stays and is reported when the plan is used.
    pub fn set(&mut self, field: &str, value: Value) -> Result<(), String> {
        field_path::set(&mut self.value, field, value)?;
        expand_files(&mut self.value, &self.folder).map_err(|error| error.problem)?;
        let _ = expand_references(&mut self.value, &self.folder, &self.models);
        Ok(())
    }

    /// Expands a value that is a fault document or the name of one.
    pub fn expand_faults(&self, value: &mut Value) {
        // Missing references have been reported before.
        let _ = expand_faults(value, &self.folder, &self.models);
    }

    /// The typed plan, including values set since it was read.
    pub fn plan_file(&self) -> Result<PlanFile, ExperimentError> {
        let text = self.value.to_string();
        let parsed = document::parse_json(text.as_bytes());
        Ok(parsed.map_err(|error| DocumentError { location: None, ..error }.in_file(&self.shown))?)
    }
}

/// Plans in [`FOLDER`] by name.
pub fn local_plans() -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(FOLDER).into_iter().flatten().flatten();
    let is_plan = |path: &PathBuf| path.extension().is_some_and(|it| it == "toml" || it == "json");
    let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(is_plan).collect();
    files.sort();
    let named = |path: PathBuf| (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path);
    files.into_iter().map(named).collect()
}

/// Expands references, so that values can be set by path and the plan can be stored: presets and files of faults, ids
/// of faults and names of groups.
fn expand_references(plan: &mut Value, folder: &Path, models: &FaultModels) -> Result<(), DocumentError> {
    for (old, new) in [("groups", "group"), ("threshold", "thresholds"), ("invariants", "invariant")] {
        if let Some(moved) = plan.as_object_mut().and_then(|plan| plan.remove(old)) {
            plan[new] = moved;
        }
    }
    if plan.get("faults").is_none() {
        plan["faults"] = json!("none");
    }
    expand_files(plan, folder)?;
    expand_faults(&mut plan["faults"], folder, models)?;
    for list in ["group", "timeline"] {
        for entry in plan.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(faults) = entry.get_mut("faults")
                && (list != "timeline" || faults.as_str() != Some(INHERIT))
            {
                expand_faults(faults, folder, models)?;
            }
        }
    }
    for group in plan.get_mut("group").and_then(Value::as_array_mut).into_iter().flatten() {
        let found = group["behaviour"].as_str().and_then(|name| Source::find(name, folder).ok());
        if let (None, Some(source)) = (group.get("name"), found) {
            group["name"] = source.name().into();
        }
    }
    Ok(())
}

/// Replaces the names of files in configurations of behaviours by their text.
fn expand_files(plan: &mut Value, folder: &Path) -> Result<(), DocumentError> {
    let expand = |config: Option<&mut Value>, field: &str| {
        let Some(config) = config.and_then(Value::as_object_mut) else { return Ok(()) };
        let invalid =
            |error: FileError| DocumentError::at(format!("{field}.{}", error.field), error.to_string());
        config_files::expand(config, folder).map_err(invalid)
    };
    expand(plan.get_mut("config"), "config")?;
    let groups = plan.get_mut("group").and_then(Value::as_array_mut).into_iter().flatten();
    for (index, group) in groups.enumerate() {
        expand(group.get_mut("config"), &format!("group[{index}].config"))?;
    }
    // Every action that takes a configuration calls it `config`.
    let entries = plan.get_mut("timeline").and_then(Value::as_array_mut).into_iter().flatten();
    for (index, entry) in entries.enumerate() {
        for (action, fields) in entry.as_object_mut().into_iter().flatten() {
            expand(fields.get_mut("config"), &format!("timeline[{index}].{action}.config"))?;
        }
    }
    for (index, entry) in
        plan.get_mut("timeline").and_then(Value::as_array_mut).into_iter().flatten().enumerate()
    {
        let Some(publish) = entry.get_mut("publish").and_then(Value::as_object_mut) else { continue };
        // The file of a payload becomes its bytes, so that the plan in the results is complete. Several forms of a payload
        // are refused when the entry is checked.
        if let (Some(path), None, None) =
            (publish.get("payload_file"), publish.get("payload"), publish.get("payload_base64"))
            && let Some(path) = path.as_str()
        {
            let field = format!("timeline[{index}].publish.payload_file");
            let bytes =
                payload_bytes::read(path, folder).map_err(|problem| DocumentError::at(field, problem))?;
            publish.remove("payload_file");
            publish.insert("payload_base64".into(), payload_bytes::encode(&bytes).into());
        }
    }
    for (path, values) in plan.get_mut("sweep").and_then(Value::as_object_mut).into_iter().flatten() {
        if path.split('.').any(|part| part == "config") {
            for (index, value) in values.as_array_mut().into_iter().flatten().enumerate() {
                let swept = |error: FileError| {
                    DocumentError::at(format!("sweep.\"{path}\"[{index}]"), error.to_string())
                };
                expand_swept(value, folder).map_err(swept)?;
            }
        }
    }
    Ok(())
}

/// Replaces the names of files in a swept value. The name of a file becomes its label.
fn expand_swept(value: &mut Value, folder: &Path) -> Result<(), FileError> {
    let before = value.clone();
    config_files::expand_value(value, folder)?;
    let file = before.get(config_files::FILE_FIELD).or_else(|| before.get(DATA_FIELD));
    if let Some(file) = file.filter(|_| *value != before) {
        *value = json!({ "label": file, "value": value.take() });
    }
    Ok(())
}

fn expand_faults(faults: &mut Value, folder: &Path, models: &FaultModels) -> Result<(), DocumentError> {
    if let Some(name) = faults.as_str() {
        let set = FaultSet::load(name, folder, models)?;
        *faults = serde_json::to_value(set.document).unwrap_or_default();
    }
    if let Some(moved) = faults.as_object_mut().and_then(|faults| faults.remove("faults")) {
        faults["fault"] = moved;
    }
    for fault in faults.get_mut("fault").and_then(Value::as_array_mut).into_iter().flatten() {
        if fault.get("id").is_none() {
            fault["id"] = fault["kind"].clone();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_plan_that_is_a_special_file_is_refused_without_a_read() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("plan.toml");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, found) in [(socket.to_str().unwrap(), "a socket"), ("/dev/zero", "a device file")] {
            let problem = PlanSource::find(path, &Fetcher::default()).unwrap_err().to_string();
            assert!(problem.contains(&format!("it is {found}, and a regular file is needed")), "{problem}");
        }
    }
}
