//! Counts of simulation steps.

/// Counts since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Inputs handled by devices: deadlines, deliveries, connection changes.
    pub inputs: u64,
    /// Packets that reached the broker.
    pub up: u64,
    /// Packets that reached a device's client.
    pub down: u64,
    /// Wakeups of the broker.
    pub broker_wakes: u64,
    /// Messages that reached a connection that the broker had closed.
    pub lost_up: u64,
    /// Messages that reached a connection that the device had closed, or full buffers.
    pub lost_down: u64,
}

impl Counts {
    /// Total number of events.
    pub fn events(&self) -> u64 {
        self.inputs + self.up + self.down + self.broker_wakes
    }
}
