//! A ring: a line whose ends are linked.

use super::layout::{Position, circle};
use super::{Link, Shape};

pub(super) struct Ring;

impl Shape for Ring {
    fn links(&self, nodes: usize) -> Vec<Link> {
        let line = (1..nodes).map(|node| (node - 1, node));
        line.chain((nodes > 2).then(|| (0, nodes - 1))).collect()
    }

    fn layout(&self, nodes: usize) -> Vec<Position> {
        circle(nodes)
    }
}
