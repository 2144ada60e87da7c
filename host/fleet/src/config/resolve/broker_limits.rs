//! Limits of the embedded broker.

use serde_json::Value;
use wasmote_mqtt::broker::limits::BrokerLimits;

use super::Layers;
use super::groups::assign;
use crate::config::ConfigError;
use crate::config::values::BrokerChoice;
use crate::document::explain;

/// The flag, for errors.
const FLAG: &str = "--broker-limit";

/// The limits of the embedded broker, from the file and from flags. Another broker has its own.
pub(super) fn resolve(layers: &Layers<'_>, broker: &BrokerChoice) -> Result<BrokerLimits, ConfigError> {
    let (flags, file) = (&layers.given.flags.broker_limit, &layers.given.file.broker_limits);
    let mut given = file.clone();
    assign(&mut given, flags, FLAG)?;
    let setting = |name: &str| match flags.is_empty() {
        true => layers.field(format!("broker_limits.{name}")),
        false => format!("broker_limits.{name}"),
    };
    if let (BrokerChoice::Remote(_), Some(name)) = (broker, given.keys().next()) {
        let problem =
            "only the embedded broker has these limits; set those of another broker in its own configuration";
        return Err(ConfigError::invalid(setting(name), problem));
    }
    let limits: BrokerLimits = serde_path_to_error::deserialize(Value::Object(given)).map_err(|error| {
        ConfigError::invalid(setting(&error.path().to_string()), explain(&error.inner().to_string()))
    })?;
    let minimums = [
        ("queued", limits.queued as u64, 1),
        ("subscription_bytes", limits.subscription_bytes, 64 << 10),
        ("client_subscription_bytes", limits.client_subscription_bytes, 4 << 10),
        ("session_bytes", limits.session_bytes, 64 << 10),
        ("clients", limits.clients.into(), 1),
        ("client_bytes", limits.client_bytes, 1 << 20),
        ("client_unread_bytes", limits.client_unread_bytes, 1 << 20),
    ];
    match minimums.into_iter().find(|(_, found, minimum)| found < minimum) {
        None => Ok(limits),
        Some((name, found, minimum)) => {
            let problem = format!("{found} is too little for a broker; use {minimum} or more");
            Err(ConfigError::invalid(setting(name), problem))
        }
    }
}
