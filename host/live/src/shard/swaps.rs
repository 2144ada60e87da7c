//! Other versions for a shard's devices, one at a time.

use std::sync::Arc;
use std::time::Duration;

use wasmote_sim::behaviour::BehaviourFactory;
use wasmote_sim::device::{Device, Input, PowerState, Upgrade};
use wasmote_sim::event::StopReason;

use super::Shard;

/// How a device stands with its versions.
#[derive(Clone)]
pub(crate) struct SwapStatus {
    /// What it runs, or starts next.
    pub(crate) factory: Arc<dyn BehaviourFactory>,
    /// Whether its behaviour runs and does not hang.
    pub(crate) is_responsive: bool,
    /// Whether the swap waits for a hang to end.
    pub(crate) is_pending: bool,
    /// Why the last swap came to nothing.
    pub(crate) swap_error: Option<String>,
    /// Why it does not run, if its behaviour is to blame.
    pub(crate) start_error: Option<String>,
    /// How often its behaviour trapped.
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
    /// How a device stands.
    pub(crate) fn swap_status(&mut self, index: usize) -> SwapStatus {
        SwapStatus::of(&self.slots[index].device)
    }

    /// Give a device another version, unless it has it. How it stood before, and how it stands now.
    pub(crate) fn swap(&mut self, index: usize, upgrade: Upgrade) -> (SwapStatus, SwapStatus) {
        let before = self.swap_status(index);
        if !Arc::ptr_eq(&before.factory, &upgrade.factory) {
            self.handle_input(index, Input::Swap(upgrade));
        }
        (before, self.swap_status(index))
    }

    /// End a device in order, and start it with another version, which knows nothing of what was before.
    pub(crate) fn restart_with(&mut self, index: usize, factory: Arc<dyn BehaviourFactory>) {
        self.handle_input(index, Input::Stop(StopReason::Requested));
        self.handle_input(index, Input::Swap(Upgrade { factory, trial: Duration::ZERO }));
        self.handle_input(index, Input::Start);
    }
}
