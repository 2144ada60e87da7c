//! Strips below a plot, which show intervals with an intensity such as the share of affected devices. The plot is
//! shaded in the same intervals.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, ellipsize};
use super::layout::Area;

/// A strip below a plot.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Name of the strip.
    pub name: String,
    /// Intervals: start, end and intensity from 0 to 1; in ascending order, without overlap.
    pub spans: Vec<(f64, f64, f64)>,
}

const HEIGHT: f64 = 10.0;
const PITCH: f64 = 16.0;

impl Lane {
    /// The name, truncated to the width next to the strip.
    pub fn label(&self) -> String {
        ellipsize(&self.name, 96.0)
    }
}

/// Shades the plot in the intervals of the strips.
pub fn shade(canvas: &mut Canvas, lanes: &[Lane], area: Area, x: &Axis) {
    for (from, to, level) in lanes.iter().flat_map(|lane| &lane.spans) {
        let (from, to) = (area.x(x.scale.at(*from)), area.x(x.scale.at(*to)));
        let more = format!(" opacity=\"{:.2}\"", level * 0.45);
        canvas.rect("shade", (from, area.top), (to - from, area.bottom - area.top), &more);
    }
}

/// Draws the strips. Returns the vertical position of the axis below them.
pub fn draw(canvas: &mut Canvas, lanes: &[Lane], area: Area, x: &Axis) -> f64 {
    // Keeps a distance to the lowest label of the vertical axis.
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
