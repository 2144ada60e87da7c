//! Message rate of the behaviour `routing`: hellos over every link, and for each hop of a packet the data, its
//! acknowledgement and its confirmation on the way back.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::Value;

use super::{MAX_MESSAGES_PER_SECOND, count, span};
use crate::config::Group;
use crate::topology::Links;

/// Defaults of the behaviour `routing`.
const DEFAULT_HELLO_INTERVAL: Duration = Duration::from_secs(2);
const DEFAULT_DATA_INTERVAL: Duration = Duration::from_secs(10);
const DEFAULT_TTL: f64 = 32.0;
/// Data, its acknowledgement and its confirmation.
const MESSAGES_PER_HOP: f64 = 3.0;

/// Size of a group's graph.
#[derive(Clone, Copy, Debug, PartialEq)]
struct GraphSize {
    links: f64,
    /// Nodes with a path to the sink.
    senders: f64,
    /// Mean number of hops from these to the sink.
    hops: f64,
}

/// A warning if the group runs `routing` and sends too many messages. The estimate leaves out retransmissions and
/// triggered hellos.
pub(super) fn warning(group: &Group) -> Option<String> {
    if group.behaviour.builtin() != Some("routing") {
        return None;
    }
    let size = size(group.links.as_deref()?, &sink(group));
    let ttl = group.config.get("ttl").map_or(Some(DEFAULT_TTL), Value::as_f64)?;
    let hello = span(group, "hello_interval", DEFAULT_HELLO_INTERVAL)?.as_secs_f64();
    let data = span(group, "data_interval", DEFAULT_DATA_INTERVAL)?.as_secs_f64();
    let hops = size.hops.min(ttl);
    let hellos = size.links * 2.0 / hello;
    let packets = size.senders * hops * MESSAGES_PER_HOP / data;
    let rate = hellos + packets;
    if rate <= MAX_MESSAGES_PER_SECOND || !rate.is_finite() {
        return None;
    }
    let dominant_interval = if hellos > packets { "hello_interval" } else { "data_interval" };
    Some(format!(
        "{} devices of group `{}` send about {} messages a second ({} hellos, and {} for data over {hops:.0} \
         hops). A laptop sustains about {}; use a longer {dominant_interval}, or fewer devices",
        group.count,
        group.name,
        count(rate),
        count(hellos),
        count(packets),
        count(MAX_MESSAGES_PER_SECOND),
    ))
}

/// The node to which data goes, given by index or by id.
fn sink(group: &Group) -> String {
    match group.config.get("sink") {
        Some(Value::String(id)) => id.clone(),
        sink => format!("{}-{}", group.name, sink.and_then(Value::as_u64).unwrap_or(0)),
    }
}

/// Counts links, and the hops to the sink by a breadth-first search from it.
fn size(links: &Links, sink: &str) -> GraphSize {
    let ends: usize = links.values().map(Vec::len).sum();
    let mut reached = BTreeSet::from([sink]);
    let mut next = VecDeque::from([(sink, 0_u32)]);
    let mut total = 0.0;
    while let Some((node, hops)) = next.pop_front() {
        total += f64::from(hops);
        for neighbour in links.get(node).into_iter().flatten() {
            if reached.insert(neighbour) {
                next.push_back((neighbour, hops + 1));
            }
        }
    }
    let senders = (reached.len() - 1) as f64;
    GraphSize { links: ends as f64 / 2.0, senders, hops: if senders > 0.0 { total / senders } else { 0.0 } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::Options;
    use crate::config::resolve::resolve;
    use crate::config::values::DeviceCount;

    fn warned(devices: u32, config: &[&str]) -> Option<String> {
        let device_config = config.iter().map(|text| text.parse().unwrap()).collect();
        let behaviour = Some("routing".into());
        let args =
            Options { behaviour, devices: Some(DeviceCount(devices)), device_config, ..Options::default() };
        warning(&resolve(&args).unwrap().groups[0])
    }

    #[test]
    fn a_long_line_is_warned_of_its_hops() {
        let warning_text = warned(1_000, &[]).unwrap();
        assert!(
            warning_text.contains("10,589 messages a second (999 hellos, and 9,590 for data over 32 hops)"),
            "{warning_text}"
        );
        assert!(warning_text.contains("data_interval"), "{warning_text}");
        let dense = warned(1_000, &[r#"topology={"kind":"random_geometric","radius":0.2}"#]).unwrap();
        assert!(dense.contains("hello_interval"), "{dense}");
    }

    #[test]
    fn a_sustainable_routing_fleet_has_no_warning() {
        assert_eq!(warned(16, &["topology=grid"]), None);
        assert_eq!(warned(1_000, &["topology=tree"]), None);
        assert_eq!(warned(1_000, &["data_interval=1m"]), None);
        assert_eq!(warned(1_000, &["topology=[[0,1]]", "data_interval=often"]), None);
    }

    #[test]
    fn the_size_is_that_of_the_graph() {
        let size_of = |devices: u32, topology: &str| {
            let device_config = vec![format!("topology={topology}").parse().unwrap()];
            let behaviour = Some("routing".into());
            let args = Options {
                behaviour,
                devices: Some(DeviceCount(devices)),
                device_config,
                ..Options::default()
            };
            let group = &resolve(&args).unwrap().groups[0];
            size(group.links.as_deref().unwrap(), &sink(group))
        };
        // In a grid of four by four the shortest paths from a corner have 48 hops in total.
        assert_eq!(size_of(16, "grid"), GraphSize { links: 24.0, senders: 15.0, hops: 3.2 });
        assert_eq!(size_of(3, "[[0,1]]"), GraphSize { links: 1.0, senders: 1.0, hops: 1.0 });
    }
}
