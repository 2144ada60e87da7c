//! `wasmote experiment run PLAN`

mod junit;
mod kubernetes;
mod told;

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args as ClapArgs;
use serde_json::json;
use wasmote_engine::Engine;

use super::failure;
use super::progress;
use crate::cli::output::to_stdout;
use crate::cli::{Failure, style};
use crate::exit::Exit;
use crate::experiment::execute::execute;
use crate::experiment::plan::{Changes, Experiment};
use crate::experiment::progress::Totals;
use crate::experiment::results::{Results, cores, write_atomically};
use crate::experiment::source::PlanSource;
use crate::experiment::summary::Summary;
use crate::report::{self, Written};
use crate::run::signals::Signals;

/// What to run, and how.
#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// A plan: a file, or a name
    plan: String,
    /// Number of runs with different seeds, from the plan's first seed on [default: as the plan says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    seeds: Option<u64>,
    /// Set a field of the plan, such as faults.loss.probability=0.2 or group.heartbeat.count=50
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// Folder for results
    #[arg(short, long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    /// Runs at one time [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    workers: Option<u32>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// File for the verdicts as JUnit, for CI
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    cluster: kubernetes::ClusterArgs,
}

impl Args {
    /// The command that does the same again. Where results go and how many threads work on them does not matter.
    fn command(&self) -> String {
        let mut words = vec!["wasmote experiment run".to_owned(), quoted(&self.plan)];
        words.extend(self.seeds.map(|seeds| format!("--seeds {seeds}")));
        words.extend(self.set.iter().map(|set| format!("--set {}", quoted(set))));
        words.join(" ")
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Do it.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    if let Some(flag) = args.cluster.stray() {
        let problem = anyhow!("{flag} is for runs on a cluster; add `--on kubernetes`, or leave it out");
        return Err(Failure::usage(problem));
    }
    if args.cluster.on.is_some() {
        return kubernetes::run(args);
    }
    let changes = Changes::parse(&args.set, args.seeds).map_err(failure)?;
    let source = PlanSource::find(&args.plan).map_err(failure)?;
    let engine = Engine::new().map_err(Failure::failed)?;
    let experiment = Experiment::rehearsed(source, &changes, &engine).map_err(failure)?;
    let mut results = Results::create(&args.out, &experiment, args.command()).map_err(failure)?;
    let workers = args.workers.map_or_else(cores, |workers| workers as usize);
    let totals = Totals { signals: Some(Signals::listen().map_err(Failure::failed)?), ..Totals::default() };
    let summaries =
        progress::shown(&experiment, &totals, |totals| execute(&experiment, &mut results, workers, totals));
    let summaries = summaries.map_err(Failure::failed)?;
    let report = report::html(&results.folder).map_err(Failure::failed)?;
    if let Some(file) = &args.junit {
        let text = junit::document(&experiment, &results, &summaries);
        write_atomically(file, text.as_bytes()).map_err(Failure::failed)?;
    }
    if args.json {
        to_stdout(json(&results, &summaries, &report));
    } else {
        told::print(&experiment, &results, &summaries, &report);
    }
    Ok(verdict(&results, &summaries))
}

fn json(results: &Results, summaries: &[Summary], report: &Written) -> String {
    let runs = results.manifest.runs.iter().zip(summaries);
    let run = |(card, summary): (&crate::experiment::results::RunCard, &Summary)| {
        let mut run = json!(summary);
        run["path"] = card.path.as_str().into();
        run["real_seconds"] = json!(card.real_seconds);
        run
    };
    let plan = results.manifest.plan.name.as_str();
    let folder = results.folder.display().to_string();
    let whole = json!({
        "plan": plan,
        "folder": folder,
        "complete": results.manifest.complete,
        "report": report.page.display().to_string(),
        "runs": runs.map(run).collect::<Vec<_>>(),
    });
    format!("{whole:#}")
}

fn verdict(results: &Results, summaries: &[Summary]) -> Exit {
    if summaries.iter().any(|summary| !summary.ledger_closes) {
        let red = style::ERROR.on(&std::io::stderr());
        crate::cli::output::to_stderr(format_args!("{red}error:{red:#} the ledger of a run does not close"));
        return Exit::Failed;
    }
    match summaries.iter().all(Summary::holds) {
        _ if !results.manifest.complete => Exit::Interrupted,
        true => Exit::Done,
        false => Exit::ThresholdMissed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell_where_they_have_to_be() {
        assert_eq!(quoted("faults.loss.probability=0.2"), "faults.loss.probability=0.2");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
