//! Behaviour swaps of a shard's devices.

use std::sync::Arc;
use std::time::Duration;

use wasmote_sim::behaviour::BehaviourFactory;
use wasmote_sim::device::{Device, Input, PowerState, Upgrade};
use wasmote_sim::event::StopReason;

use super::Shard;

/// Swap status of a device.
#[derive(Clone)]
pub(crate) struct SwapStatus {
    /// Factory of the behaviour that runs or starts next.
    pub(crate) factory: Arc<dyn BehaviourFactory>,
    /// Whether the behaviour runs and does not hang.
    pub(crate) is_responsive: bool,
    /// Whether the swap waits for a hang to end.
    pub(crate) is_pending: bool,
    /// Error of the last swap.
    pub(crate) swap_error: Option<String>,
    /// Error of the behaviour's start, if it failed.
    pub(crate) start_error: Option<String>,
    /// Traps of the behaviour so far.
    pub(crate) traps: u64,
}

impl SwapStatus {
    fn of(device: &Device) -> Self {
        Self {
            factory: Arc::clone(device.factory()),
            is_responsive: device.is_awake(),
            is_pending: device.has_pending_swap(),
            swap_error: device.last_swap_error().map(str::to_owned),
            start_error: match device.power() {
                PowerState::Failed(reason) => Some(reason.clone()),
                _ => None,
            },
            traps: device.traps(),
        }
    }
}

impl Shard {
    /// Swap status of a device.
    pub(crate) fn swap_status(&mut self, index: usize) -> SwapStatus {
        SwapStatus::of(&self.slots[index].device)
    }

    /// Swaps a device to another version unless it has it already. Returns the status before and after.
    pub(crate) fn swap(&mut self, index: usize, upgrade: Upgrade) -> (SwapStatus, SwapStatus) {
        let before = self.swap_status(index);
        if !Arc::ptr_eq(&before.factory, &upgrade.factory) {
            self.handle_input(index, Input::Swap(upgrade));
        }
        (before, self.swap_status(index))
    }

    /// Stops a device cleanly and starts it with another version, without its state.
    pub(crate) fn restart_with(&mut self, index: usize, factory: Arc<dyn BehaviourFactory>) {
        self.handle_input(index, Input::Stop(StopReason::Requested));
        self.handle_input(index, Input::Swap(Upgrade { factory, trial: Duration::ZERO }));
        self.handle_input(index, Input::Start);
    }
}
