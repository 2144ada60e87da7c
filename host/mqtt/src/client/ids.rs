//! The names of connections.

/// Position of a device in its run, in the order in which the devices were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceIndex(pub u32);

/// One connection of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// Whose it is.
    pub device: DeviceIndex,
    /// Which of its connections, from 1.
    pub attempt: u32,
}
