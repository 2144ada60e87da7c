//! Sizes that all plots share, and the area of a plot.

/// The natural width of all plots.
pub const WIDTH: f64 = 480.0;
/// From the text on the left to the edge, and from the end of the axis to the other one.
pub const MARGIN: f64 = 14.0;

/// The place of the axes.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// Of the left edge.
    pub left: f64,
    /// Of the right edge.
    pub right: f64,
    /// Of the upper edge.
    pub top: f64,
    /// Of the lower edge.
    pub bottom: f64,
}
