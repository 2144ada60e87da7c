//! `wasmote behaviours precompile --out DIR [BEHAVIOUR]...`

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use wasmote_engine::Engine;
use wasmote_engine::cache::precompile;
use wasmote_fleet::builtins;
use wasmote_fleet::source::Source;
use wasmote_fleet::term::to_stdout;

use crate::cli::Failure;
use crate::exit::Exit;

/// Arguments of `wasmote behaviours precompile`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Built-in behaviours, .wasm files, or folders with one [default: all built-in ones]
    behaviours: Vec<String>,
    /// Folder for the compiled code, which `wasmote run --precompiled` reads. It must belong to root or to the user that
    /// runs wasmote, and other users must not have write access
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Compiles the components.
pub fn run(args: &Args, engine: &Engine) -> Result<Exit, Failure> {
    let named = args.behaviours.iter().map(|name| Source::find(name, Path::new("")));
    let sources: Vec<Source> = match args.behaviours.is_empty() {
        true => builtins::all().map(|builtin| Source::Builtin(builtin.name.into())).collect(),
        false => named.collect::<Result<_, _>>().map_err(Failure::usage)?,
    };
    for source in sources {
        let bytes = source.read().map_err(Failure::failed)?;
        let failed = |problem: &dyn std::fmt::Display| {
            Failure::failed(anyhow!("`{}`: {problem}", source.display_name()))
        };
        // An invalid component is rejected here instead of at the load of its compiled code.
        engine.load(&source.name(), &bytes).map_err(|problem| failed(&problem))?;
        let path = precompile(&bytes, &args.out).map_err(|problem| failed(&problem))?;
        to_stdout(format_args!("{}  {}", source.display_name(), path.display()));
    }
    Ok(Exit::Done)
}
