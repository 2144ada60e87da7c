//! Legends. They are above the plot, so that they do not cover it.

use super::canvas::{Anchor, Canvas, ellipsize, text_width};
use super::layout::{MARGIN, WIDTH};
use super::style::{drawn, filled};

/// Symbol of a legend entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swatch {
    /// A short line.
    Line,
    /// A box.
    Box,
}

/// An entry of a legend.
#[derive(Clone, Copy, Debug)]
pub struct LegendEntry<'a> {
    /// Text of the entry.
    pub name: &'a str,
    /// Number of the series, which selects colour and dashes.
    pub series: usize,
    /// Symbol next to the text.
    pub swatch: Swatch,
}

const ROW: f64 = 16.0;
const SWATCH: f64 = 24.0;

/// Draws the legend in as many rows as necessary. Returns the next baseline. A legend with fewer than two entries is left
/// out.
pub fn draw(canvas: &mut Canvas, title: &str, entries: &[LegendEntry<'_>], baseline: f64) -> f64 {
    if entries.len() < 2 {
        return baseline;
    }
    let (mut x, mut y) = (MARGIN, baseline + 1.0);
    if !title.is_empty() {
        let title = ellipsize(title, 220.0) + ":";
        canvas.text("quiet", (x, y), Anchor::Start, &title);
        x += text_width(&title) + 10.0;
    }
    for LegendEntry { name, series, swatch } in entries {
        let name = ellipsize(name, 190.0);
        let width = SWATCH + 6.0 + text_width(&name);
        if x > MARGIN && x + width > WIDTH - MARGIN {
            (x, y) = (MARGIN, y + ROW);
        }
        match swatch {
            Swatch::Line => canvas.line(&drawn(*series), (x, y - 4.0), (x + SWATCH, y - 4.0)),
            Swatch::Box => canvas.rect(&filled(*series), (x + 10.0, y - 9.0), (11.0, 11.0), " rx=\"2\""),
        }
        canvas.text("", (x + SWATCH + 5.0, y), Anchor::Start, &name);
        x += width + 14.0;
    }
    y + ROW + 3.0
}
