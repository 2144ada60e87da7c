//! Silence of a device: its MQTT loop is paused while its socket stays open.

use super::recurring::recurring_fault;

recurring_fault! {
    /// Silence: the MQTT loop of the device is paused, and the broker detects this only by its keepalive timeout.
    SilenceSpec;
    /// A device that neither reads nor writes for a while.
    Silence;
    example = {"kind": "silence", "every": "1m", "probability": 0.05, "for": "30s"}
}
