//! Strips below a plot that say when something was so, and how much: stronger is more. The plot itself is shaded
//! at those times.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, ellipsize};
use super::layout::Area;

/// A strip.
#[derive(Clone, Debug)]
pub struct Lane {
    /// What was so.
    pub name: String,
    /// From, to, and how much, between 0 and 1; in ascending order, without overlap.
    pub spans: Vec<(f64, f64, f64)>,
}

const HEIGHT: f64 = 10.0;
const PITCH: f64 = 16.0;

impl Lane {
    /// Its name as far as there is room for it.
    pub fn label(&self) -> String {
        ellipsize(&self.name, 96.0)
    }
}

/// Shade the plot.
pub fn shade(canvas: &mut Canvas, lanes: &[Lane], area: Area, x: &Axis) {
    for (from, to, level) in lanes.iter().flat_map(|lane| &lane.spans) {
        let (from, to) = (area.x(x.scale.at(*from)), area.x(x.scale.at(*to)));
        let more = format!(" opacity=\"{:.2}\"", level * 0.45);
        canvas.rect("shade", (from, area.top), (to - from, area.bottom - area.top), &more);
    }
}

/// Draw the strips; returns where the axis goes.
pub fn draw(canvas: &mut Canvas, lanes: &[Lane], area: Area, x: &Axis) -> f64 {
    // Clear of the lowest figure on the axis.
    let mut y = area.bottom + if lanes.is_empty() { 0.0 } else { 5.0 };
    for lane in lanes {
        let top = y + PITCH - HEIGHT;
        canvas.titled(&lane.name, |canvas| {
            canvas.text("quiet", (area.left - 7.0, top + HEIGHT - 1.2), Anchor::End, &lane.label());
            canvas.line("rule", (area.left, top + HEIGHT), (area.right, top + HEIGHT));
            for (from, to, level) in &lane.spans {
                let (from, to) = (area.x(x.scale.at(*from)), area.x(x.scale.at(*to)));
                let more = format!(" opacity=\"{:.2}\"", 0.15 + 0.85 * level);
                canvas.rect("shade", (from, top), ((to - from).max(0.75), HEIGHT), &more);
            }
        });
        y += PITCH;
    }
    if lanes.is_empty() { y } else { y + 6.0 }
}
