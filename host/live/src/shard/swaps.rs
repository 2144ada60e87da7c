//! Other versions for a shard's devices, one at a time.

use std::sync::Arc;
use std::time::Duration;

use wasmote_sim::behaviour::Spawn;
use wasmote_sim::device::{Device, Input, PowerState, Upgrade};
use wasmote_sim::event::StopReason;

use super::Shard;

/// How a device stands with its versions.
#[derive(Clone)]
pub(crate) struct Stand {
    /// What it runs, or starts next.
    pub(crate) spawn: Arc<dyn Spawn>,
    /// Whether its behaviour runs and does not hang.
    pub(crate) is_awake: bool,
    /// Whether the swap waits for a hang to end.
    pub(crate) waits: bool,
    /// Why the last swap came to nothing.
    pub(crate) problem: Option<String>,
    /// Why it does not run, if its behaviour is to blame.
    pub(crate) failed: Option<String>,
    /// How often its behaviour trapped.
    pub(crate) traps: u64,
}

impl Stand {
    fn of(device: &Device) -> Self {
        Self {
            spawn: Arc::clone(device.spawn()),
            is_awake: device.is_awake(),
            waits: device.swap_waits(),
            problem: device.swap_problem().map(str::to_owned),
            failed: match device.power() {
                PowerState::Failed(reason) => Some(reason.clone()),
                _ => None,
            },
            traps: device.traps(),
        }
    }
}

impl Shard {
    /// How a device stands.
    pub(crate) fn stand(&mut self, index: usize) -> Stand {
        Stand::of(&self.slots[index].device)
    }

    /// Give a device another version, unless it has it. How it stood before, and how it stands now.
    pub(crate) fn swap(&mut self, index: usize, upgrade: Upgrade) -> (Stand, Stand) {
        let before = self.stand(index);
        if !Arc::ptr_eq(&before.spawn, &upgrade.spawn) {
            self.put_in(index, Input::Swap(upgrade));
        }
        (before, self.stand(index))
    }

    /// End a device in order, and start it with another version, which knows nothing of what was before.
    pub(crate) fn restart_with(&mut self, index: usize, spawn: Arc<dyn Spawn>) {
        self.put_in(index, Input::Stop(StopReason::Requested));
        self.put_in(index, Input::Swap(Upgrade { spawn, trial: Duration::ZERO }));
        self.put_in(index, Input::Start);
    }
}
