//! `topology.json`: the network of a plan's topology.

use serde::{Deserialize, Serialize};

use crate::JsonFile;

/// Nodes and links. Only runs whose plan has a topology have the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    /// Pairs of names of linked devices.
    pub links: Vec<(String, String)>,
    /// The devices.
    pub nodes: Vec<Node>,
}

/// A device, and where to draw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Name of the device.
    pub device: String,
    /// Horizontal position, from 0 (left) to 1.
    pub x: f64,
    /// Vertical position, from 0 (top) to 1.
    pub y: f64,
}

impl JsonFile for Topology {
    const FILE: &'static str = "topology.json";
}
