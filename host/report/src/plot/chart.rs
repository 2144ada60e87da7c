//! A plot with two axes.

use super::Drawing;
use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Px, ellipsize, text_width};
use super::lanes::{self, Lane};
use super::layout::{Area, MARGIN, WIDTH};
use super::legend::{self, LegendEntry, Swatch};
use super::scale::Scale;
use super::style::{drawn, filled};
use crate::escape::Escaped;

const PLOT_HEIGHT: f64 = 200.0;
const RIGHT: f64 = 22.0;
/// Smallest distance at which two lines can be told apart.
const MIN_DISTANCE: f64 = 3.0;

/// A plot with two axes.
#[derive(Clone, Debug)]
pub struct Chart {
    /// See [`Drawing::name`].
    pub name: &'static str,
    /// Title above the plot.
    pub title: String,
    /// Text alternative for screen readers.
    pub description: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Marks; later ones are drawn over earlier ones.
    pub marks: Vec<Mark>,
    /// Title of the legend; may be empty.
    pub legend: String,
    /// Strips below the plot with the same horizontal axis.
    pub lanes: Vec<Lane>,
    /// Named positions on the horizontal axis.
    pub annotations: Vec<Annotation>,
}

/// A named position on the horizontal axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// Position.
    pub at: f64,
    /// Name.
    pub name: String,
}

/// A line, a band or points of a series.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Number of the series, which selects colour and dashes.
    pub series: usize,
    /// Name in the legend; marks with the same name share an entry, and an empty name has none.
    pub name: String,
    /// Shape with its points.
    pub shape: Shape,
}

/// Shape of a mark.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A line through points, split into pieces at gaps.
    Line(Vec<Vec<(f64, f64)>>),
    /// An area between a lower and an upper edge: x, lower y, upper y.
    Band(Vec<(f64, f64, f64)>),
    /// Points with error bars, joined by a line.
    Points(Vec<Point>),
    /// Points with error bars, without a line because x has no values between them.
    Scatter(Vec<Point>),
}

/// A point with an error bar.
#[derive(Clone, Debug)]
pub struct Point {
    /// Horizontal figure.
    pub x: f64,
    /// Vertical figure.
    pub y: f64,
    /// Ends of the error bar; both are `y` without an error bar.
    pub ends: (f64, f64),
    /// Tooltip.
    pub title: String,
}

impl Chart {
    /// Draws the plot.
    pub fn draw(&self) -> Drawing {
        let mut canvas = Canvas::default();
        let title = ellipsize(&self.title, (WIDTH - 2.0 * MARGIN) / 1.25);
        canvas.text("title", (MARGIN, 20.0), Anchor::Start, &title);
        let below_legend = legend::draw(&mut canvas, &self.legend, &self.legend_entries(), 38.0);
        canvas.text("quiet", (MARGIN, below_legend + 2.0), Anchor::Start, &self.y.label);
        // Annotations need a separate line.
        let top = below_legend + if self.annotations.is_empty() { 14.0 } else { 28.0 };
        let area = Area { left: self.left(), right: WIDTH - RIGHT, top, bottom: top + PLOT_HEIGHT };
        lanes::shade(&mut canvas, &self.lanes, area, &self.x);
        self.draw_y_axis(&mut canvas, area);
        self.draw_annotations(&mut canvas, area);
        for (index, mark) in self.marks.iter().enumerate() {
            self.draw_mark(&mut canvas, mark, area.shifted(self.offset(index)));
        }
        let below = lanes::draw(&mut canvas, &self.lanes, area, &self.x);
        self.draw_x_axis(&mut canvas, area, below);
        Drawing {
            name: self.name,
            title: self.title.clone(),
            description: self.description.clone(),
            width: WIDTH,
            height: below + 38.0,
            script_data: self.script_data(area),
            body: canvas.finish(),
        }
    }

    fn legend_entries(&self) -> Vec<LegendEntry<'_>> {
        let mut legend_entries: Vec<LegendEntry<'_>> = Vec::new();
        let lines = self.marks.iter().filter(|mark| !matches!(mark.shape, Shape::Band(_)));
        for Mark { series, name, .. } in lines.filter(|mark| !mark.name.is_empty()) {
            if !legend_entries.iter().any(|entry| entry.name == name) {
                legend_entries.push(LegendEntry { name, series: *series, swatch: Swatch::Line });
            }
        }
        legend_entries
    }

    fn left(&self) -> f64 {
        let ticks = self.y.ticks.iter().map(|(_, label)| text_width(label));
        let lanes = self.lanes.iter().map(|lane| text_width(&lane.label()));
        MARGIN + 8.0 + ticks.chain(lanes).fold(12.0, f64::max)
    }

    /// Horizontal offset of a mark with error bars, so that bars at the same position do not overlap.
    fn offset(&self, index: usize) -> f64 {
        match self.marks[index].shape {
            Shape::Points(_) | Shape::Scatter(_) => {
                5.0 * (index as f64 - (self.marks.len() as f64 - 1.0) / 2.0)
            }
            Shape::Line(_) | Shape::Band(_) => 0.0,
        }
    }

    fn place(&self, (x, y): (f64, f64), area: Area) -> (f64, f64) {
        (area.x(self.x.scale.at(x)), area.bottom - self.y.scale.at(y) * (area.bottom - area.top))
    }

    fn draw_y_axis(&self, canvas: &mut Canvas, area: Area) {
        for (value, label) in &self.y.ticks {
            let (_, y) = self.place((0.0, *value), area);
            canvas.line("rule", (area.left, y), (area.right, y));
            canvas.text("quiet", (area.left - 7.0, y + 3.8), Anchor::End, label);
        }
    }

    /// Draws a vertical line for each annotation, with a tooltip, and names above the plot as far as they fit. Of several
    /// annotations at one position, the first is named.
    fn draw_annotations(&self, canvas: &mut Canvas, area: Area) {
        let mut free_from = f64::NEG_INFINITY;
        for (index, Annotation { at, name }) in self.annotations.iter().enumerate() {
            let x = area.x(self.x.scale.at(*at));
            let places = self.annotations[index + 1..].iter().map(|next| area.x(self.x.scale.at(next.at)));
            let until = places.into_iter().find(|next| *next > x + MIN_DISTANCE).unwrap_or(area.right);
            let label = ellipsize(name, until - x - 4.0);
            canvas.titled(&format!("{name}, {}", self.x.unit.figure(*at)), |canvas| {
                canvas.line("axis moment", (x, area.top - 8.0), (x, area.bottom));
                if x >= free_from && until - x > 24.0 {
                    canvas.text("quiet", (x + 3.0, area.top - 3.0), Anchor::Start, &label);
                    free_from = until;
                }
            });
        }
    }

    fn draw_x_axis(&self, canvas: &mut Canvas, area: Area, y: f64) {
        canvas.line("axis", (area.left, area.bottom), (area.right, area.bottom));
        let width = (area.right - area.left) / self.x.ticks.len().max(1) as f64;
        let mut free_from = f64::NEG_INFINITY;
        for (value, label) in &self.x.ticks {
            let label = ellipsize(label, (width - 10.0).max(34.0));
            let (x, half) = (area.x(self.x.scale.at(*value)), text_width(&label) / 2.0);
            canvas.line("axis", (x, y), (x, y + 4.0));
            if x - half >= free_from {
                canvas.text("quiet", (x, y + 16.0), Anchor::Middle, &label);
                free_from = x + half + 6.0;
            }
        }
        canvas.text("quiet", (area.right, y + 32.0), Anchor::End, &ellipsize(&self.x.label, 400.0));
    }

    fn draw_mark(&self, canvas: &mut Canvas, mark: &Mark, area: Area) {
        let place = |point| self.place(point, area);
        match &mark.shape {
            Shape::Line(pieces) => {
                for piece in pieces {
                    let points: Vec<_> = piece.iter().copied().map(place).collect();
                    match &points[..] {
                        [point] => canvas.disc(&filled(mark.series), *point, 1.5),
                        points => canvas.polyline(&drawn(mark.series), points, &mark.name),
                    }
                }
            }
            Shape::Band(edges) => {
                let upper = edges.iter().map(|&(x, _, hi)| place((x, hi)));
                let lower = edges.iter().rev().map(|&(x, lo, _)| place((x, lo)));
                canvas.polygon(
                    &format!("{} band", filled(mark.series)),
                    &upper.chain(lower).collect::<Vec<_>>(),
                );
            }
            Shape::Points(points) => {
                let line: Vec<_> = points.iter().map(|point| place((point.x, point.y))).collect();
                canvas.polyline(&format!("{} fine", drawn(mark.series)), &line, "");
                points.iter().for_each(|point| self.draw_point(canvas, mark.series, point, area));
            }
            Shape::Scatter(points) => {
                points.iter().for_each(|point| self.draw_point(canvas, mark.series, point, area));
            }
        }
    }

    fn draw_point(&self, canvas: &mut Canvas, series: usize, point: &Point, area: Area) {
        let Point { x, y, ends: (lo, hi), title } = point;
        let [centre, low, high] = [*y, *lo, *hi].map(|y| self.place((*x, y), area));
        let error = format!("error s{}", series % super::style::SERIES);
        canvas.titled(title, |canvas| {
            if low.1 - high.1 > 0.5 {
                canvas.line(&error, low, high);
                for (x, y) in [low, high] {
                    canvas.line(&error, (x - 4.0, y), (x + 4.0, y));
                }
            }
            canvas.disc(&format!("{} dot", filled(series)), centre, 4.0);
        });
    }

    /// Attributes with the axes for the script of the page: kind, ends, positions of the ends, factor and symbol of
    /// the unit.
    fn script_data(&self, area: Area) -> String {
        let axis = |axis: &Axis, from: f64, to: f64| {
            let kind = if matches!(axis.scale, Scale::Log { .. }) { "log" } else { "linear" };
            let (lo, hi) = axis.scale.ends();
            let (from, to, unit) = (Px(from), Px(to), axis.unit);
            format!("{kind} {lo} {hi} {from} {to} {} {}", unit.factor, Escaped(unit.name))
        };
        let (x, y) = (axis(&self.x, area.left, area.right), axis(&self.y, area.bottom, area.top));
        format!(" data-x=\"{x}\" data-y=\"{y}\"")
    }
}

impl Area {
    /// The rectangle moved to the right by `by`.
    fn shifted(self, by: f64) -> Self {
        Self { left: self.left + by, right: self.right + by, ..self }
    }

    /// Horizontal position of a fraction of the width.
    pub fn x(self, share: f64) -> f64 {
        self.left + share * (self.right - self.left)
    }
}
