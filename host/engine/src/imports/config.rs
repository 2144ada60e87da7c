//! `config`: identity and configuration of the device.

use wasmote_sim::config::WrongType;

use crate::bindings::wasmote::device::config::{ConfigError, Host as Config, Identity};
use crate::host::Host;

impl Config for Host {
    fn whoami(&mut self) -> wasmtime::Result<Identity> {
        let identity = self.identity()?;
        Ok(Identity {
            id: identity.id.as_str().to_owned(),
            group: identity.group.to_string(),
            index: identity.index,
            count: identity.count,
            topic_root: identity.topic_root.to_string(),
        })
    }

    fn peer(&mut self, index: u32) -> wasmtime::Result<Option<String>> {
        Ok(self.identity()?.peer(index))
    }

    fn json(&mut self) -> wasmtime::Result<String> {
        Ok(self.config.json().to_owned())
    }

    fn text(&mut self, path: String) -> wasmtime::Result<Result<Option<String>, ConfigError>> {
        Ok(self.config.text(&path).map_err(config_error))
    }

    fn integer(&mut self, path: String) -> wasmtime::Result<Result<Option<i64>, ConfigError>> {
        Ok(self.config.integer(&path).map_err(config_error))
    }

    fn number(&mut self, path: String) -> wasmtime::Result<Result<Option<f64>, ConfigError>> {
        Ok(self.config.number(&path).map_err(config_error))
    }

    fn boolean(&mut self, path: String) -> wasmtime::Result<Result<Option<bool>, ConfigError>> {
        Ok(self.config.boolean(&path).map_err(config_error))
    }

    fn duration(&mut self, path: String) -> wasmtime::Result<Result<Option<u64>, ConfigError>> {
        let span = self.config.duration(&path).map_err(config_error);
        Ok(span.map(|span| span.map(|span| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))))
    }
}

fn config_error(wrong: WrongType) -> ConfigError {
    ConfigError { path: wrong.path, expected: wrong.expected.to_owned(), found: wrong.found }
}
