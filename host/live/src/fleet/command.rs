//! What can be asked of a device, and why it may not do it.

use std::time::Duration;

/// What can be asked of a device from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCommand {
    /// Switch on, or start again after a stop.
    Start,
    /// End in order and stay off.
    Stop,
    /// Lose power, and start again after five seconds.
    Crash,
}

/// Why a device could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// No device has this name.
    #[error("no device is called `{0}`")]
    UnknownDevice(String),
    /// Its behaviour does not run, so it cannot publish.
    #[error("device `{0}` is not running")]
    NotRunning(String),
    /// The device did not answer in time.
    #[error("device `{0}` did not answer within {1:?}")]
    TimedOut(String, Duration),
    /// A device that was to be added has the name of another.
    #[error("there is a device called `{0}` already")]
    NameTaken(String),
    /// The fleet is shutting down.
    #[error("the fleet is shutting down")]
    Closed,
}
