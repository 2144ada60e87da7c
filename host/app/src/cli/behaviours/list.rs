//! `wasmote behaviours list [FOLDER]`

use std::path::PathBuf;

use wasmote_engine::Engine;

use super::{Card, print_json};
use crate::builtins;
use crate::cli::output::to_stdout;
use crate::cli::{Failure, style};
use crate::exit::Exit;
use crate::source::{Source, components_in};

/// What to list.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A folder with .wasm files [default: the built-in behaviours and fault models]
    folder: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Do it. Files that are neither behaviours nor fault models are named on stderr, and make it fail after the others are shown.
pub fn run(args: &Args, engine: &Engine) -> Result<Exit, Failure> {
    let sources: Vec<Source> = match &args.folder {
        None => {
            let all = builtins::all().chain(builtins::fault_models());
            all.map(|builtin| Source::Builtin(builtin.name.into())).collect()
        }
        Some(folder) => {
            components_in(folder).map_err(Failure::failed)?.into_iter().map(Source::File).collect()
        }
    };
    let mut cards = Vec::new();
    let mut problems = 0;
    for source in &sources {
        match Card::of(source, engine) {
            Ok(card) => cards.push(card),
            Err(problem) => {
                problems += 1;
                let _ = problem.report();
            }
        }
    }
    if args.json {
        print_json(&cards)?;
    } else {
        table(&cards);
    }
    Ok(if problems == 0 { Exit::Done } else { Exit::Failed })
}

fn table(cards: &[Card]) {
    let strong = style::STRONG.on(&std::io::stdout());
    let width = cards.iter().map(|card| card.name.len()).max().unwrap_or(0).max("NAME".len());
    to_stdout(format_args!(
        "{strong}{:width$}  {:11}  {:>9}  {:12}  SOURCE{strong:#}",
        "NAME", "ROLE", "BYTES", "SHA-256"
    ));
    for card in cards {
        let hash = card.sha256.get(..12).unwrap_or(&card.sha256);
        let Card { name, role, size_bytes, source, .. } = card;
        to_stdout(format_args!("{name:width$}  {role:11}  {size_bytes:>9}  {hash:12}  {source}"));
    }
}
