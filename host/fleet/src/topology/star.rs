//! A star: the first node is linked with all others.

use super::layout::{Position, circle};
use super::{Link, Shape, TopologyEntry, TopologyError};

/// Fields of an entry that only this kind takes.
pub(super) const FIELDS: &[&str] = &[];

pub(super) struct Star;

pub(super) fn shape(_entry: &TopologyEntry, _names: &[String]) -> Result<Star, TopologyError> {
    Ok(Star)
}

impl Shape for Star {
    fn links(&self, nodes: usize) -> Vec<Link> {
        (1..nodes).map(|node| (0, node)).collect()
    }

    fn layout(&self, nodes: usize) -> Vec<Position> {
        let outside = circle(nodes.saturating_sub(1));
        std::iter::once((0.5, 0.5)).chain(outside).take(nodes).collect()
    }
}
