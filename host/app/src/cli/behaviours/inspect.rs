//! `wasmote behaviours inspect FILE|NAME`

use std::path::Path;

use wasmote_engine::Engine;
use wasmote_fleet::source::Source;
use wasmote_fleet::term::{STRONG, to_stdout};

use super::{inspect_source, print_json};
use crate::cli::Failure;
use crate::exit::Exit;

/// Arguments of `wasmote behaviours inspect`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A built-in behaviour or fault model, a .wasm file, or a folder with one
    behaviour: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows the component.
pub fn run(args: &Args, engine: &Engine) -> Result<Exit, Failure> {
    let source = Source::find(&args.behaviour, Path::new("")).map_err(Failure::usage)?;
    let info = inspect_source(&source, engine)?;
    if args.json {
        return print_json(&info);
    }
    to_stdout(format_args!("{STRONG}{}{STRONG:#}", info.name));
    to_stdout(format_args!("  role     {}", info.role));
    to_stdout(format_args!("  source   {}", info.source));
    to_stdout(format_args!("  size     {} bytes", info.size_bytes));
    to_stdout(format_args!("  sha-256  {}", info.sha256));
    for (title, names) in [("imports", &info.imports), ("exports", &info.exports)] {
        to_stdout(format_args!("  {title}"));
        for name in names {
            to_stdout(format_args!("    {name}"));
        }
    }
    Ok(Exit::Done)
}
