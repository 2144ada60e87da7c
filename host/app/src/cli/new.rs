//! `wasmote new NAME`: a project of one's own behaviour or fault model.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args as ClapArgs;
use wasmote_fleet::term::{STRONG, WARNING, to_stderr, to_stdout};
use wasmote_project::create::{self, CreateError};
use wasmote_project::language::Language;
use wasmote_project::manifest::Kind;

use super::Failure;
use crate::exit::Exit;

/// Shown before the flags.
pub const EXAMPLES: &str = "\
Examples:
  wasmote new thermostat                        a behaviour in Rust
  wasmote new thermostat --language python      the same in Python
  wasmote new rain --fault-model                a fault model";

/// Shown after the flags.
pub const NOTES: &str = "\
The project builds, tests and runs as it is, without this program's repository: it holds the WIT package, an example with its \
unit test, scenarios for `wasmote test`, a fleet for `wasmote dev`, and a plan. The tools that it needs are looked for before \
anything is written.";

/// Arguments of `wasmote new`.
#[derive(ClapArgs, Debug)]
pub struct Args {
    /// Name of the project: lower-case letters, digits and `-`
    name: String,
    /// Language of the code
    #[arg(short, long, value_name = "LANGUAGE", default_value = "rust")]
    language: String,
    /// Write a fault model, which decides about messages, in place of a behaviour
    #[arg(long)]
    fault_model: bool,
    /// Folder to write, which is empty or does not exist [default: NAME]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Write the project even if tools that it needs are missing
    #[arg(long)]
    without_tools: bool,
}

/// Writes the project.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let language = Language::find(&args.language);
    let language = language.map_err(|problem| Failure::usage(anyhow!("--language: {problem}")))?;
    let kind = if args.fault_model { Kind::FaultModel } else { Kind::Behaviour };
    let supported = language.supports(kind);
    supported.map_err(|problem| Failure::usage(anyhow!("--fault-model: {problem}")))?;
    create::check(&args.name, &language).map_err(Failure::usage)?;
    let missing = create::missing(&language, None);
    match (missing.is_empty(), args.without_tools) {
        (true, _) => {}
        (false, true) => to_stderr(format_args!(
            "{WARNING}warning:{WARNING:#} tools are missing: {}",
            create::list_missing(&missing)
        )),
        (false, false) => {
            return Err(Failure::failed(CreateError::Missing { language: language.title, missing }));
        }
    }
    let folder = args.folder.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    let files = create::files(&language, kind, &args.name);
    create::write(&folder, &files).map_err(|problem| match problem {
        CreateError::NotEmpty(_) => Failure::usage(problem),
        problem => Failure::failed(problem),
    })?;
    print_next_steps(&folder, kind, &language);
    Ok(Exit::Done)
}

fn print_next_steps(folder: &Path, kind: Kind, language: &Language) {
    let what = match kind {
        Kind::Behaviour => "a behaviour",
        Kind::FaultModel => "a fault model",
    };
    to_stdout(format_args!("{STRONG}{}{STRONG:#}  {what} in {}", folder.display(), language.title));
    to_stdout(format_args!("  cd {}", folder.display()));
    let own = language.commands.iter().map(|command| (command.run.as_str(), command.about.as_str()));
    let ours = [
        ("wasmote test", "build it, and run the scenarios in tests/"),
        ("wasmote dev", "run a small fleet, and swap in each change"),
    ];
    for (run, about) in own.chain(ours) {
        to_stdout(format_args!("  {run:22}  {about}"));
    }
}
