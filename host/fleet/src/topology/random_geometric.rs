//! A random geometric graph: points on a unit square, linked where they lie within a radius of each other.

use wasmote_mqtt::device_id::DeviceId;
use wasmote_sim::rng::Seed;

use super::layout::Position;
use super::{Link, Shape, TopologyEntry, TopologyError};

/// Fields of an entry that only this kind takes.
pub(super) const FIELDS: &[&str] = &["radius", "seed"];

const DEFAULT_SEED: u64 = 1;

pub(super) struct RandomGeometric {
    radius: f64,
    seed: u64,
}

pub(super) fn shape(entry: &TopologyEntry, names: &[String]) -> Result<RandomGeometric, TopologyError> {
    let radius = entry.radius.unwrap_or_else(|| connecting_radius(names.len()));
    if !(radius > 0.0 && radius <= 2.0) {
        let problem = format!("{radius} is not a distance on a unit square; use above 0 to 2");
        return Err(TopologyError::new("radius", problem));
    }
    Ok(RandomGeometric { radius, seed: entry.seed.unwrap_or(DEFAULT_SEED) })
}

impl Shape for RandomGeometric {
    fn links(&self, nodes: usize) -> Vec<Link> {
        let positions = self.layout(nodes);
        let radius = self.radius;
        let is_near = |a: usize, b: usize| {
            let ((ax, ay), (bx, by)) = (positions[a], positions[b]);
            (ax - bx) * (ax - bx) + (ay - by) * (ay - by) <= radius * radius
        };
        // From left to right, so that a node is compared only with those within the radius on one axis.
        let mut order: Vec<usize> = (0..nodes).collect();
        order.sort_by(|a, b| positions[*a].0.total_cmp(&positions[*b].0));
        let mut links = Vec::new();
        for (position, &a) in order.iter().enumerate() {
            // Rounding must not end the search before a node whose exact distance is the radius.
            let right = order[position + 1..]
                .iter()
                .take_while(|b| positions[**b].0 - positions[a].0 <= radius * 1.001);
            links.extend(right.filter(|b| is_near(a, **b)).map(|b| (a.min(*b), a.max(*b))));
        }
        links
    }

    fn layout(&self, nodes: usize) -> Vec<Position> {
        let Ok(name) = DeviceId::new("topology") else { return Vec::new() };
        let mut stream = Seed::new(self.seed).stream(&name, "places");
        (0..nodes).map(|_| (stream.uniform(), stream.uniform())).collect()
    }
}

/// 1.5 times the radius at which random graphs of this size become connected. `libm` computes the same logarithm on
/// every platform, so that the graph is the same.
fn connecting_radius(nodes: usize) -> f64 {
    let nodes = nodes.max(2) as f64;
    1.5 * (libm::log(nodes) / (std::f64::consts::PI * nodes)).sqrt()
}
