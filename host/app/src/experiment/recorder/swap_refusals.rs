//! Swaps that devices refuse: they go on as they were, which no figure shows.

use std::fmt;

use serde::{Deserialize, Serialize};
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::time::Time;
use wasmote_sim::notice::DeviceNotice;

use crate::experiment::latencies::seconds;

/// Devices of a group that refused a version of its behaviour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SwapRefusal {
    /// When the first of them did, in seconds.
    pub at_s: f64,
    /// Whose they are.
    pub group: String,
    /// What they refused: its name, and the beginning of its hash.
    pub version: String,
    /// How many they are.
    pub devices: usize,
    /// Why.
    pub reason: String,
}

/// Enter a notice, if it is of a refusal.
pub(super) fn record(refusals: &mut Vec<SwapRefusal>, device: &Identity, at: Time, notice: &DeviceNotice) {
    let DeviceNotice::SwapRefused(change, cause) = notice else { return };
    let (group, version, reason) = (device.group.to_string(), change.to.to_string(), cause.to_string());
    let is_same = |refusal: &&mut SwapRefusal| {
        refusal.group == group && refusal.version == version && refusal.reason == reason
    };
    match refusals.iter_mut().find(is_same) {
        Some(refusal) => refusal.devices += 1,
        None => {
            refusals.push(SwapRefusal { at_s: seconds(at.as_nanos()), group, version, devices: 1, reason })
        }
    }
}

impl fmt::Display for SwapRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at_s, group, version, devices, reason } = self;
        let noun = if *devices == 1 { "device" } else { "devices" };
        write!(f, "at {at_s} s {devices} {noun} of {group} refused {version}: {reason}")
    }
}
