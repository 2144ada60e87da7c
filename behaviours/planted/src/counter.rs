//! A counter that survives restarts and new versions.
//!
//! To spare its flash memory, the device stores only every eighth value. After a restart it goes on behind all values
//! that it may have published. A new version gets the exact value with the snapshot. The defect: the new version reads
//! the stored value instead, and publishes numbers again that the old one has used.

use std::time::Duration;

use wasmote_sdk::{Device, StartCause, object};

use crate::send;

const TICK: u32 = 1;
/// Number of counts between two writes.
const STEP: u64 = 8;

/// The device.
pub(crate) struct Counter {
    defect: bool,
    count: u64,
}

impl Counter {
    pub(crate) fn start(device: &mut Device, cause: StartCause, defect: bool) -> Self {
        let stored = device.state_get_u64("count").unwrap_or(0);
        let count = if cause == StartCause::Restart { stored + STEP } else { stored };
        if cause != StartCause::Swap {
            device.state_set_u64("count", count);
            device.set_timer(TICK, Duration::from_secs(1));
        }
        Self { defect, count }
    }

    pub(crate) fn on_timer(&mut self, device: &mut Device) {
        device.set_timer(TICK, Duration::from_secs(1));
        self.count += 1;
        if self.count.is_multiple_of(STEP) {
            device.state_set_u64("count", self.count);
        }
        send(device, "count", &object! { "n": self.count });
    }

    pub(crate) fn snapshot(&self) -> Vec<u8> {
        self.count.to_le_bytes().to_vec()
    }

    pub(crate) fn restore(&mut self, device: &mut Device, saved: &[u8]) -> Result<(), String> {
        device.set_timer(TICK, Duration::from_secs(1));
        let count = u64::from_le_bytes(saved.try_into().map_err(|_| "expected eight bytes")?);
        if !self.defect {
            self.count = count;
        }
        Ok(())
    }
}
