//! Reasons why an update fails.

use wasmote_engine::LoadError;
use wasmote_live::fleet::{FleetError, RolloutError};
use wasmote_mqtt::device_id::DeviceId;

use wasmote_registry::error::{FetchError, SignatureError};

use crate::blueprints::BlueprintError;
use crate::component_file::ComponentFileError;
use crate::source::SourceError;

/// Error of an update. The old version keeps running.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// No device runs the behaviour.
    #[error("no device of this fleet runs a behaviour `{name}`{hint}")]
    Unknown {
        /// The name in the request.
        name: String,
        /// The nearest name, as a question.
        hint: String,
    },
    /// Another update is in progress.
    #[error("another update is in progress; try `{0}` again when it has ended")]
    Busy(String),
    /// There is no earlier version to return to.
    #[error("this host has no earlier version of `{0}`; send the component that it is to run")]
    NoEarlierVersion(String),
    /// A plan decides about the groups of this run.
    #[error("the plan of this run decides about its groups: add the change to the plan's timeline")]
    Planned,
    /// The links of the devices do not follow from the configuration.
    #[error("`{field}`: {problem}")]
    Links {
        /// The field of the configuration.
        field: String,
        /// The problem and its remedy.
        problem: String,
    },
    /// The new devices have no valid names.
    #[error("the group has no valid names for more devices: {0}")]
    Names(#[from] BlueprintError),
    /// A group cannot have so many devices.
    #[error("a group cannot have {count} more devices; its number has 32 bits")]
    TooManyDevices {
        /// The number of devices to add.
        count: u32,
    },
    /// Every device kept its version.
    #[error("all {devices} devices keep the old version, or hang; the log has the reason of each")]
    NotTaken {
        /// Number of devices that were to change.
        devices: usize,
    },
    /// The component is too large, or invalid gzip.
    #[error(transparent)]
    ComponentFile(#[from] ComponentFileError),
    /// No component could be chosen in the watched folder.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The component is not a behaviour for this host.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A registry or a server does not give the component.
    #[error("cannot use `{reference}`: {problem}")]
    Fetch {
        /// The reference.
        reference: String,
        /// The reason.
        problem: FetchError,
    },
    /// The signature is missing or wrong.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The new version failed on a canary.
    #[error("the canary `{device}` failed: {problem}")]
    Canary {
        /// The canary.
        device: DeviceId,
        /// The reason.
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
