//! `wasmote experiment schema`

use crate::cli::Failure;
use crate::cli::output::to_stdout;
use crate::exit::Exit;
use crate::experiment::schema::SCHEMA;

/// Do it.
pub fn run() -> Result<Exit, Failure> {
    to_stdout(SCHEMA.trim_end());
    Ok(Exit::Done)
}
