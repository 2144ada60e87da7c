//! Fuel that host calls cost, so that a guest cannot spend the time of its shard in the host.
//!
//! A call of the guest has a second budget for its host calls, as large as its fuel. Costs depend only on the call
//! and its bytes, never on the machine, so a run ends at the same host call everywhere. One unit stands for
//! about a nanosecond, as for an instruction. The table in `behaviours/README.md` lists the costs.

use crate::host::Host;

/// Cost of one import.
pub(crate) struct Cost {
    /// Interface and function.
    pub(crate) import: &'static str,
    /// Units for each call.
    base: u64,
    /// Units for each byte of arguments and results.
    per_byte: u64,
}

/// Cost of a publication that the device accepts, besides that of the call: faults, client and broker work on
/// it later.
pub(crate) const ACCEPTED: u64 = 5_000;
/// Cost of each entry of a list besides its bytes, which pays for its allocation.
pub(crate) const PER_ENTRY: u64 = 100;

/// Cost of each byte of a payload that the layout of the device writes anew, besides that of the call.
pub(crate) const PER_LAID_OUT_BYTE: u64 = 20;

const fn cost(import: &'static str, base: u64, per_byte: u64) -> Cost {
    Cost { import, base, per_byte }
}

pub(crate) const CLOCK: Cost = cost("clock.*", 200, 0);
pub(crate) const CONFIG_WHOAMI: Cost = cost("config.whoami", 1_000, 1);
pub(crate) const CONFIG_PEER: Cost = cost("config.peer", 500, 1);
pub(crate) const CONFIG_JSON: Cost = cost("config.json", 500, 1);
pub(crate) const CONFIG_VALUE: Cost = cost("config.text, integer, number, boolean, duration", 1_000, 4);
pub(crate) const DATA: Cost = cost("data.*", 2_000, 2);
pub(crate) const FAULTS_ACTIVE: Cost = cost("faults.active", 500, 1);
pub(crate) const HTTP_SEND: Cost = cost("http.send", 5_000, 20);
pub(crate) const LOG_WRITE: Cost = cost("log.write", 1_000, 2);
pub(crate) const METRICS: Cost = cost("metrics.*", 1_000, 4);
pub(crate) const MQTT_PUBLISH: Cost = cost("mqtt.publish, publish-with", 200, 1);
pub(crate) const MQTT_SUBSCRIBE: Cost = cost("mqtt.subscribe, unsubscribe", 5_000, 2);
pub(crate) const MQTT_SET_WILL: Cost = cost("mqtt.set-will", 1_000, 1);
pub(crate) const MQTT_CONNECTED: Cost = cost("mqtt.connected", 200, 0);
pub(crate) const RANDOM_NUMBER: Cost = cost("random.next-u64, uniform", 200, 0);
pub(crate) const RANDOM_BYTES: Cost = cost("random.bytes", 500, 4);
pub(crate) const STATE_GET: Cost = cost("state.get", 500, 1);
pub(crate) const STATE_SET: Cost = cost("state.set", 500, 1);
pub(crate) const STATE_DELETE: Cost = cost("state.delete", 500, 1);
pub(crate) const STATE_KEYS: Cost = cost("state.keys", 500, 1);
pub(crate) const TIMERS: Cost = cost("timers.*", 500, 0);
pub(crate) const WASI: Cost = cost("wasi:*", 200, 0);
pub(crate) const WASI_RANDOM: Cost = cost("wasi:random", 500, 4);
pub(crate) const WASI_WRITE: Cost = cost("wasi:io output-stream.write", 500, 10);

/// Error of a call whose host calls cost more than its budget.
#[derive(Debug, thiserror::Error)]
#[error("the budget for host calls is used up by `{0}`")]
pub(crate) struct HostFuelExhausted(pub(crate) &'static str);

impl Host {
    /// Sets the budget for the host calls of one call.
    pub(crate) fn set_fuel(&mut self, fuel: u64) {
        self.fuel = fuel;
    }

    /// Pays for one call of an import with this many bytes of arguments or results.
    pub(crate) fn charge(&mut self, cost: &Cost, bytes: usize) -> wasmtime::Result<()> {
        self.charge_units(cost, cost.base.saturating_add(cost.per_byte.saturating_mul(bytes as u64)))
    }

    /// Pays for bytes of results, after [`Self::charge`] paid for the call.
    pub(crate) fn charge_bytes(&mut self, cost: &Cost, bytes: usize) -> wasmtime::Result<()> {
        self.charge_units(cost, cost.per_byte.saturating_mul(bytes as u64))
    }

    /// Pays this many units on account of an import.
    pub(crate) fn charge_units(&mut self, cost: &Cost, units: u64) -> wasmtime::Result<()> {
        match self.fuel.checked_sub(units) {
            Some(left) => self.fuel = left,
            None => {
                self.fuel = 0;
                return Err(HostFuelExhausted(cost.import).into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&Cost; 24] = [
        &CLOCK,
        &CONFIG_WHOAMI,
        &CONFIG_PEER,
        &CONFIG_JSON,
        &CONFIG_VALUE,
        &DATA,
        &FAULTS_ACTIVE,
        &HTTP_SEND,
        &LOG_WRITE,
        &METRICS,
        &MQTT_PUBLISH,
        &MQTT_SUBSCRIBE,
        &MQTT_SET_WILL,
        &MQTT_CONNECTED,
        &RANDOM_NUMBER,
        &RANDOM_BYTES,
        &STATE_GET,
        &STATE_SET,
        &STATE_DELETE,
        &STATE_KEYS,
        &TIMERS,
        &WASI,
        &WASI_RANDOM,
        &WASI_WRITE,
    ];

    #[test]
    fn the_documentation_lists_every_cost() {
        let readme = include_str!("../../../behaviours/README.md");
        for Cost { import, base, per_byte } in ALL {
            let row = format!("| `{import}` | {base} | {per_byte} |");
            assert!(readme.contains(&row), "behaviours/README.md has no row {row}");
        }
        assert!(readme.contains(&format!("costs {ACCEPTED} more")));
        assert!(readme.contains(&format!("costs {PER_ENTRY} more")));
        assert!(readme.contains(&format!("each byte of its payload costs {PER_LAID_OUT_BYTE} more")));
    }

    #[test]
    fn the_interfaces_name_every_cost() {
        let interfaces = [
            ("clock", include_str!("../../../wit/clock.wit")),
            ("config", include_str!("../../../wit/config.wit")),
            ("data", include_str!("../../../wit/data.wit")),
            ("faults", include_str!("../../../wit/faults.wit")),
            ("http", include_str!("../../../wit/http.wit")),
            ("log", include_str!("../../../wit/log.wit")),
            ("metrics", include_str!("../../../wit/metrics.wit")),
            ("mqtt", include_str!("../../../wit/mqtt.wit")),
            ("random", include_str!("../../../wit/random.wit")),
            ("state", include_str!("../../../wit/state.wit")),
            ("timers", include_str!("../../../wit/timers.wit")),
        ];
        for Cost { import, base, per_byte } in ALL.iter().filter(|cost| !cost.import.starts_with("wasi")) {
            let interface = import.split('.').next().unwrap_or_default();
            let found = interfaces.iter().find(|(name, _)| *name == interface);
            let (_, text) = found.unwrap_or_else(|| panic!("there is no wit/{interface}.wit"));
            let documentation: String =
                text.lines().filter_map(|line| line.trim().strip_prefix("///")).collect();
            let base = match base {
                1_000.. => format!("{},{:03}", base / 1_000, base % 1_000),
                _ => base.to_string(),
            };
            assert!(documentation.contains(&format!(" {base}")), "{import}: {base}");
            if *import == MQTT_PUBLISH.import {
                let laid_out = format!(" {PER_LAID_OUT_BYTE} more for each byte of the payload");
                assert!(documentation.contains(&laid_out));
            }
            let for_bytes = format!(" {per_byte} for each byte");
            assert!(*per_byte == 0 || documentation.contains(&for_bytes), "{import}:{for_bytes}");
        }
    }
}
