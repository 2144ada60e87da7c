//! Identifiers of devices and connections within a run.

/// Position of a device in its run, in the order in which devices were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceIndex(pub u32);

/// Identifier of one connection of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// Device of the connection.
    pub device: DeviceIndex,
    /// Number of the connection, from 1.
    pub attempt: u32,
}
