//! `state`: the key-value store that survives a crash.

use bytes::Bytes;

use crate::bindings::wasmote::device::state::{Host as State, StateError};
use crate::cost::{self, PER_ENTRY};
use crate::host::Host;

impl State for Host {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.charge(&cost::STATE_GET, key.len())?;
        let value = self.context()?.store().get(&key).cloned();
        self.charge_bytes(&cost::STATE_GET, value.as_ref().map_or(0, Bytes::len))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), StateError>> {
        self.charge(&cost::STATE_SET, key.len() + value.len())?;
        let result = self.context()?.store_value(key, value.into());
        Ok(result.map_err(|full| StateError::Full(full.0)))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<()> {
        self.charge(&cost::STATE_DELETE, key.len())?;
        self.context()?.delete_value(&key);
        Ok(())
    }

    fn keys(&mut self) -> wasmtime::Result<Vec<String>> {
        let keys: Vec<String> = self.context()?.store().keys().map(str::to_owned).collect();
        self.charge(&cost::STATE_KEYS, keys.iter().map(String::len).sum())?;
        self.charge_units(&cost::STATE_KEYS, PER_ENTRY * keys.len() as u64)?;
        Ok(keys)
    }
}
