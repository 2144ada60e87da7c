//! Shapes of networks: which nodes are linked, and where one would draw them.

use wasmote_mqtt::device_id::DeviceId;
use wasmote_sim::rng::Seed;

/// Positions of two nodes that are linked, the lower one first.
pub type Link = (usize, usize);

/// Where a node is drawn: across and down, from 0 to 1.
pub type Position = (f64, f64);

/// A shape that is worked out from the number of nodes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// Each with the one before and the one after.
    Line,
    /// A line whose ends meet.
    Ring,
    /// The first with all others.
    Star,
    /// Rows of so many, each with those beside, above and below.
    Grid(usize),
    /// The first is the root; each has so many children, numbered level by level.
    Tree(usize),
    /// Points thrown on a unit square by this seed, linked within this distance.
    RandomGeometric(f64, u64),
}

impl Shape {
    /// All links of so many nodes, in order.
    pub fn links(self, nodes: usize) -> Vec<Link> {
        let mut links: Vec<Link> = match self {
            Self::Line => (1..nodes).map(|node| (node - 1, node)).collect(),
            Self::Ring => {
                let line = Self::Line.links(nodes).into_iter();
                line.chain((nodes > 2).then(|| (0, nodes - 1))).collect()
            }
            Self::Star => (1..nodes).map(|node| (0, node)).collect(),
            Self::Grid(columns) => {
                let horizontal = (1..nodes).filter(|node| node % columns > 0).map(|node| (node - 1, node));
                horizontal.chain((columns..nodes).map(|node| (node - columns, node))).collect()
            }
            Self::Tree(fanout) => (1..nodes).map(|node| ((node - 1) / fanout, node)).collect(),
            Self::RandomGeometric(radius, seed) => {
                let layout = random_layout(nodes, seed);
                let near = |(a, b): (Position, Position)| {
                    (a.0 - b.0) * (a.0 - b.0) + (a.1 - b.1) * (a.1 - b.1) <= radius * radius
                };
                let pairs = (0..nodes).flat_map(|a| (a + 1..nodes).map(move |b| (a, b)));
                pairs.filter(|(a, b)| near((layout[*a], layout[*b]))).collect()
            }
        };
        links.sort_unstable();
        links
    }

    /// Where to draw so many nodes.
    pub fn layout(self, nodes: usize) -> Vec<Position> {
        match self {
            Self::Line => (0..nodes).map(|node| (fraction(node, nodes), 0.5)).collect(),
            Self::Ring => circle(nodes),
            Self::Star => {
                let outside = circle(nodes.saturating_sub(1));
                std::iter::once((0.5, 0.5)).chain(outside).take(nodes).collect()
            }
            Self::Grid(columns) => {
                let rows = nodes.div_ceil(columns);
                (0..nodes)
                    .map(|node| {
                        (fraction(node % columns, columns.min(nodes)), fraction(node / columns, rows))
                    })
                    .collect()
            }
            Self::Tree(fanout) => tree_layout(nodes, fanout),
            Self::RandomGeometric(_, seed) => random_layout(nodes, seed),
        }
    }
}

/// Half as far again as where random graphs of this size become connected.
pub fn connecting_radius(nodes: usize) -> f64 {
    let nodes = nodes.max(2) as f64;
    1.5 * (nodes.ln() / (std::f64::consts::PI * nodes)).sqrt()
}

/// Evenly from 0 to 1; one alone in the middle.
fn fraction(position: usize, of: usize) -> f64 {
    if of < 2 { 0.5 } else { position as f64 / (of - 1) as f64 }
}

/// Evenly on a circle, from the top on.
pub fn circle(nodes: usize) -> Vec<Position> {
    let angle = |node: usize| std::f64::consts::TAU * node as f64 / nodes.max(1) as f64;
    (0..nodes).map(|node| (0.5 + 0.5 * angle(node).sin(), 0.5 - 0.5 * angle(node).cos())).collect()
}

/// Level by level, each level spread over the whole width.
fn tree_layout(nodes: usize, fanout: usize) -> Vec<Position> {
    let (mut rows, mut first, mut size) = (Vec::new(), 0, 1);
    while first < nodes {
        rows.push((first, size.min(nodes - first), size));
        first += size;
        size = size.saturating_mul(fanout);
    }
    let count = rows.len();
    let row = |(row, (_, there, room)): (usize, &(usize, usize, usize))| {
        let (there, room) = (*there, *room as f64);
        (0..there).map(move |node| ((node as f64 + 0.5) / room, fraction(row, count))).collect::<Vec<_>>()
    };
    rows.iter().enumerate().flat_map(row).collect()
}

fn random_layout(nodes: usize, seed: u64) -> Vec<Position> {
    let Ok(stream_owner) = DeviceId::new("topology") else { return Vec::new() };
    let mut draw = Seed::new(seed).stream(&stream_owner, "places");
    (0..nodes).map(|_| (draw.uniform(), draw.uniform())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Shape; 7] = [
        Shape::Line,
        Shape::Ring,
        Shape::Star,
        Shape::Grid(4),
        Shape::Tree(1),
        Shape::Tree(3),
        Shape::RandomGeometric(0.3, 5),
    ];

    #[test]
    fn every_link_is_between_two_nodes_and_there_once() {
        for shape in ALL {
            for nodes in [0, 1, 2, 3, 10, 37] {
                let links = shape.links(nodes);
                assert!(links.iter().all(|(a, b)| a < b && *b < nodes), "{shape:?} of {nodes}: {links:?}");
                assert!(links.windows(2).all(|pair| pair[0] < pair[1]), "{shape:?} of {nodes}");
                let layout = shape.layout(nodes);
                assert_eq!(layout.len(), nodes, "{shape:?}");
                let inside = |at: &f64| (-1e-9..=1.0 + 1e-9).contains(at);
                assert!(layout.iter().all(|(x, y)| inside(x) && inside(y)), "{shape:?}: {layout:?}");
            }
        }
    }

    #[test]
    fn shapes_are_what_their_names_say() {
        assert_eq!(Shape::Line.links(4), [(0, 1), (1, 2), (2, 3)]);
        assert_eq!(Shape::Ring.links(4), [(0, 1), (0, 3), (1, 2), (2, 3)]);
        assert_eq!(Shape::Star.links(4), [(0, 1), (0, 2), (0, 3)]);
        assert_eq!(Shape::Grid(2).links(5), [(0, 1), (0, 2), (1, 3), (2, 3), (2, 4)]);
        assert_eq!(Shape::Tree(2).links(6), [(0, 1), (0, 2), (1, 3), (1, 4), (2, 5)]);
        let near = Shape::RandomGeometric(0.3, 5).links(30);
        assert_ne!(near, Shape::RandomGeometric(0.3, 6).links(30), "the seed throws the points");
        assert!(near.len() < Shape::RandomGeometric(0.5, 5).links(30).len(), "further is more");
    }
}
