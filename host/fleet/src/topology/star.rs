//! A star: the first node is linked with all others.

use super::layout::{Position, circle};
use super::{Link, Shape};

pub(super) struct Star;

impl Shape for Star {
    fn links(&self, nodes: usize) -> Vec<Link> {
        (1..nodes).map(|node| (0, node)).collect()
    }

    fn layout(&self, nodes: usize) -> Vec<Position> {
        let outside = circle(nodes.saturating_sub(1));
        std::iter::once((0.5, 0.5)).chain(outside).take(nodes).collect()
    }
}
