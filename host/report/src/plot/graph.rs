//! Plots of a network at several times, in panels.

use super::Drawing;
use super::canvas::{Anchor, Canvas, ellipsize};
use super::layout::{MARGIN, WIDTH};

/// A network at several times.
#[derive(Clone, Debug)]
pub struct Graph {
    /// See [`Drawing::name`].
    pub name: &'static str,
    /// Title above the plot.
    pub title: String,
    /// Text alternative for screen readers.
    pub description: String,
    /// Nodes, in the same position in all panels.
    pub nodes: Vec<Node>,
    /// Pairs of names of linked nodes.
    pub links: Vec<(String, String)>,
    /// Panels, one for each time.
    pub panels: Vec<Panel>,
}

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Name of the node.
    pub name: String,
    /// Horizontal and vertical position, from 0 (left, top) to 1.
    pub place: (f64, f64),
}

/// The network at one time.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Title of the panel.
    pub title: String,
    /// State of each node, in the order of the nodes.
    pub states: Vec<NodeState>,
    /// Arrows between nodes.
    pub arrows: Vec<Arrow>,
}

/// An arrow between two nodes.
#[derive(Clone, Debug)]
pub struct Arrow {
    /// Name of the first node.
    pub from: String,
    /// Name of the second node.
    pub to: String,
}

/// State of a node at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// The node has a route.
    Routed,
    /// The node has no route.
    Unrouted,
    /// The node is down.
    Down,
    /// The node is a destination of routes.
    Destination,
}

/// Distance between panels.
const GAP: f64 = 16.0;
/// Height of the title above a panel.
const TITLE_HEIGHT: f64 = 22.0;

impl Graph {
    /// Draws the plot with at most three panels in a row.
    pub fn draw(&self) -> Drawing {
        let columns = if self.panels.len() == 4 { 2 } else { self.panels.len().clamp(1, 3) };
        let side = (WIDTH - 2.0 * MARGIN - GAP * (columns as f64 - 1.0)) / columns as f64;
        let height = side * self.aspect();
        let mut canvas = Canvas::default();
        canvas.text("title", (MARGIN, 20.0), Anchor::Start, &ellipsize(&self.title, 360.0));
        for (index, panel) in self.panels.iter().enumerate() {
            let (column, row) = (index % columns, index / columns);
            let left = MARGIN + column as f64 * (side + GAP);
            let top = 36.0 + row as f64 * (height + TITLE_HEIGHT + GAP);
            canvas.text("quiet", (left, top + 6.0), Anchor::Start, &ellipsize(&panel.title, side));
            self.panel(&mut canvas, panel, (left, top + TITLE_HEIGHT), (side, height));
        }
        let rows = self.panels.len().div_ceil(columns) as f64;
        Drawing {
            name: self.name,
            title: self.title.clone(),
            description: self.description.clone(),
            width: WIDTH,
            height: 36.0 + rows * (height + TITLE_HEIGHT + GAP),
            script_data: String::new(),
            body: canvas.finish(),
        }
    }

    /// Ratio of height to width of a panel: smaller if all nodes are on a horizontal line.
    fn aspect(&self) -> f64 {
        let flat = self.nodes.iter().all(|node| (node.place.1 - 0.5).abs() < 1e-6);
        if flat { 0.3 } else { 1.0 }
    }

    /// Radius of the nodes: smaller with many nodes, so that links between them stay visible.
    fn radius(&self, side: f64) -> f64 {
        (side / (self.nodes.len().max(1) as f64).sqrt() / 7.0).clamp(1.5, 6.0)
    }

    fn panel(
        &self,
        canvas: &mut Canvas,
        panel: &Panel,
        (left, top): (f64, f64),
        (width, height): (f64, f64),
    ) {
        let radius = self.radius(width);
        let inset = radius + 3.0;
        let place = |node: &Node| {
            let (x, y) = node.place;
            (left + inset + x * (width - 2.0 * inset), top + inset + y * (height - 2.0 * inset))
        };
        let find = |name: &str| self.nodes.iter().find(|node| node.name == name).map(place);
        for (a, b) in &self.links {
            if let (Some(a), Some(b)) = (find(a), find(b)) {
                canvas.line("rule", a, b);
            }
        }
        for Arrow { from, to } in &panel.arrows {
            if let (Some(a), Some(b)) = (find(from), find(to)) {
                arrow(canvas, a, b, radius);
            }
        }
        for (node, state) in self.nodes.iter().zip(&panel.states) {
            let suffix = match state {
                NodeState::Routed => "",
                NodeState::Unrouted => ": no route",
                NodeState::Down => ": out",
                NodeState::Destination => ": destination",
            };
            canvas.titled(&format!("{}{suffix}", node.name), |canvas| {
                draw_node(canvas, place(node), *state, radius)
            });
        }
    }
}

fn draw_node(canvas: &mut Canvas, (x, y): (f64, f64), state: NodeState, radius: f64) {
    match state {
        NodeState::Routed => canvas.disc("f s0 dot", (x, y), radius),
        NodeState::Unrouted => canvas.disc("paper error s1", (x, y), radius),
        NodeState::Down => {
            let reach = radius * 0.8;
            canvas.disc("paper", (x, y), radius);
            canvas.line("error s1", (x - reach, y - reach), (x + reach, y + reach));
            canvas.line("error s1", (x - reach, y + reach), (x + reach, y - reach));
        }
        NodeState::Destination => {
            let side = radius * 2.0;
            canvas.rect("f s2 dot", (x - radius, y - radius), (side, side), "");
        }
    }
}

/// Draws an arrow between the edges of two nodes.
fn arrow(canvas: &mut Canvas, (x1, y1): (f64, f64), (x2, y2): (f64, f64), radius: f64) {
    let (across, down) = (x2 - x1, y2 - y1);
    let length = (across * across + down * down).sqrt();
    if length <= 2.0 * radius {
        return;
    }
    let (dx, dy) = (across / length, down / length);
    let head = (radius * 1.1).max(3.0);
    let tip = (x2 - dx * (radius + 0.5), y2 - dy * (radius + 0.5));
    let neck = (tip.0 - dx * head, tip.1 - dy * head);
    canvas.line("mark s0", (x1, y1), neck);
    let half = head * 0.55;
    canvas.polygon(
        "f s0",
        &[tip, (neck.0 - dy * half, neck.1 + dx * half), (neck.0 + dy * half, neck.1 - dx * half)],
    );
}
