//! A tree: the first node is the root; each has a fixed number of children, numbered level by level.

use super::layout::{Position, fraction};
use super::{Link, Shape, TopologyEntry, TopologyError, positive};

/// Fields of an entry that only this kind takes.
pub(super) const FIELDS: &[&str] = &["fanout"];

/// Default number of children of a node.
const DEFAULT_FANOUT: u32 = 2;

pub(super) struct Tree {
    fanout: usize,
}

pub(super) fn shape(entry: &TopologyEntry, _names: &[String]) -> Result<Tree, TopologyError> {
    Ok(Tree { fanout: positive("fanout", entry.fanout.unwrap_or(DEFAULT_FANOUT))? })
}

impl Shape for Tree {
    fn links(&self, nodes: usize) -> Vec<Link> {
        (1..nodes).map(|node| ((node - 1) / self.fanout, node)).collect()
    }

    /// One row for each level, spread over the whole width.
    fn layout(&self, nodes: usize) -> Vec<Position> {
        let (mut levels, mut first, mut width) = (Vec::new(), 0, 1_usize);
        while first < nodes {
            levels.push((width.min(nodes - first), width));
            first += width;
            width = width.saturating_mul(self.fanout);
        }
        let count = levels.len();
        let row = |(level, (nodes, width)): (usize, (usize, usize))| {
            let across = move |node| (node as f64 + 0.5) / width as f64;
            (0..nodes).map(move |node| (across(node), fraction(level, count)))
        };
        levels.into_iter().enumerate().flat_map(row).collect()
    }
}
