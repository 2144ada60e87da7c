//! `wasmote experiment schema`

use crate::cli::Failure;
use crate::exit::Exit;
use crate::experiment::schema::SCHEMA;
use crate::term::to_stdout;

/// Do it.
pub fn run() -> Result<Exit, Failure> {
    to_stdout(SCHEMA.trim_end());
    Ok(Exit::Done)
}
