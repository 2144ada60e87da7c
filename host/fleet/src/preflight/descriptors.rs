//! Check of file descriptors: every TCP connection takes one, and a process has a limit of them.

use crate::config::Settings;
use crate::config::values::BrokerChoice;

/// Descriptors for files, listeners and the runtime.
const RESERVED: u64 = 28;

/// The fleet needs more file descriptors than this process may open.
#[derive(Debug, thiserror::Error)]
#[error(
    "{devices} devices need about {needed} file descriptors and this process may open {allowed}; use the \
     embedded broker, whose devices need none (--broker embedded), run at most {fitting} (--devices {fitting}), \
     share them among several processes (--shard 1/{processes}, 2/{processes} and so on), or raise the hard limit \
     (`ulimit -Hn`, or LimitNOFILE= in a service)"
)]
pub struct TooManyDevices {
    devices: u64,
    needed: u64,
    allowed: u64,
    fitting: u64,
    processes: u64,
}

/// Raises the limit of descriptors to the hard limit and returns it.
pub(super) fn raise_limit() -> u64 {
    rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX)
}

pub(super) fn check(settings: &Settings, allowed: u64) -> Result<(), TooManyDevices> {
    let devices = settings.devices() as u64;
    let reserved = RESERVED + settings.http_access.connections as u64;
    let needed = devices.saturating_add(reserved);
    // Devices of the embedded broker are linked to it without descriptors.
    if needed <= allowed || matches!(settings.broker, BrokerChoice::Embedded(_)) {
        return Ok(());
    }
    let fitting = allowed.saturating_sub(reserved).max(1);
    let processes = devices.div_ceil(fitting);
    Err(TooManyDevices { devices, needed, allowed, fitting, processes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::Options;
    use crate::config::resolve::resolve;
    use crate::config::values::DeviceCount;

    #[test]
    fn a_fleet_beyond_the_limit_is_refused_with_what_fits() {
        let fleet = |broker: &str| {
            let broker = Some(broker.parse().unwrap());
            resolve(&Options { devices: Some(DeviceCount(900)), broker, ..Options::default() }).unwrap()
        };
        assert!(check(&fleet("mqtt://broker"), 1_028).is_ok());
        assert!(check(&fleet("embedded"), 256).is_ok(), "its devices need no descriptors");
        let refused = check(&fleet("mqtt://broker"), 512).unwrap_err().to_string();
        assert!(refused.starts_with("900 devices need about 1028 file descriptors"), "{refused}");
        assert!(refused.contains("--shard 1/3") && refused.contains("--broker embedded"), "{refused}");
        assert!(refused.contains("--devices 384"), "{refused}");
    }
}
