//! A line: each node is linked with the one before and the one after.

use super::layout::{Position, fraction};
use super::{Link, Shape, TopologyEntry, TopologyError};

/// Fields of an entry that only this kind takes.
pub(super) const FIELDS: &[&str] = &[];

pub(super) struct Line;

pub(super) fn shape(_entry: &TopologyEntry, _names: &[String]) -> Result<Line, TopologyError> {
    Ok(Line)
}

impl Shape for Line {
    fn links(&self, nodes: usize) -> Vec<Link> {
        (1..nodes).map(|node| (node - 1, node)).collect()
    }

    fn layout(&self, nodes: usize) -> Vec<Position> {
        (0..nodes).map(|node| (fraction(node, nodes), 0.5)).collect()
    }
}
