//! The plots of reports and comparisons. Each module defines one plot or a few related ones.

pub mod battery_and_clock;
pub mod delivery;
pub mod devices;
pub mod distribution;
pub mod latency;
pub mod losses;
pub mod over_time;
pub mod routes;
pub mod sweep;

use super::cohort::{CUT_SHORT_NOTE, Cohort};
use super::plot::Drawing;
use super::plot::chart::{Annotation, Mark, Shape};
use super::plot::style::SERIES;
use super::results::Run;
use over_time::{Line, marks};

/// A plot with its caption.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The plot.
    pub drawing: Drawing,
    /// Explanation below the plot.
    pub caption: String,
}

/// Input of plots: cohorts, and the fields whose values are their labels.
#[derive(Clone, Copy, Debug)]
pub struct PlotInput<'a> {
    /// All cohorts.
    pub cohorts: &'a [Cohort<'a>],
    /// Title of legends; may be empty.
    pub labels: &'a str,
}

/// All plots that have data, with those of a sweep first.
pub fn all(input: PlotInput<'_>) -> Vec<Figure> {
    if input.cohorts.is_empty() {
        return Vec::new();
    }
    let mut figures = sweep::figures(input);
    figures.push(delivery::figure(input));
    figures.push(latency::figure(input));
    figures.extend(distribution::figure(input));
    figures.push(devices::figure(input));
    figures.extend(losses::figure(input));
    figures.extend(routes::figures(input));
    figures.extend(battery_and_clock::figures(input));
    figures
}

impl<'a> PlotInput<'a> {
    /// At most [`SERIES`] cohorts, evenly chosen, including the first and the last.
    fn representative_cohorts(self) -> Vec<&'a Cohort<'a>> {
        let count = self.cohorts.len();
        if count <= SERIES {
            return self.cohorts.iter().collect();
        }
        (0..SERIES).filter_map(|i| self.cohorts.get(i * (count - 1) / (SERIES - 1))).collect()
    }

    /// True if intervals are drawn as bands. Bands of many cohorts would hide each other and the lines.
    fn has_bands(self) -> bool {
        self.cohorts.len() <= 2
    }

    /// Marks of lines, with bands if there are few; `steps` draws a value as constant until it changes.
    fn marks<'n>(self, lines: impl Iterator<Item = (&'n str, &'n Line)>, steps: bool) -> Vec<Mark> {
        let marks = lines.enumerate().flat_map(|(series, (name, line))| marks(series, name, line, steps));
        marks.filter(|mark| self.has_bands() || !matches!(mark.shape, Shape::Band(_))).collect()
    }

    /// Marks of lines with bands clamped to the possible values, from `least` to `greatest`.
    fn marks_within<'n>(
        self,
        lines: impl Iterator<Item = (&'n str, &'n Line)>,
        steps: bool,
        (least, greatest): (f64, f64),
    ) -> Vec<Mark> {
        let mut marks = self.marks(lines, steps);
        for mark in &mut marks {
            if let Shape::Band(edges) = &mut mark.shape {
                edges.iter_mut().for_each(|(_, lo, hi)| {
                    (*lo, *hi) = (lo.clamp(least, greatest), hi.clamp(least, greatest));
                });
            }
        }
        marks
    }

    /// Actions, changes by users and starts of phases; empty if they differ between the cohorts.
    fn annotations(self) -> Vec<Annotation> {
        let mut runs = self.cohorts.iter().filter_map(|cohort| cohort.runs.first());
        let annotations = |run: &Run| -> Vec<Annotation> {
            let summary = &run.summary;
            let phases = summary.phases.iter().map(|it| Annotation { at: it.from_s, name: it.name.clone() });
            let mut all: Vec<Annotation> = phases.collect();
            let actions = run.timeline.iter().map(|it| Annotation { at: it.time_s, name: it.what.clone() });
            let edits = summary.edits.iter().map(|it| Annotation { at: it.at_s, name: it.message.clone() });
            for annotation in actions.chain(edits) {
                // At one time, the name of a phase explains more than the action at its start.
                if !all.iter().any(|known| known.at == annotation.at) {
                    all.push(annotation);
                }
            }
            all.sort_by(|a, b| a.at.total_cmp(&b.at));
            all
        };
        let Some(first) = runs.next().map(|run| annotations(run)) else { return Vec::new() };
        if runs.all(|run| annotations(run) == first) { first } else { Vec::new() }
    }

    /// Sentences for captions: the meaning of lines and bands, and the number of points left out.
    fn note(self) -> String {
        let mut note = Vec::new();
        if self.cohorts.iter().any(|cohort| cohort.runs.len() > 1) {
            let bands = if self.has_bands() { ", bands their 95 % confidence intervals" } else { "" };
            note.push(format!("Lines are means over seeds{bands}."));
        }
        if self.cohorts.len() > SERIES {
            note.push(format!("{SERIES} of {} points are shown; the table lists all.", self.cohorts.len()));
        }
        if self.cohorts.iter().any(Cohort::is_cut_short) {
            note.push(CUT_SHORT_NOTE.to_owned());
        }
        note.join(" ")
    }
}
