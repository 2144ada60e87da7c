//! `wasmote behaviours inspect FILE|NAME`

use std::path::Path;

use anyhow::anyhow;
use wasmote_engine::Engine;
use wasmote_fleet::component_info::{CompileMemory, ComponentInfo};
use wasmote_fleet::config::options::subset::{Components, Subset};
use wasmote_fleet::config::resolve::fetch::fetcher_of_flags;
use wasmote_fleet::config::resolve::limits_of_flags;
use wasmote_fleet::key_value::Assignments;
use wasmote_fleet::source::Source;
use wasmote_fleet::term::{STRONG, to_stdout};

use super::{inspect_source, print_json};
use crate::cli::Failure;
use crate::exit::Exit;

/// Arguments of `wasmote behaviours inspect`.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A built-in behaviour or fault model, a .wasm file, a folder with one, oci://REGISTRY/NAME:TAG or an https URL
    behaviour: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Check against another limit of a device than the default, such as memory_bytes=33554432
    #[arg(long, value_name = "KEY=VALUE")]
    limit: Vec<Assignments>,
    #[command(flatten)]
    components: Subset<Components>,
}

/// Shows the component.
pub fn run(args: &Args, engine: &Engine) -> Result<Exit, Failure> {
    let source = Source::find(&args.behaviour, Path::new("")).map_err(Failure::usage)?;
    let fetcher = fetcher_of_flags(&args.components).map_err(Failure::usage)?;
    let inspection = inspect_source(&source, engine, &fetcher)?;
    let checked = inspection.check_limits(&*limits_of_flags(&args.limit).map_err(Failure::usage)?);
    let info = ComponentInfo::new(source.described(&fetcher), inspection);
    if args.json {
        print_json(&info)?;
    } else {
        print(&info);
    }
    match checked {
        Ok(()) => Ok(Exit::Done),
        Err(problem) => Err(Failure::failed(anyhow!("`wasmote run` refuses it: {problem}"))),
    }
}

fn print(info: &ComponentInfo) {
    to_stdout(format_args!("{STRONG}{}{STRONG:#}", info.name));
    to_stdout(format_args!("  role     {}", info.role));
    to_stdout(format_args!("  source   {}", info.source));
    to_stdout(format_args!("  size     {} bytes", info.size_bytes));
    to_stdout(format_args!("  sha-256  {}", info.sha256));
    to_stdout(format_args!("  memory   {} bytes at the start", info.memory_bytes));
    to_stdout(format_args!("  table    {} entries at the start", info.table_entries));
    let CompileMemory { quick_bytes, full_bytes } = info.compile_memory;
    let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
    to_stdout(format_args!(
        "  compile  about {} MiB of memory, {} MiB with --compile quick",
        mebibytes(full_bytes),
        mebibytes(quick_bytes)
    ));
    to_stdout(format_args!("  capabilities  {}", info.capabilities.join(", ")));
    for (title, names) in [("imports", &info.imports), ("exports", &info.exports)] {
        to_stdout(format_args!("  {title}"));
        for name in names {
            to_stdout(format_args!("    {name}"));
        }
    }
}
