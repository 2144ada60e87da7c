//! Registry of a fleet's devices.

use std::collections::HashMap;
use std::sync::Arc;

use wasmote_mqtt::device_id::Identity;
use wasmote_sim::device::Blueprint;

use super::FleetError;

/// Identities of the devices, in order and by identifier. Devices are never removed.
pub(super) struct Registry {
    pub(super) devices: Arc<[Arc<Identity>]>,
    by_id: HashMap<String, usize>,
}

impl Registry {
    pub(super) fn new(devices: &[Blueprint]) -> Self {
        let devices: Arc<[_]> = devices.iter().map(|device| Arc::clone(&device.identity)).collect();
        let by_id = devices.iter().enumerate().map(entry).collect();
        Self { devices, by_id }
    }

    pub(super) fn position(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// Appends devices. If one identifier is taken, none is added.
    pub(super) fn add(&mut self, devices: &[Blueprint]) -> Result<(), FleetError> {
        let count = self.by_id.len();
        for (at, device) in devices.iter().enumerate() {
            let id = device.identity.id.as_str();
            if self.by_id.insert(id.to_owned(), count + at).is_some_and(|before| before != count + at) {
                self.by_id = self.devices.iter().enumerate().map(entry).collect();
                return Err(FleetError::NameTaken(id.to_owned()));
            }
        }
        let added = devices.iter().map(|device| Arc::clone(&device.identity));
        self.devices = self.devices.iter().cloned().chain(added).collect();
        Ok(())
    }
}

fn entry((at, device): (usize, &Arc<Identity>)) -> (String, usize) {
    (device.id.as_str().to_owned(), at)
}
