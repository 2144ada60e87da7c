//! `wasmote experiment report DIR...`

use std::path::{Path, PathBuf};

use serde_json::json;
use wasmote_fleet::term::{json_to_stdout, to_stderr, to_stdout};
use wasmote_report::{self, ReportFiles};

use crate::cli::Failure;
use crate::exit::Exit;

/// Arguments of `wasmote experiment report`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Results folders; each gets a report.html, and plots as SVG files under plots/
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Writes the reports. Errors of single folders go to stderr; the subcommand then fails after all other
/// folders are done.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut problems = 0;
    let mut done = Vec::new();
    for folder in &args.folders {
        match wasmote_report::html(folder) {
            Ok(written) => {
                print(args, folder, &written);
                done.push(written);
            }
            Err(problem) => {
                problems += 1;
                let _ = Failure::failed(problem).report();
            }
        }
    }
    if args.json {
        let written = |it: &ReportFiles| json!({"page": it.page, "plots": it.plots, "complete": it.complete});
        let all: Vec<_> = done.iter().map(written).collect();
        json_to_stdout(serde_json::to_string_pretty(&all).map_err(Failure::failed)?);
    }
    Ok(if problems == 0 { Exit::Done } else { Exit::Failed })
}

fn print(args: &Args, folder: &Path, written: &ReportFiles) {
    if !args.json {
        to_stdout(written.page.display());
    }
    if !written.complete {
        to_stderr(format_args!("{}: the experiment is incomplete, and its report says so", folder.display()));
    }
}
