//! `wasmote run`: a fleet in real time.

use super::Failure;
use crate::config::options::Options;
use crate::config::resolve::resolve;
use crate::exit::Exit;
use crate::signals::Signals;
use crate::{logging, run};

/// Runs a fleet until its duration is over or a signal arrives.
pub fn run(options: &Options) -> Result<Exit, Failure> {
    // Before all else, so that a signal at any moment ends the program in order.
    let signals = Signals::listen().map_err(Failure::failed)?;
    let settings = resolve(options).map_err(Failure::usage)?;
    logging::start(settings.log);
    run::run(&settings, signals).map_err(Failure::failed)
}
