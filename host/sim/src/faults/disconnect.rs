//! Disconnection of a device for some time, without DISCONNECT.

use super::recurring::recurring_fault;

recurring_fault! {
    /// Disconnect: the connection breaks without DISCONNECT, and the device cannot reconnect for some time. The
    /// behaviour keeps running.
    DisconnectSpec;
    /// Disconnection of a device for some time.
    Disconnect;
    example = {"kind": "disconnect", "every": "1m", "probability": 0.05, "for": "30s"}
}
