//! A data packet on its way to the sink.

use wasmote_sdk::json::Value;
use wasmote_sdk::object;

/// Largest time to live, in hops.
pub const MAX_TTL: u64 = 255;

#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// Id of the node that generated it.
    pub origin: String,
    /// Sequence number at the origin.
    pub number: u64,
    /// Time of generation, in seconds since 1970 by the origin's clock.
    pub created: f64,
    /// Remaining hops.
    pub ttl: u64,
    /// Nodes on the path so far, the origin first. The confirmation takes the reverse path.
    pub path: Vec<String>,
}

impl Packet {
    /// Unique id of the packet.
    pub fn id(&self) -> String {
        format!("{}/{}", self.origin, self.number)
    }

    pub fn write(&self) -> Value {
        object! {
            "type": "data",
            "origin": &self.origin,
            "number": self.number,
            "made": self.created,
            "ttl": self.ttl,
            "path": self.path.clone(),
        }
    }

    pub fn read(value: &Value) -> Option<Packet> {
        Some(Packet {
            origin: value.get("origin")?.text()?.into(),
            number: value.get("number")?.unsigned()?,
            created: value.get("made")?.number()?,
            ttl: value.get("ttl")?.unsigned().filter(|ttl| *ttl <= MAX_TTL)?,
            path: read_path(value.get("path")?)?,
        })
    }
}

pub fn read_path(value: &Value) -> Option<Vec<String>> {
    let nodes = value.list().filter(|nodes| nodes.len() <= MAX_TTL as usize + 1)?;
    nodes.iter().map(|node| node.text().map(String::from)).collect()
}
