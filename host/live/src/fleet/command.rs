//! Power commands for devices, and errors of calls to a fleet.

use std::time::Duration;

/// Power command for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCommand {
    /// Switches the device on, also after a stop.
    Start,
    /// Disconnects cleanly and stays off.
    Stop,
    /// Loses power, and starts again after five seconds.
    Crash,
}

/// Error of a call to a fleet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// No device has this identifier.
    #[error("no device is called `{0}`")]
    UnknownDevice(String),
    /// The device's behaviour does not run, so it cannot publish.
    #[error("device `{0}` is not running")]
    NotRunning(String),
    /// The device did not answer in time.
    #[error("device `{0}` did not answer within {1:?}")]
    TimedOut(String, Duration),
    /// A new device has the identifier of an existing one.
    #[error("a device called `{0}` exists already")]
    NameTaken(String),
    /// The fleet is shutting down.
    #[error("the fleet is shutting down")]
    Closed,
}
