//! Why an update came to nothing.

use wasmote_engine::LoadError;
use wasmote_live::fleet::{FleetError, RolloutError};
use wasmote_mqtt::device_id::DeviceId;

use crate::component_file::ComponentFileError;

/// An update that came to nothing: the old version runs on.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// Nobody runs it.
    #[error("no device of this fleet runs a behaviour `{name}`{hint}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What may have been meant.
        hint: String,
    },
    /// One at a time.
    #[error("another update is under way; try `{0}` again when it is over")]
    Busy(String),
    /// Too large, or packed and damaged.
    #[error(transparent)]
    ComponentFile(#[from] ComponentFileError),
    /// It is no behaviour for this host.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It did not do well where it was tried.
    #[error("the canary `{device}` failed: {problem}")]
    Canary {
        /// The device that tried it.
        device: DeviceId,
        /// What happened.
        problem: String,
    },
    /// The fleet is shutting down.
    #[error(transparent)]
    Ask(#[from] FleetError),
}

impl From<RolloutError> for UpdateError {
    fn from(error: RolloutError) -> Self {
        match error {
            RolloutError::Canary { device, problem } => Self::Canary { device, problem },
            RolloutError::Fleet(error) => Self::Ask(error),
        }
    }
}
