//! Preflight checks: limits of this machine, and load that it cannot sustain, are reported before the run starts.

mod descriptors;
mod load_estimate;
mod ports;
mod silence;
mod threads;

use crate::config::Settings;
pub use descriptors::TooManyDevices;
pub use threads::{TooFewThreads, check as check_threads};

/// Refuses a run that cannot work and returns warnings about other problems.
pub fn check(settings: &Settings) -> Result<Vec<String>, TooManyDevices> {
    descriptors::check(settings, descriptors::raise_limit())?;
    let mut warnings = load_estimate::warnings(settings);
    warnings.extend(silence::warnings(settings));
    warnings.extend(ports::warning(settings));
    Ok(warnings)
}
