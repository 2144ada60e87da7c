//! Check of local ports: every connection takes one, and the system has a limited range for each pair of addresses.

use std::fs;

use crate::config::Settings;
use crate::config::values::BrokerChoice;

/// File in which Linux has the range of local ports.
const PORT_RANGE_FILE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

pub(super) fn warning(settings: &Settings) -> Option<String> {
    warning_for(settings, port_count(&fs::read_to_string(PORT_RANGE_FILE).ok()?)?)
}

/// Number of ports in a range.
fn port_count(range: &str) -> Option<u64> {
    let mut ends = range.split_ascii_whitespace().map(str::parse::<u64>);
    let (first, last) = (ends.next()?.ok()?, ends.next()?.ok()?);
    last.checked_sub(first).map(|distance| distance + 1)
}

fn warning_for(settings: &Settings, ports: u64) -> Option<String> {
    let (devices, sources) = (settings.devices() as u64, settings.connection.sources.len().max(1) as u64);
    if matches!(settings.broker, BrokerChoice::Embedded(_)) || devices <= ports.saturating_mul(sources) {
        return None;
    }
    let needed = devices.div_ceil(ports.max(1));
    Some(format!(
        "{devices} devices need as many ports, and this system has {ports} for each address to connect from; unless the \
         broker's name stands for several addresses, the last devices cannot connect: name {needed} addresses of this \
         machine with --source-address, use the embedded broker, or widen net.ipv4.ip_local_port_range"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::Options;
    use crate::config::resolve::resolve;
    use crate::config::values::DeviceCount;

    #[test]
    fn a_fleet_with_too_few_ports_is_warned() {
        let fleet = |broker: &str, sources: &[&str]| {
            let options = Options {
                devices: Some(DeviceCount(900)),
                broker: Some(broker.parse().unwrap()),
                source_addresses: sources.iter().map(|text| text.parse().unwrap()).collect(),
                ..Options::default()
            };
            resolve(&options).unwrap()
        };
        assert_eq!(warning_for(&fleet("mqtt://broker", &[]), 900), None);
        assert_eq!(warning_for(&fleet("embedded", &[]), 100), None, "its devices need no ports");
        assert_eq!(warning_for(&fleet("mqtt://broker", &["127.0.0.2-127.0.0.4"]), 300), None);
        let warning_text = warning_for(&fleet("mqtt://broker", &["127.0.0.2"]), 300).unwrap();
        assert!(
            warning_text.starts_with("900 devices need as many ports, and this system has 300"),
            "{warning_text}"
        );
        assert!(warning_text.contains("name 3 addresses"), "{warning_text}");
    }

    #[test]
    fn the_port_range_is_inclusive() {
        assert_eq!(port_count("32768\t60999\n"), Some(28_232));
        assert_eq!(port_count("nonsense"), None);
    }
}
