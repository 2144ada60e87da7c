//! `wasmote run`: a fleet until it is told to stop.

use super::Failure;
use crate::config::args::RunArgs;
use crate::config::resolve::resolve;
use crate::exit::Exit;
use crate::run::signals::Signals;
use crate::{logging, run};

/// Do it.
pub fn run(args: RunArgs) -> Result<Exit, Failure> {
    // First of all, so that a signal ends in order whatever it meets.
    let signals = Signals::listen().map_err(Failure::failed)?;
    let settings = resolve(args).map_err(Failure::usage)?;
    logging::start(settings.log);
    run::run(&settings, signals).map_err(Failure::failed)
}
