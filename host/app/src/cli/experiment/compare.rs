//! `wasmote experiment compare DIR DIR...`

use std::path::PathBuf;

use wasmote_fleet::term::{json_to_stdout, to_stderr, to_stdout};
use wasmote_report::{self, Error};

use crate::cli::Failure;
use crate::exit::Exit;

/// Arguments of `wasmote experiment compare`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Two or more results folders; the first is the baseline
    #[arg(required = true, num_args = 2.., value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write comparison.html, and plots as SVG files under plots/, into this folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// Compares the folders.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let comparison = wasmote_report::compare(&args.folders).map_err(|problem| match problem {
        Error::TooFew => Failure::usage(problem),
        other => Failure::failed(other),
    })?;
    if args.json {
        json_to_stdout(serde_json::to_string_pretty(&comparison.json()).map_err(Failure::failed)?);
    } else {
        to_stdout(comparison.text());
    }
    if let Some(folder) = &args.out {
        let file = comparison.write(folder).map_err(Failure::failed)?;
        to_stderr(format_args!("wrote {}", file.display()));
    }
    Ok(Exit::Done)
}
