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
/// Nearer to each other than this, two lines look like one.
const MIN_DISTANCE: f64 = 3.0;

/// A plot with two axes.
#[derive(Clone, Debug)]
pub struct Chart {
    /// See [`Drawing::name`].
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// What there is to see, for those who cannot.
    pub description: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// Drawn one over the other.
    pub marks: Vec<Mark>,
    /// What the names in the legend are values of; may be empty.
    pub legend: String,
    /// Strips below the plot, along the same axis.
    pub lanes: Vec<Lane>,
    /// Places along the axis that have a name.
    pub annotations: Vec<Annotation>,
}

/// A place along the axis that has a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// Where.
    pub at: f64,
    /// What happens there.
    pub what: String,
}

/// Something to draw.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Says its colour and dashes.
    pub series: usize,
    /// For the legend; marks with the same name share an entry, and an empty name has none.
    pub name: String,
    /// What it looks like.
    pub shape: Shape,
}

/// What a mark looks like.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A line through points, in pieces where figures are missing.
    Line(Vec<Vec<(f64, f64)>>),
    /// An area from a lower to an upper edge.
    Band(Vec<(f64, f64, f64)>),
    /// Points with error bars, joined by a line.
    Points(Vec<Point>),
    /// Points with error bars, which no line joins as nothing lies between them.
    Scatter(Vec<Point>),
}

/// A point with an error bar.
#[derive(Clone, Debug)]
pub struct Point {
    /// Along.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// Of the error bar; both are `y` where there is none.
    pub ends: (f64, f64),
    /// What it tells when pointed at.
    pub title: String,
}

impl Chart {
    /// Draw it.
    pub fn draw(&self) -> Drawing {
        let mut canvas = Canvas::default();
        let title = ellipsize(&self.title, (WIDTH - 2.0 * MARGIN) / 1.25);
        canvas.text("title", (MARGIN, 20.0), Anchor::Start, &title);
        let below_legend = legend::draw(&mut canvas, &self.legend, &self.legend_entries(), 38.0);
        canvas.text("quiet", (MARGIN, below_legend + 2.0), Anchor::Start, &self.y.label);
        // The names of moments have a line of their own.
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

    /// How far a mark with error bars stands aside, so that bars at one place do not cover each other.
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

    /// A line each, and above the plot as many names as there is room for; all of them tell when pointed at. Of what
    /// happens in one place, the first has the name.
    fn draw_annotations(&self, canvas: &mut Canvas, area: Area) {
        let mut free_from = f64::NEG_INFINITY;
        for (index, Annotation { at, what }) in self.annotations.iter().enumerate() {
            let x = area.x(self.x.scale.at(*at));
            let places = self.annotations[index + 1..].iter().map(|next| area.x(self.x.scale.at(next.at)));
            let until = places.into_iter().find(|next| *next > x + MIN_DISTANCE).unwrap_or(area.right);
            let name = ellipsize(what, until - x - 4.0);
            canvas.titled(&format!("{what}, {}", self.x.unit.figure(*at)), |canvas| {
                canvas.line("axis moment", (x, area.top - 8.0), (x, area.bottom));
                if x >= free_from && until - x > 24.0 {
                    canvas.text("quiet", (x + 3.0, area.top - 3.0), Anchor::Start, &name);
                    free_from = until;
                }
            });
        }
    }

    fn draw_x_axis(&self, canvas: &mut Canvas, area: Area, y: f64) {
        canvas.line("axis", (area.left, area.bottom), (area.right, area.bottom));
        let room = (area.right - area.left) / self.x.ticks.len().max(1) as f64;
        let mut free_from = f64::NEG_INFINITY;
        for (value, label) in &self.x.ticks {
            let label = ellipsize(label, (room - 10.0).max(34.0));
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

    /// The axes, for a script that reads figures off the lines: kind, ends, places of the ends, unit.
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
    /// The same, so far to the right.
    fn shifted(self, by: f64) -> Self {
        Self { left: self.left + by, right: self.right + by, ..self }
    }

    /// Where a share of the width lies.
    pub fn x(self, share: f64) -> f64 {
        self.left + share * (self.right - self.left)
    }
}
