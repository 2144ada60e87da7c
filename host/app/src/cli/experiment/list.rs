//! `wasmote experiment list`

use std::path::Path;

use serde::Serialize;
use wasmote_experiment::source::{PlanSource, SHIPPED, local_plans};
use wasmote_fleet::document::Format;
use wasmote_fleet::printable::Printable;
use wasmote_fleet::term::{STRONG, json_to_stdout, to_stderr, to_stdout};
use wasmote_registry::fetcher::Fetcher;

use crate::cli::Failure;
use crate::exit::Exit;

/// Arguments of `wasmote experiment list`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A plan in the list.
#[derive(Debug, Serialize)]
struct PlanInfo {
    name: String,
    source: String,
    description: String,
    devices: u64,
    duration_s: f64,
    runs: usize,
}

/// Lists the plans. Errors of invalid plans go to stderr.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut plans = Vec::new();
    for (name, path) in local_plans() {
        match PlanSource::read(&path, &Fetcher::default())
            .and_then(|source| plan_info(name, path.display().to_string(), &source))
        {
            Ok(plan) => plans.push(plan),
            Err(problem) => to_stderr(format_args!("{problem}")),
        }
    }
    for (name, text) in SHIPPED {
        if !plans.iter().any(|plan| plan.name == name) {
            let source = PlanSource::parse(text, Format::Toml, name, Path::new(""), &Fetcher::default());
            plans.push(
                source
                    .and_then(|it| plan_info(name.into(), "built-in".into(), &it))
                    .map_err(super::failure)?,
            );
        }
    }
    if args.json {
        json_to_stdout(serde_json::to_string_pretty(&plans).map_err(Failure::failed)?);
    } else {
        table(&plans);
    }
    Ok(Exit::Done)
}

fn plan_info(
    name: String,
    source: String,
    plan: &PlanSource,
) -> Result<PlanInfo, wasmote_experiment::ExperimentError> {
    let document = plan.plan_file()?;
    let count =
        |group: &wasmote_fleet::config::file::GroupEntry| group.count.map_or(1, |count| u64::from(count.0));
    let points: usize = document.sweep.values().map(|entry| entry.len()).product();
    Ok(PlanInfo {
        name,
        source,
        description: document.description.clone(),
        devices: document.group.iter().map(count).sum(),
        duration_s: document.duration.0.as_secs_f64(),
        runs: points * document.seeds.0.len(),
    })
}

fn table(plans: &[PlanInfo]) {
    let width = plans.iter().map(|plan| plan.name.len()).max().unwrap_or(0).max("NAME".len());
    to_stdout(format_args!("{STRONG}{:width$}  {:>4}  DESCRIPTION{STRONG:#}", "NAME", "RUNS"));
    for plan in plans {
        to_stdout(format_args!("{:width$}  {:>4}  {}", plan.name, plan.runs, Printable(&plan.description)));
    }
}
