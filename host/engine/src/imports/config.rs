//! `config`: identity and configuration of the device.

use wasmote_sim::config::{DeviceConfig, WrongType};

use crate::bindings::wasmote::device::config::{ConfigError, Host as Config, Identity};
use crate::cost;
use crate::host::Host;

impl Config for Host {
    fn whoami(&mut self) -> wasmtime::Result<Identity> {
        let identity = self.identity()?;
        let identity = Identity {
            id: identity.id.as_str().to_owned(),
            group: identity.group.to_string(),
            index: identity.index,
            count: identity.count,
            topic_root: identity.topic_root.to_string(),
        };
        let bytes = identity.id.len() + identity.group.len() + identity.topic_root.len();
        self.charge(&cost::CONFIG_WHOAMI, bytes)?;
        Ok(identity)
    }

    fn peer(&mut self, index: u32) -> wasmtime::Result<Option<String>> {
        let peer = self.identity()?.peer(index);
        self.charge(&cost::CONFIG_PEER, peer.as_ref().map_or(0, String::len))?;
        Ok(peer)
    }

    fn json(&mut self) -> wasmtime::Result<String> {
        self.charge(&cost::CONFIG_JSON, self.config.json().len())?;
        Ok(self.config.json().to_owned())
    }

    fn text(&mut self, path: String) -> wasmtime::Result<Result<Option<String>, ConfigError>> {
        let text = self.value(&path, DeviceConfig::text)?;
        let bytes = text.as_ref().ok().and_then(Option::as_ref).map_or(0, String::len);
        self.charge_bytes(&cost::CONFIG_VALUE, bytes)?;
        Ok(text)
    }

    fn integer(&mut self, path: String) -> wasmtime::Result<Result<Option<i64>, ConfigError>> {
        self.value(&path, DeviceConfig::integer)
    }

    fn number(&mut self, path: String) -> wasmtime::Result<Result<Option<f64>, ConfigError>> {
        self.value(&path, DeviceConfig::number)
    }

    fn boolean(&mut self, path: String) -> wasmtime::Result<Result<Option<bool>, ConfigError>> {
        self.value(&path, DeviceConfig::boolean)
    }

    fn duration(&mut self, path: String) -> wasmtime::Result<Result<Option<u64>, ConfigError>> {
        let span = self.value(&path, DeviceConfig::duration)?;
        Ok(span.map(|span| span.map(|span| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))))
    }
}

impl Host {
    /// Reads a value. Its error shows the beginning of the value, for which the whole value is formatted.
    fn value<T>(
        &mut self,
        path: &str,
        read: impl FnOnce(&DeviceConfig, &str) -> Result<T, WrongType>,
    ) -> wasmtime::Result<Result<T, ConfigError>> {
        self.charge(&cost::CONFIG_VALUE, path.len())?;
        let value = read(&self.config, path).map_err(config_error);
        if value.is_err() {
            self.charge_bytes(&cost::CONFIG_VALUE, self.config.json().len())?;
        }
        Ok(value)
    }
}

fn config_error(wrong: WrongType) -> ConfigError {
    ConfigError { path: wrong.path, expected: wrong.expected.to_owned(), found: wrong.found }
}
