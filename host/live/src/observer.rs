//! Observer of all inputs and notices of a fleet's devices.

use wasmote_sim::device::Now;
use wasmote_sim::virtual_time::observer::TraceEvent;

/// Observer of every input and notice of devices, called synchronously in the shard's thread, without loss.
/// Events of one device come in order; events of several devices at one time come in any order.
///
/// The call delays the devices of the shard, so it should be fast. A device's index is its position in the
/// fleet.
pub trait FleetObserver: Send + Sync {
    /// Called for each step.
    fn observe(&self, at: Now, step: &TraceEvent<'_>);

    /// Whether it gets the steps of single messages, too ([`TraceEvent::Journey`]). Asked before each input.
    fn follows_messages(&self) -> bool {
        false
    }
}
