//! Every connection takes a port of this machine, and a system gives so many for each pair of addresses.

use std::fs;

use crate::config::Settings;
use crate::config::values::BrokerChoice;

/// Where Linux says which ports it gives.
const RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

pub(super) fn warning(settings: &Settings) -> Option<String> {
    of(settings, given(&fs::read_to_string(RANGE).ok()?)?)
}

/// How many ports that are.
fn given(range: &str) -> Option<u64> {
    let mut ends = range.split_ascii_whitespace().map(str::parse::<u64>);
    let (first, last) = (ends.next()?.ok()?, ends.next()?.ok()?);
    last.checked_sub(first).map(|distance| distance + 1)
}

fn of(settings: &Settings, ports: u64) -> Option<String> {
    let (devices, sources) = (settings.devices() as u64, settings.connection.sources.len().max(1) as u64);
    if matches!(settings.broker, BrokerChoice::Embedded(_)) || devices <= ports.saturating_mul(sources) {
        return None;
    }
    let needed = devices.div_ceil(ports.max(1));
    Some(format!(
        "{devices} devices want as many ports, and this system has {ports} for each address to connect from; unless the \
         broker's name stands for several addresses, the last devices will find none: name {needed} addresses of this \
         machine with --source-address, use the embedded broker, or widen net.ipv4.ip_local_port_range"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::args::{LiveArgs, RunArgs};
    use crate::config::resolve::resolve;
    use crate::config::values::Count;

    #[test]
    fn a_fleet_that_wants_more_ports_than_there_are_is_told_so() {
        let fleet = |broker: &str, sources: &[&str]| {
            let source_address = sources.iter().map(|text| text.parse().unwrap()).collect();
            let live =
                LiveArgs { broker: Some(broker.parse().unwrap()), source_address, ..LiveArgs::default() };
            resolve(RunArgs { devices: Some(Count(900)), live, ..RunArgs::default() }).unwrap()
        };
        assert_eq!(of(&fleet("mqtt://broker", &[]), 900), None);
        assert_eq!(of(&fleet("embedded", &[]), 100), None, "its devices need no ports");
        assert_eq!(of(&fleet("mqtt://broker", &["127.0.0.2-127.0.0.4"]), 300), None);
        let told = of(&fleet("mqtt://broker", &["127.0.0.2"]), 300).unwrap();
        assert!(told.starts_with("900 devices want as many ports, and this system has 300"), "{told}");
        assert!(told.contains("name 3 addresses"), "{told}");
    }

    #[test]
    fn the_range_counts_both_its_ends() {
        assert_eq!(given("32768\t60999\n"), Some(28_232));
        assert_eq!(given("nonsense"), None);
    }
}
