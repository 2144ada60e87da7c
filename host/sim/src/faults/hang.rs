//! Hang of a device's behaviour.

use super::recurring::recurring_fault;

recurring_fault! {
    /// Hang: the behaviour of the device and its MQTT loop are paused.
    HangSpec;
    /// Hang of a device: neither its behaviour nor its MQTT loop runs.
    Hang;
    example = {"kind": "hang", "every": "1m", "probability": 0.05, "for": "30s"}
}
