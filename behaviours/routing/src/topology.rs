//! Links between nodes. Every node computes its links from the configuration, its index and the number of
//! nodes, so that all nodes agree on the same graph without communication.

use wasmote_sdk::config::{self, field_error};
use wasmote_sdk::json::Value;
use wasmote_sdk::{Config, Device};

const KINDS: [&str; 5] = ["line", "ring", "grid", "tree", "random_geometric"];

/// Most links of one node.
const MAX_NEIGHBOURS: usize = 64;

/// Ids of this node's neighbours.
pub fn neighbours(device: &Device) -> Result<Vec<String>, String> {
    let config = device.config();
    let whole = config.to_value()?;
    let found = match whole.get("topology") {
        Some(Value::List(links)) => listed(device, links)?,
        Some(object @ Value::Object(_)) => {
            config::deny_unknown_fields(
                object,
                "/topology",
                &["kind", "fanout", "columns", "radius", "seed"],
            )?;
            computed(device, &config, config.choice("/topology/kind", &KINDS)?)?
        }
        _ => computed(device, &config, config.choice("topology", &KINDS)?)?,
    };
    if found.len() > MAX_NEIGHBOURS {
        return Err(field_error(
            "topology",
            format_args!("{} has more than {MAX_NEIGHBOURS} links", device.id()),
        ));
    }
    Ok(found)
}

/// Links from an explicit list: pairs of indices or ids.
fn listed(device: &Device, links: &[Value]) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for (position, link) in links.iter().enumerate() {
        let at = format!("/topology/{position}");
        let Some([from, to]) = link.list() else { return Err(field_error(&at, "expected a pair of nodes")) };
        let id = |end: &Value| match end {
            Value::Text(id) => Ok(id.clone()),
            _ => end.unsigned().and_then(|index| device.peer(u32::try_from(index).ok()?)).ok_or_else(|| {
                field_error(&at, format_args!("expected the index or id of a node, found {end}"))
            }),
        };
        let (from, to) = (id(from)?, id(to)?);
        if from == to {
            return Err(field_error(&at, "expected two different nodes"));
        }
        let other = if from == device.id() {
            to
        } else if to == device.id() {
            from
        } else {
            continue;
        };
        if !found.contains(&other) {
            found.push(other);
        }
    }
    Ok(found)
}

fn computed(device: &Device, config: &Config, kind: &str) -> Result<Vec<String>, String> {
    let (own, count) = (device.index(), device.group_size());
    let indices = match kind {
        "line" => line(own, count),
        "ring" => ring(own, count),
        "grid" => {
            let columns = config.integer("/topology/columns", i64::from(square_side(count)), 1..=100_000)?;
            grid(own, count, columns as u32)
        }
        "tree" => {
            tree(own, count, config.integer("/topology/fanout", 2, 1..=MAX_NEIGHBOURS as i64 - 1)? as u32)
        }
        _ => {
            let radius = config.number("/topology/radius", default_radius(count), 0.0..=2.0)?;
            random_geometric(own, count, radius, config.integer("/topology/seed", 1, ..)? as u64)
        }
    };
    let id = |index| {
        device.peer(index).ok_or_else(|| {
            field_error(
                "topology",
                "the host does not know the other nodes here: give an explicit list of links by id",
            )
        })
    };
    indices.into_iter().map(id).collect()
}

pub fn line(own: u32, count: u32) -> Vec<u32> {
    [own.wrapping_sub(1), own + 1].into_iter().filter(|index| *index < count).collect()
}

pub fn ring(own: u32, count: u32) -> Vec<u32> {
    if count < 3 {
        return line(own, count);
    }
    vec![(own + count - 1) % count, (own + 1) % count]
}

/// Grid with a fixed number of columns. Nodes are linked with the adjacent ones.
pub fn grid(own: u32, count: u32, columns: u32) -> Vec<u32> {
    let column = own % columns;
    let mut found = Vec::new();
    if column > 0 {
        found.push(own - 1);
    }
    if column + 1 < columns {
        found.push(own + 1);
    }
    found.extend([own.wrapping_sub(columns), own.saturating_add(columns)]);
    found.retain(|index| *index < count);
    found
}

/// Tree with root 0 and a fixed fanout, numbered level by level.
pub fn tree(own: u32, count: u32, fanout: u32) -> Vec<u32> {
    let parent = (own > 0).then(|| (own - 1) / fanout);
    let children = (1..=fanout).map(|child| own.saturating_mul(fanout).saturating_add(child));
    parent.into_iter().chain(children).filter(|index| *index < count && *index != own).collect()
}

/// Random points in the unit square, linked if their distance is at most the radius.
pub fn random_geometric(own: u32, count: u32, radius: f64, seed: u64) -> Vec<u32> {
    let (x, y) = point(seed, own);
    let near = |index: &u32| {
        let (other_x, other_y) = point(seed, *index);
        let (across, down) = (x - other_x, y - other_y);
        across * across + down * down <= radius * radius
    };
    (0..count).filter(|index| *index != own).filter(near).collect()
}

/// 1.5 times the connectivity threshold of random geometric graphs of this size.
fn default_radius(count: u32) -> f64 {
    let count = f64::from(count.max(2));
    1.5 * (count.ln() / (std::f64::consts::PI * count)).sqrt()
}

/// Coordinates of a node. They depend only on the seed of the topology, so that all nodes compute the same.
fn point(seed: u64, index: u32) -> (f64, f64) {
    let draw = |axis: u64| {
        let mut bits = seed ^ (u64::from(index) * 2 + axis + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    (draw(0), draw(1))
}

fn square_side(count: u32) -> u32 {
    (1..).find(|side: &u32| side.saturating_mul(*side) >= count).unwrap_or(1)
}
