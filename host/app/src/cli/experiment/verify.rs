//! `wasmote experiment verify DIR...`

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use serde_json::json;
use wasmote_engine::Engine;
use wasmote_experiment::progress::Totals;
use wasmote_experiment::results::cores;
use wasmote_experiment::verify::{RecordedResults, RunComparison, real_time_advice};
use wasmote_fleet::config::compile_cache;
use wasmote_fleet::printable::Printable;
use wasmote_fleet::term::{ERROR, GOOD, json_to_stdout, to_stderr, to_stdout};
use wasmote_report::stale;
use wasmote_results::TimeMode;

use super::{failure, progress};
use crate::cli::Failure;
use crate::exit::Exit;

/// Arguments of `wasmote experiment verify`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Results folders
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    /// Number of parallel runs [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    workers: Option<u32>,
    /// Print JSON: a list of runs, or for several folders an object with one list for each
    #[arg(long)]
    json: bool,
}

/// Result of the verification of a folder.
struct Verified {
    comparisons: Vec<RunComparison>,
    is_same: bool,
}

/// A folder that is deleted when this is dropped.
struct TempFolder(PathBuf);

impl Drop for TempFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Verifies the folders.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let engine = Engine::with_cache(compile_cache::of_environment()).map_err(Failure::failed)?;
    let verified = args.folders.iter().map(|folder| Ok((folder, verify(args, folder, &engine)?)));
    let verified = verified.collect::<Result<Vec<_>, Failure>>()?;
    if args.json {
        let shown = match verified.as_slice() {
            [(_, one)] => json!(one.comparisons),
            several => several
                .iter()
                .map(|(folder, it)| (folder.display().to_string(), json!(it.comparisons)))
                .collect(),
        };
        json_to_stdout(format_args!("{shown:#}"));
    }
    let same = verified.iter().all(|(_, it)| it.is_same);
    Ok(if same { Exit::Done } else { Exit::Failed })
}

fn verify(args: &Args, folder: &Path, engine: &Engine) -> Result<Verified, Failure> {
    let recorded = RecordedResults::read(folder, engine).map_err(failure)?;
    if !recorded.manifest.complete {
        let folder = folder.display();
        return Err(Failure::failed(anyhow!(
            "`{folder}` is incomplete, because the experiment was stopped; run it again with `{}`",
            recorded.manifest.command
        )));
    }
    if recorded.manifest.time == TimeMode::Real {
        return Err(Failure::usage(anyhow!("{}", real_time_advice(folder, &recorded.manifest))));
    }
    let mut unexpected = recorded.changed_inputs().map_err(Failure::failed)?;
    unexpected.iter().chain(&recorded.version_mismatch()).for_each(to_stderr);
    let name = format!("wasmote-verify-{}", std::process::id());
    let temp_folder = TempFolder(std::env::temp_dir().join(name));
    let workers = args.workers.map_or_else(cores, |workers| workers as usize);
    let outcome = progress::with_progress(&recorded.experiment, &Totals::default(), |totals| {
        recorded.verify(&temp_folder.0, workers, totals)
    });
    let comparisons = outcome.map_err(Failure::failed)?;
    let mut extra = recorded.unexpected_files(&comparisons).map_err(Failure::failed)?;
    // Other versions write different pages.
    if recorded.version_mismatch().is_none() {
        extra.extend(stale::stale_files(folder).unwrap_or_else(|problem| vec![problem.to_string()]));
    }
    extra.iter().for_each(to_stderr);
    unexpected.extend(extra);
    if !args.json {
        print(&comparisons, unexpected.len(), folder);
    }
    let is_same = unexpected.is_empty() && comparisons.iter().all(RunComparison::is_same);
    Ok(Verified { comparisons, is_same })
}

fn print(comparisons: &[RunComparison], unexpected: usize, folder: &Path) {
    for comparison in comparisons {
        let found = comparison.found.as_deref().unwrap_or_default();
        if comparison.is_same() {
            to_stdout(format_args!("  {GOOD}✓{GOOD:#} {} {found}", comparison.path));
            continue;
        }
        to_stdout(format_args!("  {ERROR}✗{ERROR:#} {} {found}", comparison.path));
        for difference in &comparison.differences {
            to_stdout(format_args!("      {}", Printable(difference)));
        }
    }
    let (same, all) = (comparisons.iter().filter(|it| it.is_same()).count(), comparisons.len());
    let extra = match unexpected {
        0 => String::new(),
        1 => "; 1 other difference, listed above".to_owned(),
        count => format!("; {count} other differences, listed above"),
    };
    to_stdout(format_args!("{}: {same} of {all} runs are the same, to the byte{extra}", folder.display()));
}
