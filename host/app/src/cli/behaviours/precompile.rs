//! `wasmote behaviours precompile --out DIR [BEHAVIOUR]...`

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use wasmote_engine::cache::{Cache, PrecompileError};
use wasmote_engine::compile_process::CompileProcess;
use wasmote_engine::{CompileMode, Engine};
use wasmote_fleet::builtins;
use wasmote_fleet::config::options::subset::{Components, Selection, Subset};
use wasmote_fleet::config::resolve::compile_limits_of_flags;
use wasmote_fleet::config::resolve::fetch::fetcher_of_flags;
use wasmote_fleet::source::Source;
use wasmote_fleet::term::{WARNING, to_stderr, to_stdout};

use crate::cli::Failure;
use crate::exit::Exit;

/// The options of `wasmote run` that limit the process that compiles.
#[derive(Clone, Debug)]
enum CompileOptions {}

impl Selection for CompileOptions {
    const IDS: &[&str] = &["compile_memory", "compile_time"];
}

/// Arguments of `wasmote behaviours precompile`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Built-in behaviours, .wasm files, folders with one, oci://REGISTRY/NAME:TAG or https URLs [default: all built-in ones]
    behaviours: Vec<String>,
    /// Folder for the compiled code, which `wasmote run --precompiled` reads; it is created if it is missing. It must belong
    /// to root or to the user that runs wasmote, and other users must not have write access. Code that is there and fits is
    /// kept
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    limits: Subset<CompileOptions>,
    #[command(flatten)]
    components: Subset<Components>,
}

/// Compiles the components.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let process = CompileProcess::with_limits(compile_limits_of_flags(&args.limits));
    let engine = Engine::with_compile_process(CompileMode::Full, Cache::default(), process);
    let engine = engine.map_err(Failure::failed)?;
    let named = args.behaviours.iter().map(|name| Source::find(name, Path::new("")));
    let sources: Vec<Source> = match args.behaviours.is_empty() {
        true => builtins::all().map(|builtin| Source::Builtin(builtin.name.into())).collect(),
        false => named.collect::<Result<_, _>>().map_err(Failure::usage)?,
    };
    let fetcher = fetcher_of_flags(&args.components).map_err(Failure::usage)?;
    for source in sources {
        let bytes = source.read(&fetcher).map_err(Failure::failed)?;
        let written = engine.precompile(&source.name(), &bytes, &args.out);
        let written = written.map_err(|problem| failure(&source, &problem))?;
        if let Some(warning) = written.warning {
            to_stderr(format_args!("{WARNING}warning:{WARNING:#} {warning}"));
        }
        let kept = if written.up_to_date { " (it was there)" } else { "" };
        to_stdout(format_args!("{}  {}{kept}", source.display_name(), written.path.display()));
    }
    Ok(Exit::Done)
}

/// The error names the component, or else the folder.
fn failure(source: &Source, problem: &PrecompileError) -> Failure {
    Failure::failed(match problem {
        PrecompileError::Folder { .. } => anyhow!("--out: {problem}"),
        problem => anyhow!("`{}`: {problem}", source.display_name()),
    })
}
