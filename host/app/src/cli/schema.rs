//! `wasmote schema`: JSON Schemas of the files that users write.

use clap::Args as ClapArgs;
use wasmote_fleet::term::json_to_stdout;

use super::Failure;
use crate::exit::Exit;
use crate::schema::File;

/// Shown before the flags.
pub const EXAMPLES: &str = "\
Examples:
  wasmote schema plan > plan.schema.json
  wasmote schema faults > faults.schema.json";

/// Shown after the flags.
pub const NOTES: &str = "\
Editors check and complete files with a schema. In a TOML file, the first line `#:schema ./plan.schema.json` names it.";

/// The file to describe.
#[derive(ClapArgs, Clone, Copy, Debug)]
pub struct Args {
    /// Kind of file
    file: File,
}

/// Prints the schema that the arguments name.
pub fn run(args: Args) -> Result<Exit, Failure> {
    run_for(args.file)
}

/// Prints the schema of a file.
pub fn run_for(file: File) -> Result<Exit, Failure> {
    json_to_stdout(format!("{:#}", file.schema()));
    Ok(Exit::Done)
}
