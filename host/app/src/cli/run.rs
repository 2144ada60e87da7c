//! `wasmote run`: a fleet in real time.

use wasmote_fleet::config::options::Options;
use wasmote_fleet::config::resolve::resolve;
use wasmote_fleet::logging;
use wasmote_fleet::signals::Signals;

use super::Failure;
use crate::exit::Exit;
use crate::run;

/// Runs a fleet until its duration is over or a signal arrives.
pub fn run(options: &Options) -> Result<Exit, Failure> {
    // First, so that a signal at any time ends the program cleanly.
    let signals = Signals::listen().map_err(Failure::failed)?;
    let settings = resolve(options).map_err(Failure::usage)?;
    logging::start(settings.log);
    run::run(&settings, signals).map_err(Failure::failed)
}
