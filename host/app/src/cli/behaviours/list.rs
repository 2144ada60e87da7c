//! `wasmote behaviours list [FOLDER]`

use std::path::PathBuf;

use wasmote_engine::Engine;
use wasmote_fleet::builtins;
use wasmote_fleet::component_info::ComponentInfo;
use wasmote_fleet::source::{Source, list_components};
use wasmote_fleet::term::{STRONG, to_stdout};
use wasmote_registry::fetcher::Fetcher;

use super::{inspect_source, print_json};
use crate::cli::Failure;
use crate::exit::Exit;

/// Arguments of `wasmote behaviours list`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A folder with .wasm files [default: the built-in behaviours and fault models]
    folder: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists components. Errors of single files go to stderr; the subcommand then fails after it has listed the
/// others.
pub fn run(args: &Args, engine: &Engine) -> Result<Exit, Failure> {
    let sources: Vec<Source> = match &args.folder {
        None => {
            let all = builtins::all().chain(builtins::fault_models());
            all.map(|builtin| Source::Builtin(builtin.name.into())).collect()
        }
        Some(folder) => {
            list_components(folder).map_err(Failure::failed)?.into_iter().map(Source::File).collect()
        }
    };
    let mut components = Vec::new();
    let mut problems = 0;
    for source in &sources {
        match inspect_source(source, engine, &Fetcher::default()) {
            Ok(inspection) => components.push(ComponentInfo::new(source, inspection)),
            Err(problem) => {
                problems += 1;
                let _ = problem.report();
            }
        }
    }
    if args.json {
        print_json(&components)?;
    } else {
        table(&components);
    }
    Ok(if problems == 0 { Exit::Done } else { Exit::Failed })
}

fn table(components: &[ComponentInfo]) {
    let width = components.iter().map(|info| info.name.len()).max().unwrap_or(0).max("NAME".len());
    to_stdout(format_args!(
        "{STRONG}{:width$}  {:11}  {:>9}  {:12}  SOURCE{STRONG:#}",
        "NAME", "ROLE", "BYTES", "SHA-256"
    ));
    for info in components {
        let hash = info.sha256.get(..12).unwrap_or(&info.sha256);
        let ComponentInfo { name, role, size_bytes, source, .. } = info;
        to_stdout(format_args!("{name:width$}  {role:11}  {size_bytes:>9}  {hash:12}  {source}"));
    }
}
