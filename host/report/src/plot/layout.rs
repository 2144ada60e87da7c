//! Sizes that all plots share, and the area of a plot.

/// Natural width of all plots.
pub const WIDTH: f64 = 480.0;
/// Distance of text from the left edge and of axes from the right edge.
pub const MARGIN: f64 = 14.0;

/// Rectangle between the axes.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// Left edge.
    pub left: f64,
    /// Right edge.
    pub right: f64,
    /// Upper edge.
    pub top: f64,
    /// Lower edge.
    pub bottom: f64,
}
