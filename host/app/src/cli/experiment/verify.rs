//! `wasmote experiment verify DIR`

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use wasmote_engine::Engine;

use super::{failure, progress};
use crate::cli::output::{to_stderr, to_stdout};
use crate::cli::{Failure, style};
use crate::exit::Exit;
use crate::experiment::progress::Totals;
use crate::experiment::results::cores;
use crate::experiment::verify::{Comparison, Recorded, instead};
use crate::experiment::world::Pace;
use crate::report::again;

/// What to verify.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A results folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Runs at one time [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    workers: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A folder that is gone when this is.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Do it.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let engine = Engine::new().map_err(Failure::failed)?;
    let recorded = Recorded::read(&args.folder, &engine).map_err(failure)?;
    if !recorded.manifest.complete {
        let folder = args.folder.display();
        return Err(Failure::failed(anyhow!(
            "`{folder}` is incomplete: whoever filled it was stopped; run it again with `{}`",
            recorded.manifest.command
        )));
    }
    if recorded.manifest.time == Pace::Real {
        return Err(Failure::usage(anyhow!("{}", instead(&args.folder, &recorded.manifest))));
    }
    let mut strangers = recorded.strangers().map_err(Failure::failed)?;
    strangers.iter().chain(&recorded.version()).for_each(to_stderr);
    let name = format!("wasmote-verify-{}", std::process::id());
    let scratch = Scratch(std::env::temp_dir().join(name));
    let workers = args.workers.map_or_else(cores, |workers| workers as usize);
    let outcome = progress::shown(&recorded.experiment, &Totals::default(), |totals| {
        recorded.verify(&scratch.0, workers, totals)
    });
    let comparisons = outcome.map_err(Failure::failed)?;
    let mut beside = recorded.foreign(&comparisons).map_err(Failure::failed)?;
    // Another version draws other pages.
    if recorded.version().is_none() {
        beside.extend(again::differences(&args.folder).unwrap_or_else(|problem| vec![problem.to_string()]));
    }
    beside.iter().for_each(to_stderr);
    strangers.extend(beside);
    if args.json {
        to_stdout(serde_json::to_string_pretty(&comparisons).map_err(Failure::failed)?);
    } else {
        print(&comparisons, strangers.len(), &args.folder);
    }
    let same = strangers.is_empty() && comparisons.iter().all(Comparison::is_same);
    Ok(if same { Exit::Done } else { Exit::Failed })
}

fn print(comparisons: &[Comparison], strangers: usize, folder: &Path) {
    let (green, red) = (style::GOOD.on(&std::io::stdout()), style::ERROR.on(&std::io::stdout()));
    for comparison in comparisons {
        let found = comparison.found.as_deref().unwrap_or_default();
        if comparison.is_same() {
            to_stdout(format_args!("  {green}✓{green:#} {} {found}", comparison.path));
            continue;
        }
        to_stdout(format_args!("  {red}✗{red:#} {} {found}", comparison.path));
        for difference in &comparison.differences {
            to_stdout(format_args!("      {difference}"));
        }
    }
    let (same, all) = (comparisons.iter().filter(|it| it.is_same()).count(), comparisons.len());
    let beside = match strangers {
        0 => String::new(),
        1 => "; one thing beside them is not, which is told above".to_owned(),
        count => format!("; {count} things beside them are not, which are told above"),
    };
    to_stdout(format_args!("{}: {same} of {all} runs are the same, to the byte{beside}", folder.display()));
}
