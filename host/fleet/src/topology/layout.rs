//! Positions at which nodes are drawn.

/// Horizontal and vertical position, from 0 to 1.
pub type Position = (f64, f64);

/// Spreads positions evenly from 0 to 1. A single one is in the middle.
pub(super) fn fraction(position: usize, count: usize) -> f64 {
    if count < 2 { 0.5 } else { position as f64 / (count - 1) as f64 }
}

/// Positions spread evenly on a circle, from the top on.
pub fn circle(nodes: usize) -> Vec<Position> {
    let angle = |node: usize| std::f64::consts::TAU * node as f64 / nodes.max(1) as f64;
    (0..nodes).map(|node| (0.5 + 0.5 * angle(node).sin(), 0.5 - 0.5 * angle(node).cos())).collect()
}
