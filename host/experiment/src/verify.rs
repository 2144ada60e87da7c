//! Verification: repeats the runs of a results folder and compares their files.

mod provenance;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use wasmote_engine::Engine;
use wasmote_registry::fetcher::Fetcher;
use wasmote_results::{Checkpoint, EventLine, JsonFile, LineFile, Manifest, PLAN, read_lines};

use super::ExperimentError;
use super::effective_plan;
use super::execute::{for_each, run_one};
use super::plan::{Experiment, point_labels};
use super::point::{Overrides, RunId};
use super::progress::Totals;
use super::results::NO_DIGEST;
use super::source::PlanSource;

/// Outcome of comparing one run.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RunComparison {
    /// The run's folder.
    pub path: String,
    /// Digest in the manifest.
    pub recorded: Option<String>,
    /// Digest of the repeated run.
    pub found: Option<String>,
    /// Differences as text; the first divergent event comes first.
    pub differences: Vec<String>,
    /// Files of the repeated run.
    #[serde(skip)]
    pub files: BTreeSet<PathBuf>,
}

impl RunComparison {
    /// Whether nothing differs.
    pub fn is_same(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Results folder to verify.
pub struct RecordedResults {
    folder: PathBuf,
    /// Manifest of the results folder.
    pub manifest: Manifest,
    /// Plan of the results, ready to run.
    pub experiment: Experiment,
}

impl RecordedResults {
    /// Reads a results folder.
    pub fn read(folder: &Path, engine: &Engine) -> Result<Self, ExperimentError> {
        let manifest = Manifest::read(folder)?;
        let shown = folder.join(Manifest::FILE).display().to_string();
        if manifest.cluster.is_some() {
            let problem = "it ran on a cluster, in real time, which no second run repeats to the byte";
            return Err(ExperimentError::invalid(shown, problem));
        }
        let source = PlanSource::read(&folder.join(PLAN), &Fetcher::default())?;
        let experiment = Experiment::new(source, &Overrides::default(), engine)?;
        if experiment.runs().len() != manifest.runs.len() {
            let (has, lists) = (experiment.runs().len(), manifest.runs.len());
            let problem = format!("it lists {lists} runs, and the plan makes {has}");
            return Err(ExperimentError::invalid(format!("{shown}: runs"), problem));
        }
        Ok(Self { folder: folder.to_owned(), manifest, experiment })
    }

    /// Repeats every run in a temporary folder and compares the files.
    pub fn verify(
        &self,
        scratch: &Path,
        workers: usize,
        totals: &Totals,
    ) -> Result<Vec<RunComparison>, ExperimentError> {
        for_each(&self.experiment.runs(), workers, totals, |run_id| {
            let entry = &self.manifest.runs[run_id.index];
            let rerun = scratch.join(format!("{}", run_id.index));
            let summary = run_one(&self.experiment, run_id, &rerun, None, totals)?.summary;
            let mut differences = self.check_seed_and_point(run_id);
            if entry.digest != summary.digest {
                let shown = |digest: &Option<String>| digest.clone().unwrap_or_else(|| "none".to_owned());
                let (recorded, found) = (shown(&entry.digest), shown(&summary.digest));
                differences.push(format!("digest: recorded {recorded}, found {found}"));
            }
            let original = self.folder.join(&entry.path);
            let files = compare(&original, &rerun, &mut differences);
            let files = files.map_err(|problem| ExperimentError::Unreadable {
                path: original.display().to_string(),
                problem,
            })?;
            fs::remove_dir_all(&rerun).map_err(ExperimentError::writing(&rerun.display()))?;
            let (path, recorded, found) = (entry.path.clone(), entry.digest.clone(), summary.digest);
            Ok(RunComparison { path, recorded, found, differences, files })
        })
    }

    /// Differences between the seed and point in the manifest and those of the plan.
    fn check_seed_and_point(&self, run_id: &RunId) -> Vec<String> {
        let entry = &self.manifest.runs[run_id.index];
        let (seed, point) = (run_id.seed.value(), &self.experiment.points[run_id.point].values);
        let differs = |what: &str, recorded: String, found: String| {
            (recorded != found)
                .then(|| format!("{what}: the manifest has {recorded}, and the plan makes {found}"))
        };
        let points = [&entry.point, point].map(|point| point_labels(point).join(" "));
        let [recorded, found] = points;
        let seed = differs("seed", entry.seed.to_string(), seed.to_string());
        seed.into_iter().chain(differs("point", recorded, found)).collect()
    }
}

/// Advice for results of real time, which no run reproduces exactly.
pub fn real_time_advice(folder: &Path, manifest: &Manifest) -> String {
    let folder = folder.display();
    let edited = manifest.runs.iter().filter(|run| run.edits > 0);
    let plans: Vec<String> = match edited.clone().count() {
        0 => vec![format!("{folder}/{PLAN}")],
        _ => edited.map(|run| format!("{folder}/{}/{}", run.path, effective_plan::FILE_NAME)).collect(),
    };
    let runs: Vec<String> = plans.iter().map(|plan| format!("\n  wasmote experiment run {plan}")).collect();
    format!(
        "`{folder}` was run in real time, so there are no bytes to compare: {NO_DIGEST}. What can be compared are its \
         figures, within their intervals. Run what happened in virtual time, and put both side by side:{}\n  wasmote \
         experiment compare {folder} results/FOLDER-OF-THAT-RUN",
        runs.concat()
    )
}

/// Compares two folders of one run, the chain first. Returns the compared files.
fn compare(original: &Path, rerun: &Path, differences: &mut Vec<String>) -> io::Result<BTreeSet<PathBuf>> {
    let window = divergent_steps(original, rerun)?;
    if let Some((after, by)) = window {
        differences.push(first_event(original, rerun, after, by)?);
    }
    let mut files = BTreeSet::new();
    list(rerun, rerun, &mut files)?;
    for file in &files {
        if let Some(difference) = first_line(&original.join(file), &rerun.join(file))? {
            differences.push(format!("{}: {difference}", file.display()));
        }
    }
    Ok(files)
}

/// Steps between which the chains diverge, if they do.
fn divergent_steps(original: &Path, rerun: &Path) -> io::Result<Option<(u64, u64)>> {
    let (recorded, found) = (read_lines::<Checkpoint>(original)?, read_lines::<Checkpoint>(rerun)?);
    let same = recorded.iter().zip(&found).take_while(|(left, right)| left == right).count();
    if same == recorded.len() && same == found.len() {
        return Ok(None);
    }
    let after = same.checked_sub(1).map_or(0, |last| found[last].step);
    let by = [&recorded, &found].iter().filter_map(|chain| chain.get(same)).map(|it| it.step).max();
    Ok(Some((after, by.unwrap_or(u64::MAX))))
}

/// Describes the first event within a range of steps that differs between the recorded and the repeated run.
fn first_event(original: &Path, rerun: &Path, after: u64, by: u64) -> io::Result<String> {
    let within = |folder: &Path| -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        let Ok(file) = File::open(folder.join(EventLine::FILE)) else { return Ok(found) };
        for line in BufReader::new(file).lines() {
            let line = line?;
            match serde_json::from_str::<EventLine<'_>>(&line) {
                Ok(event) if event.step <= after => {}
                Ok(event) if event.step > by => break,
                _ => found.push(line),
            }
        }
        Ok(found)
    };
    let (recorded, found) = (within(original)?, within(rerun)?);
    let longest = recorded.len().max(found.len());
    let differing = (0..longest).find(|at| recorded.get(*at) != found.get(*at));
    let shown = |events: &[String], at: usize| events.get(at).map_or("no event", String::as_str).to_owned();
    Ok(match differing {
        Some(at) => format!(
            "the first divergent event: recorded {}, found {}",
            shown(&recorded, at),
            shown(&found, at)
        ),
        None => format!("the first divergent step lies between {after} and {by}, and has no event"),
    })
}

/// Describes the first line in which two files differ.
fn first_line(original: &Path, rerun: &Path) -> io::Result<Option<String>> {
    let Ok(file) = File::open(original) else { return Ok(Some("it is missing".to_owned())) };
    let (mut left, mut right) = (BufReader::new(file), BufReader::new(File::open(rerun)?));
    let (mut recorded, mut found) = (Vec::new(), Vec::new());
    for line in 1_u64.. {
        recorded.clear();
        found.clear();
        let read = (left.read_until(b'\n', &mut recorded)?, right.read_until(b'\n', &mut found)?);
        if recorded != found {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
            return Ok(Some(format!(
                "line {line}: recorded `{}`, found `{}`",
                text(&recorded),
                text(&found)
            )));
        }
        if read == (0, 0) {
            break;
        }
    }
    Ok(None)
}

fn list(root: &Path, folder: &Path, files: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(root, &path, files)?;
        } else if let Ok(relative) = path.strip_prefix(root) {
            files.insert(relative.to_owned());
        }
    }
    Ok(())
}
