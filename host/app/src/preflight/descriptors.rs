//! Every connection takes file descriptors, and a process may only have so many.

use crate::config::Settings;
use crate::config::values::BrokerChoice;

/// Files, listeners, the runtime's own, and those who ask over HTTP.
const OTHERS: u64 = 128;

/// The fleet needs more file descriptors than this process may open.
#[derive(Debug, thiserror::Error)]
#[error(
    "{devices} devices need about {needed} file descriptors and this process may open {allowed}; \
     run at most {fitting} (--devices {fitting}), share them among several processes (--shard 1/{processes}, 2/{processes} and \
     so on), raise the hard limit (`ulimit -Hn`, or LimitNOFILE= in a service){advice}"
)]
pub struct TooManyDevices {
    devices: u64,
    needed: u64,
    allowed: u64,
    fitting: u64,
    processes: u64,
    advice: &'static str,
}

/// Ask for as many descriptors as the system would give. Returns how many there are.
pub(super) fn raise() -> u64 {
    rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX)
}

pub(super) fn check(settings: &Settings, allowed: u64) -> Result<(), TooManyDevices> {
    let (each, advice) = match settings.broker {
        // Both ends of every connection are here.
        BrokerChoice::Embedded(_) => (2, ", or use a broker of its own (--broker), which halves the need"),
        BrokerChoice::Remote(_) => (1, ""),
    };
    let devices = settings.devices() as u64;
    let needed = devices.saturating_mul(each).saturating_add(OTHERS);
    if needed <= allowed {
        return Ok(());
    }
    let fitting = (allowed.saturating_sub(OTHERS) / each).max(1);
    let processes = devices.div_ceil(fitting);
    Err(TooManyDevices { devices, needed, allowed, fitting, processes, advice })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::args::RunArgs;
    use crate::config::resolve::resolve;
    use crate::config::values::Count;

    #[test]
    fn a_fleet_that_does_not_fit_is_refused_with_what_would() {
        let fleet = |broker: &str| {
            let broker = Some(broker.parse().unwrap());
            resolve(RunArgs { devices: Some(Count(900)), broker, ..RunArgs::default() }).unwrap()
        };
        assert!(check(&fleet("mqtt://broker"), 1_028).is_ok());
        let refused = check(&fleet("embedded"), 1_024).unwrap_err().to_string();
        assert!(refused.starts_with("900 devices need about 1928 file descriptors"), "{refused}");
        assert!(refused.contains("--shard 1/3"), "{refused}");
        assert!(refused.contains("--devices 448") && refused.contains("--broker"), "{refused}");
    }
}
