//! The key-value store of the device, which survives a crash.

use crate::Device;
use crate::host::imports;

pub use crate::bindings::wasmote::device::state::StateError;

imports! {
    state::get => fn state_get(host, key: &str) -> Option<Vec<u8>> {
        host.context(|context| context.store().get(key).map(|value| value.to_vec()))
    }
    state::set => fn state_set(host, key: &str, value: &[u8]) -> Result<(), StateError> {
        host.context(|context| context.store_value(key.into(), value.to_vec().into()))
            .map_err(|full| StateError::Full(full.0))
    }
    state::delete => fn state_delete(host, key: &str) {
        host.context(|context| context.delete_value(key));
    }
    state::keys => fn state_keys(host) -> Vec<String> {
        host.context(|context| context.store().keys().map(str::to_owned).collect())
    }
}

impl From<StateError> for String {
    fn from(StateError::Full(quota): StateError) -> Self {
        format!("the store is full ({quota} bytes)")
    }
}

/// The key-value store that survives a crash.
impl Device {
    /// The value of a key.
    pub fn state_get(&self, key: &str) -> Option<Vec<u8>> {
        self.host().state_get(key)
    }

    /// The number stored with [`state_set_u64`](Device::state_set_u64).
    pub fn state_get_u64(&self, key: &str) -> Option<u64> {
        Some(u64::from_le_bytes(self.state_get(key)?.try_into().ok()?))
    }

    /// Stores a value.
    pub fn state_set(&mut self, key: &str, value: &[u8]) -> Result<(), StateError> {
        self.host().state_set(key, value)
    }

    /// Stores a number, and logs an error if the store is full.
    pub fn state_set_u64(&mut self, key: &str, number: u64) {
        if let Err(reason) = self.state_set(key, &number.to_le_bytes()) {
            self.error(format_args!("{key} not kept: {}", String::from(reason)));
        }
    }

    /// Removes a key.
    pub fn state_delete(&mut self, key: &str) {
        self.host().state_delete(key);
    }

    /// All keys, in byte order.
    pub fn state_keys(&self) -> Vec<String> {
        self.host().state_keys()
    }
}
