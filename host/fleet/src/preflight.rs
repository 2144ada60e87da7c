//! Preflight checks: limits of this machine, and load that it cannot sustain, are reported before the run starts.

mod descriptors;
mod load_estimate;
mod ports;
mod silence;
mod threads;

use wasmote_live::interface;

use crate::config::Settings;
pub use descriptors::TooManyDevices;
pub use threads::{TooFewThreads, check as check_threads};

/// Reason why a run cannot work on this machine.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// The fleet needs more file descriptors than this process may open.
    #[error(transparent)]
    Descriptors(#[from] TooManyDevices),
    /// No connection can leave through the network interface of the configuration.
    #[error("--interface: {0}")]
    Interface(String),
}

/// Raises the limit of file descriptors of this process to its hard limit, and returns it.
pub fn allowed_descriptors() -> u64 {
    descriptors::raise_limit()
}

/// Refuses a run that cannot work and returns warnings about other problems.
pub fn check(settings: &Settings) -> Result<Vec<String>, PreflightError> {
    descriptors::check(settings, descriptors::raise_limit())?;
    if let Some(name) = &settings.connection.interface {
        interface::check(name).map_err(PreflightError::Interface)?;
    }
    let mut warnings = load_estimate::warnings(settings);
    warnings.extend(silence::warnings(settings));
    warnings.extend(ports::warning(settings));
    Ok(warnings)
}
