//! `wasmote experiment schema`

use wasmote_experiment::schema::SCHEMA;
use wasmote_fleet::term::to_stdout;

use crate::cli::Failure;
use crate::exit::Exit;

/// Prints the JSON Schema of plans.
pub fn run() -> Result<Exit, Failure> {
    to_stdout(SCHEMA.trim_end());
    Ok(Exit::Done)
}
