//! Who is linked with whom, and which way devices send: `topology.json` and `routes.csv`, where there are any.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::csv::Table;
use crate::document::DocumentError;

/// A network as a plan gives it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Network {
    /// The devices.
    pub nodes: Vec<Node>,
    /// Names of devices that are linked.
    pub links: Vec<(String, String)>,
}

/// A device in a network.
#[derive(Clone, Debug, Deserialize)]
pub struct Node {
    /// Its name.
    pub device: String,
    /// Where to draw it, from 0 to 1, left to right.
    pub x: f64,
    /// From top to bottom.
    pub y: f64,
}

/// A device sends another way from now on.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteChange {
    /// Seconds from the start of the run.
    pub time_s: f64,
    /// Whose way.
    pub device: String,
    /// Where to.
    pub destination: String,
    /// The next device; none without a route.
    pub next_hop: Option<String>,
}

impl RouteChange {
    pub(super) fn all(table: &Table<'_>) -> Result<Vec<Self>, DocumentError> {
        let rows = table.rows(&["time_s", "device", "destination", "next_hop", "hops"])?;
        rows.map(|row| {
            Ok(Self {
                time_s: row.number("time_s")?,
                device: row.text("device").to_owned(),
                destination: row.text("destination").to_owned(),
                next_hop: Some(row.text("next_hop").to_owned()).filter(|hop| !hop.is_empty()),
            })
        })
        .collect()
    }
}

/// The ways at one time: the next hop of each device and destination.
pub fn routes_at(changes: &[RouteChange], time_s: f64) -> BTreeMap<(&str, &str), &str> {
    let mut routes = BTreeMap::new();
    for change in changes.iter().take_while(|change| change.time_s <= time_s) {
        let key = (change.device.as_str(), change.destination.as_str());
        match &change.next_hop {
            Some(next_hop) => drop(routes.insert(key, next_hop.as_str())),
            None => drop(routes.remove(&key)),
        }
    }
    routes
}

/// Something was done to a run.
#[derive(Clone, Debug, PartialEq)]
pub struct TimelineRow {
    /// Seconds from the start of the run.
    pub time_s: f64,
    /// What.
    pub what: String,
}

impl TimelineRow {
    pub(super) fn all(table: &Table<'_>) -> Result<Vec<Self>, DocumentError> {
        let rows = table.rows(&["time_s", "source", "what"])?;
        rows.map(|row| Ok(Self { time_s: row.number("time_s")?, what: row.text("what").to_owned() }))
            .collect()
    }
}
