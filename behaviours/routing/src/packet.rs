//! A piece of data on its way to the sink.

use wasmote_sdk::json::Value;
use wasmote_sdk::object;

/// Hops that a packet may be allowed.
pub const MAX_TTL: u64 = 255;

#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// Who made it.
    pub origin: String,
    /// Its number there.
    pub number: u64,
    /// When it was made, in seconds since 1970 by the origin's clock.
    pub created: f64,
    /// Hops it may still take.
    pub ttl: u64,
    /// The nodes it has passed, the origin first. The confirmation takes the same way back.
    pub path: Vec<String>,
}

impl Packet {
    /// What tells it from all others.
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
