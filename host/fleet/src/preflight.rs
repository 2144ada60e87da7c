//! What this machine, or this fleet, would not bear: said before anything starts.

mod descriptors;
mod load_estimate;
mod ports;
mod silence;

use crate::config::Settings;
pub use descriptors::TooManyDevices;

/// Refuse what cannot work, and return what the user should know of the rest.
pub fn check(settings: &Settings) -> Result<Vec<String>, TooManyDevices> {
    descriptors::check(settings, descriptors::raise_limit())?;
    let mut warnings = load_estimate::warnings(settings);
    warnings.extend(silence::warnings(settings));
    warnings.extend(ports::warning(settings));
    Ok(warnings)
}
