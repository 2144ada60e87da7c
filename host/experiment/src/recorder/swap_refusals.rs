//! Collects the swaps that devices refuse; no other statistic shows that these devices keep their old version.

use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::time::Time;
use wasmote_results::SwapRefusal;
use wasmote_sim::notice::DeviceNotice;

use crate::latencies::seconds;

/// Adds a notice if it is a refusal.
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
