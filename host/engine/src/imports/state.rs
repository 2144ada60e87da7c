//! `state`: the key-value store that survives a crash.

use crate::bindings::wasmote::device::state::{Host as State, StateError};
use crate::host::Host;

impl State for Host {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.context()?.store().get(&key).map(|value| value.to_vec()))
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), StateError>> {
        let result = self.context()?.store_value(key, value.into());
        Ok(result.map_err(|full| StateError::Full(full.0)))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<()> {
        self.context()?.delete_value(&key);
        Ok(())
    }

    fn keys(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.context()?.store().keys().map(str::to_owned).collect())
    }
}
