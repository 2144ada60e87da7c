//! The links of this node, which the host computes and hands over as pairs of ids.

use wasmote_sdk::Device;
use wasmote_sdk::config::field_error;
use wasmote_sdk::json::Value;

/// Maximum number of links of one node.
const MAX_NEIGHBOURS: usize = 64;

/// The ids of this node's neighbours. Pairs without this node are ignored.
pub fn neighbours(device: &Device) -> Result<Vec<String>, String> {
    let config = device.config().to_value()?;
    let Some(links) = config.get("topology").and_then(Value::list) else {
        return Err(field_error("topology", "expected a list of links, as the host computes it"));
    };
    let mut found = Vec::new();
    for (position, link) in links.iter().enumerate() {
        let Some([Value::Text(one), Value::Text(other)]) = link.list() else {
            return Err(field_error(&format!("/topology/{position}"), "expected the ids of two nodes"));
        };
        let neighbour = match device.id() {
            id if id == one => other,
            id if id == other => one,
            _ => continue,
        };
        if neighbour != device.id() && !found.contains(neighbour) {
            found.push(neighbour.clone());
        }
    }
    match found.len() {
        0..=MAX_NEIGHBOURS => Ok(found),
        _ => {
            let reason = format!("{} has more than {MAX_NEIGHBOURS} links", device.id());
            Err(field_error("topology", reason))
        }
    }
}
