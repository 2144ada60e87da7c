//! `wasmote behaviours`: the built-in behaviours and fault models, and those in files.

pub mod inspect;
pub mod list;
pub mod precompile;
pub mod push;

use anyhow::anyhow;
use clap::Subcommand;
use serde::Serialize;
use wasmote_engine::{Engine, Inspection};
use wasmote_fleet::source::Source;
use wasmote_fleet::term::json_to_stdout;
use wasmote_registry::fetcher::Fetcher;

use super::Failure;
use crate::exit::Exit;

/// The subcommands of `wasmote behaviours`.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show the built-in behaviours and fault models, or those of a folder
    List(list::Args),
    /// Show imports, exports, size and hash of a behaviour or a fault model
    Inspect(Box<inspect::Args>),
    /// Compile behaviours ahead of time for this processor architecture
    Precompile(Box<precompile::Args>),
    /// Publish a behaviour or a fault model in a registry
    #[command(before_help = push::EXAMPLES, after_help = push::NOTES)]
    Push(Box<push::Args>),
}

/// Runs a subcommand of `wasmote behaviours`.
pub fn run(verb: Verb) -> Result<Exit, Failure> {
    let engine = || Engine::new().map_err(Failure::failed);
    match verb {
        Verb::List(args) => list::run(&args, &engine()?),
        Verb::Inspect(args) => inspect::run(&args, &engine()?),
        Verb::Precompile(args) => precompile::run(&args),
        Verb::Push(args) => push::run(&args, &engine()?),
    }
}

/// Reads and inspects a component.
pub(super) fn inspect_source(
    source: &Source,
    engine: &Engine,
    fetcher: &Fetcher,
) -> Result<Inspection, Failure> {
    let bytes = source.read(fetcher).map_err(Failure::failed)?;
    engine
        .inspect(&source.name(), &bytes)
        .map_err(|problem| Failure::failed(anyhow!("`{}`: {problem}", source.display_name())))
}

fn print_json(value: &impl Serialize) -> Result<Exit, Failure> {
    json_to_stdout(serde_json::to_string_pretty(value).map_err(Failure::failed)?);
    Ok(Exit::Done)
}
