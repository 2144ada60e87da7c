//! A ring: a line whose ends are linked.

use super::layout::{Position, circle};
use super::{Link, Shape, TopologyEntry, TopologyError};

/// Fields of an entry that only this kind takes.
pub(super) const FIELDS: &[&str] = &[];

pub(super) struct Ring;

pub(super) fn shape(_entry: &TopologyEntry, _names: &[String]) -> Result<Ring, TopologyError> {
    Ok(Ring)
}

impl Shape for Ring {
    fn links(&self, nodes: usize) -> Vec<Link> {
        let line = (1..nodes).map(|node| (node - 1, node));
        line.chain((nodes > 2).then(|| (0, nodes - 1))).collect()
    }

    fn layout(&self, nodes: usize) -> Vec<Position> {
        circle(nodes)
    }
}
