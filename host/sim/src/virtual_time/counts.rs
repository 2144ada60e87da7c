//! How much happened.

/// Counts since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Inputs that devices dealt with: deadlines, deliveries, changes of their connections.
    pub inputs: u64,
    /// Packets that reached the broker.
    pub up: u64,
    /// Packets that reached a device's client.
    pub down: u64,
    /// Times the broker was woken for a deadline of its own.
    pub broker_wakes: u64,
    /// Messages that met a connection which the broker had already closed.
    pub lost_up: u64,
    /// Messages that met a connection which the device had already closed, or full buffers.
    pub lost_down: u64,
}

impl Counts {
    /// Everything that happened, one by one.
    pub fn events(&self) -> u64 {
        self.inputs + self.up + self.down + self.broker_wakes
    }
}
