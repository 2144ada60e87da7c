//! `wasmote behaviours`: what is built in, and what is in a file; fault models among them.

pub mod inspect;
pub mod list;
pub mod precompile;

use anyhow::anyhow;
use clap::Subcommand;
use serde::Serialize;
use wasmote_engine::{Engine, Inspection};

use super::Failure;
use super::output::to_stdout;
use crate::exit::Exit;
use crate::source::Source;

/// What to do with behaviours.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show the built-in behaviours and fault models, or those of a folder
    List(list::Args),
    /// Show what a behaviour or a fault model imports and exports, its size and its hash
    Inspect(inspect::Args),
    /// Compile behaviours ahead, for every processor of this machine's kind
    Precompile(precompile::Args),
}

/// Do it.
pub fn run(verb: Verb) -> Result<Exit, Failure> {
    let engine = Engine::new().map_err(Failure::failed)?;
    match verb {
        Verb::List(args) => list::run(&args, &engine),
        Verb::Inspect(args) => inspect::run(&args, &engine),
        Verb::Precompile(args) => precompile::run(&args, &engine),
    }
}

/// A behaviour or a fault model as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ComponentInfo {
    /// What to call it.
    pub name: String,
    /// `behaviour` or `fault model`.
    pub role: String,
    /// `built-in`, or the file.
    pub source: String,
    /// Bytes of the component.
    pub size_bytes: usize,
    /// Of the component.
    pub sha256: String,
    /// What it needs from its host.
    pub imports: Vec<String>,
    /// What it gives to its host.
    pub exports: Vec<String>,
}

impl ComponentInfo {
    /// What was found in a component.
    pub fn new(source: impl ToString, inspection: Inspection) -> Self {
        let Inspection { name, role, size_bytes, sha256, imports, exports } = inspection;
        let (role, source) = (role.to_string(), source.to_string());
        Self { name, role, source, size_bytes, sha256, imports, exports }
    }

    fn of(source: &Source, engine: &Engine) -> Result<Self, Failure> {
        let bytes = source.read().map_err(Failure::failed)?;
        let inspection = engine
            .inspect(&source.name(), &bytes)
            .map_err(|problem| Failure::failed(anyhow!("`{}`: {problem}", source.display_name())))?;
        Ok(Self::new(source, inspection))
    }
}

fn print_json(value: &impl Serialize) -> Result<Exit, Failure> {
    to_stdout(serde_json::to_string_pretty(value).map_err(Failure::failed)?);
    Ok(Exit::Done)
}
