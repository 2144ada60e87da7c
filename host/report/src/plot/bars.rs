//! Plots of horizontal bars, each stacked from one or more pieces.

use super::Drawing;
use super::axis::Axis;
use super::canvas::{Anchor, Canvas, ellipsize, text_width};
use super::layout::{Area, MARGIN, WIDTH};
use super::legend::{self, LegendEntry, Swatch};
use super::style::filled;

/// A plot of horizontal bars.
#[derive(Clone, Debug)]
pub struct Bars {
    /// See [`Drawing::name`].
    pub name: &'static str,
    /// Title above the plot.
    pub title: String,
    /// Text alternative for screen readers.
    pub description: String,
    /// Axis of the lengths; starts at zero.
    pub x: Axis,
    /// Title of the rows; may be empty.
    pub rows_label: String,
    /// Bars from top to bottom.
    pub rows: Vec<Row>,
    /// Names of the pieces, in the order of [`Row::values`]; a single piece has no legend.
    pub pieces: Vec<String>,
}

/// One bar.
#[derive(Clone, Debug)]
pub struct Row {
    /// Name of the bar.
    pub name: String,
    /// Length of each piece.
    pub values: Vec<f64>,
    /// Text at the end of the bar.
    pub total: String,
}

const PITCH: f64 = 24.0;
const BAR_HEIGHT: f64 = 14.0;

impl Bars {
    /// Draws the plot.
    pub fn draw(&self) -> Drawing {
        let mut canvas = Canvas::default();
        let title = ellipsize(&self.title, (WIDTH - 2.0 * MARGIN) / 1.25);
        canvas.text("title", (MARGIN, 20.0), Anchor::Start, &title);
        let series = self.pieces.iter().enumerate();
        let legend_entries: Vec<_> =
            series.map(|(series, name)| LegendEntry { name, series, swatch: Swatch::Box }).collect();
        let mut top = legend::draw(&mut canvas, "", &legend_entries, 38.0) - 4.0;
        if !self.rows_label.is_empty() {
            canvas.text("quiet", (MARGIN, top + 6.0), Anchor::Start, &ellipsize(&self.rows_label, 440.0));
            top += 16.0;
        }
        let area = self.area(top);
        self.draw_axis(&mut canvas, area);
        for (index, row) in self.rows.iter().enumerate() {
            self.draw_row(&mut canvas, row, area, area.top + index as f64 * PITCH);
        }
        canvas.line("axis", (area.left, area.top), (area.left, area.bottom));
        Drawing {
            name: self.name,
            title: self.title.clone(),
            description: self.description.clone(),
            width: WIDTH,
            height: area.bottom + 38.0,
            script_data: String::new(),
            body: canvas.finish(),
        }
    }

    fn area(&self, top: f64) -> Area {
        let widest = |texts: &mut dyn Iterator<Item = f64>| texts.fold(0.0, f64::max);
        let left = widest(&mut self.rows.iter().map(|row| text_width(&ellipsize(&row.name, 130.0))));
        let right = widest(&mut self.rows.iter().map(|row| text_width(&row.total)));
        let bottom = top + self.rows.len() as f64 * PITCH;
        Area { left: MARGIN + left + 8.0, right: WIDTH - MARGIN - 8.0 - right, top, bottom }
    }

    fn draw_axis(&self, canvas: &mut Canvas, area: Area) {
        let mut free_from = f64::NEG_INFINITY;
        for (value, label) in &self.x.ticks {
            let (x, half) = (area.x(self.x.scale.at(*value)), text_width(label) / 2.0);
            canvas.line("rule", (x, area.top), (x, area.bottom));
            if x - half >= free_from {
                canvas.text("quiet", (x, area.bottom + 14.0), Anchor::Middle, label);
                free_from = x + half + 6.0;
            }
        }
        canvas.text("quiet", (area.right, area.bottom + 30.0), Anchor::End, &self.x.label);
    }

    fn draw_row(&self, canvas: &mut Canvas, row: &Row, area: Area, y: f64) {
        let name = ellipsize(&row.name, 130.0);
        canvas.titled(&row.name, |canvas| {
            canvas.text("", (area.left - 7.0, y + PITCH / 2.0 + 3.8), Anchor::End, &name);
        });
        let (mut sum, mut end) = (0.0, area.left);
        for (series, value) in row.values.iter().enumerate().filter(|(_, value)| **value > 0.0) {
            let from = area.x(self.x.scale.at(sum));
            sum += value;
            end = area.x(self.x.scale.at(sum));
            let piece = self.pieces.get(series).map_or("", String::as_str);
            canvas.titled(&format!("{piece} {}", self.x.unit.figure(*value)), |canvas| {
                canvas.rect(
                    &filled(series),
                    (from, y + (PITCH - BAR_HEIGHT) / 2.0),
                    ((end - from).max(0.5), BAR_HEIGHT),
                    "",
                );
            });
        }
        canvas.text("", (end + 6.0, y + PITCH / 2.0 + 3.8), Anchor::Start, &row.total);
    }
}
