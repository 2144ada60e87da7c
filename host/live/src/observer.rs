//! Seeing everything that happens to a fleet's devices.

use wasmote_sim::device::Now;
use wasmote_sim::virtual_time::observer::TraceEvent;

/// Sees what devices are given and what they tell, at once and without a gap, in the thread that turns them. What
/// happens to one device comes in its order; what happens to several at one time comes in any.
///
/// It holds the devices up while it looks, so it should be quick about it. A device's index is its position in
/// the fleet.
pub trait FleetObserver: Send + Sync {
    /// See one step.
    fn observe(&self, at: Now, step: &TraceEvent<'_>);
}
