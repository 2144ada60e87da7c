//! What a fleet of the behaviour `routing` says: hellos over every link, and each packet once a hop, with its
//! acknowledgement, and its confirmation on the way back.

use std::f64::consts::PI;
use std::time::Duration;

use serde_json::Value;

use super::{MAX_MESSAGES_PER_SECOND, count, span};
use crate::config::Group;
use crate::source::Source;

/// The behaviour's own defaults.
const DEFAULT_HELLO_INTERVAL: Duration = Duration::from_secs(2);
const DEFAULT_DATA_INTERVAL: Duration = Duration::from_secs(10);
const DEFAULT_TTL: f64 = 32.0;
const DEFAULT_FANOUT: f64 = 2.0;
/// Data, its acknowledgement and its confirmation.
const MESSAGES_PER_HOP: f64 = 3.0;

/// How large a graph is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct GraphSize {
    links: f64,
    /// From a node to the sink, on average.
    hops: f64,
}

/// A warning, if these are routing devices and together too many. It is an estimate: retransmissions and
/// hellos about news come on top.
pub(super) fn warning(group: &Group) -> Option<String> {
    if group.behaviour != Source::Builtin("routing".into()) {
        return None;
    }
    let nodes = f64::from(group.count);
    let size = size(group.config.get("topology"), nodes)?;
    let ttl = group.config.get("ttl").map_or(Some(DEFAULT_TTL), Value::as_f64)?;
    let hello = span(group, "hello_interval", DEFAULT_HELLO_INTERVAL)?.as_secs_f64();
    let data = span(group, "data_interval", DEFAULT_DATA_INTERVAL)?.as_secs_f64();
    let hops = size.hops.min(ttl);
    let hellos = size.links * 2.0 / hello;
    let packets = (nodes - 1.0) * hops * MESSAGES_PER_HOP / data;
    let rate = hellos + packets;
    if rate <= MAX_MESSAGES_PER_SECOND || !rate.is_finite() {
        return None;
    }
    let dominant_interval = if hellos > packets { "hello_interval" } else { "data_interval" };
    Some(format!(
        "{} devices of group `{}` send about {} messages a second ({} hellos, and {} for data over {hops:.0} \
         hops). A laptop bears about {}; say less with a longer {dominant_interval}, or run fewer",
        group.count,
        group.name,
        count(rate),
        count(hellos),
        count(packets),
        count(MAX_MESSAGES_PER_SECOND),
    ))
}

fn size(topology: Option<&Value>, nodes: f64) -> Option<GraphSize> {
    let (kind, options) = match topology {
        None => ("line", None),
        Some(Value::String(kind)) => (kind.as_str(), None),
        Some(Value::Array(links)) => {
            return Some(GraphSize { links: links.len() as f64, hops: nodes.sqrt() });
        }
        Some(Value::Object(options)) => (options.get("kind")?.as_str()?, Some(options)),
        Some(_) => return None,
    };
    let option = |key: &str| options.and_then(|options| options.get(key)).and_then(Value::as_f64);
    Some(match kind {
        "line" => GraphSize { links: nodes - 1.0, hops: nodes / 2.0 },
        "ring" => GraphSize { links: nodes, hops: nodes / 4.0 },
        "grid" => {
            let columns = option("columns").unwrap_or(nodes.sqrt().ceil()).max(1.0);
            let rows = (nodes / columns).ceil();
            GraphSize { links: 2.0 * nodes - rows - columns, hops: (rows + columns) / 2.0 }
        }
        "tree" => {
            let fanout = option("fanout").unwrap_or(DEFAULT_FANOUT).max(2.0);
            GraphSize { links: nodes - 1.0, hops: nodes.ln() / fanout.ln() }
        }
        "random_geometric" => {
            let radius = option("radius")?;
            GraphSize { links: nodes * nodes * PI * radius * radius / 2.0, hops: 0.5 / radius + 1.0 }
        }
        _ => return None,
    })
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
    fn a_grid_has_nearly_two_links_a_node() {
        assert_eq!(size(Some(&"grid".into()), 16.0), Some(GraphSize { links: 24.0, hops: 4.0 }));
    }
}
