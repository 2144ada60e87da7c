//! Checks of the files that do not belong to a run: plan, components, and unexpected files.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use wasmote_engine::sha256::sha256;
use wasmote_results::{JsonFile, Manifest, PLAN};

use super::{RecordedResults, RunComparison, list};
use crate::ExperimentError;

impl RecordedResults {
    /// Plan and components that differ from the manifest.
    pub fn changed_inputs(&self) -> Result<Vec<String>, ExperimentError> {
        let path = self.folder.join(PLAN);
        let found = sha256(&fs::read(&path).map_err(unreadable(&path))?);
        let recorded = &self.manifest.plan.sha256;
        let plan = (found != *recorded).then(|| {
            format!(
                "{PLAN}: it is another plan than the one that was run: its SHA-256 is {found}, and the manifest has \
                 {recorded}"
            )
        });
        let hashes: BTreeSet<String> =
            self.experiment.inspections().into_iter().map(|(_, inspection)| inspection.sha256).collect();
        let changed = self.manifest.components.iter().filter(|entry| !hashes.contains(&entry.sha256));
        let changed =
            changed.map(|entry| format!("{}: it is another file than the one that was run", entry.file));
        Ok(plan.into_iter().chain(changed).collect())
    }

    /// Message if another version of the program made these results.
    pub fn version_mismatch(&self) -> Option<String> {
        let (recorded, this) = (&self.manifest.wasmote_version, env!("CARGO_PKG_VERSION"));
        (recorded != this).then(|| {
            format!("these results are of Wasmote {recorded}, and this is {this}: differences may come from the versions")
        })
    }

    /// Files that neither a run of the plan nor its report writes.
    pub fn unexpected_files(&self, comparisons: &[RunComparison]) -> Result<Vec<String>, ExperimentError> {
        let mut known: BTreeSet<PathBuf> =
            [Manifest::FILE, PLAN, "report.html", "replay.html"].map(PathBuf::from).into();
        known.extend(self.manifest.components.iter().map(|entry| PathBuf::from(&entry.file)));
        for comparison in comparisons {
            let run = Path::new(&comparison.path);
            let path_of = |file: &Path| if run == Path::new(".") { file.to_owned() } else { run.join(file) };
            known.extend(comparison.files.iter().map(|file| path_of(file)));
        }
        let mut present = BTreeSet::new();
        list(&self.folder, &self.folder, &mut present).map_err(unreadable(&self.folder))?;
        let unexpected_files = present.into_iter().filter(|file| !known.contains(file) && !is_plot(file));
        Ok(unexpected_files
            .map(|file| format!("{}: it does not belong to these results", file.display()))
            .collect())
    }
}

/// Whether a file is a plot. The report code compares plots.
fn is_plot(file: &Path) -> bool {
    file.parent() == Some(Path::new("plots")) && file.extension().is_some_and(|it| it == "svg")
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> ExperimentError {
    move |problem| ExperimentError::Unreadable { path: path.display().to_string(), problem }
}
