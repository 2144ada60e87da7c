//! The plots of a report and of a comparison, one a file.

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

/// A plot and what a reader should know of it.
#[derive(Clone, Debug)]
pub struct Figure {
    /// The plot.
    pub drawing: Drawing,
    /// How to read it.
    pub caption: String,
}

/// What plots show: cohorts, and what their labels are values of.
#[derive(Clone, Copy, Debug)]
pub struct PlotInput<'a> {
    /// All of them.
    pub cohorts: &'a [Cohort<'a>],
    /// For legends; may be empty.
    pub labels: &'a str,
}

/// All plots that there is something to show in; first those of the sweep, if there is one.
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
    /// As many cohorts as colours tell apart, evenly chosen from all, the first and the last among them.
    fn representative_cohorts(self) -> Vec<&'a Cohort<'a>> {
        let count = self.cohorts.len();
        if count <= SERIES {
            return self.cohorts.iter().collect();
        }
        (0..SERIES).filter_map(|i| self.cohorts.get(i * (count - 1) / (SERIES - 1))).collect()
    }

    /// Bands of many cohorts would only hide each other, and the lines.
    fn has_bands(self) -> bool {
        self.cohorts.len() <= 2
    }

    /// Lines with the bands that there is room for; `steps` draws what stays until it changes.
    fn marks<'n>(self, lines: impl Iterator<Item = (&'n str, &'n Line)>, steps: bool) -> Vec<Mark> {
        let marks = lines.enumerate().flat_map(|(series, (name, line))| marks(series, name, line, steps));
        marks.filter(|mark| self.has_bands() || !matches!(mark.shape, Shape::Band(_))).collect()
    }

    /// The same, where intervals end at what can be.
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

    /// What was done to the runs when, and where phases begin, if that is the same for all.
    fn annotations(self) -> Vec<Annotation> {
        let mut runs = self.cohorts.iter().filter_map(|cohort| cohort.runs.first());
        let annotations = |run: &Run| -> Vec<Annotation> {
            let summary = &run.summary;
            let phases = summary.phases.iter().map(|it| Annotation { at: it.from_s, what: it.name.clone() });
            let mut all: Vec<Annotation> = phases.collect();
            let actions = run.timeline.iter().map(|it| Annotation { at: it.time_s, what: it.what.clone() });
            let edits = summary.edits.iter().map(|it| Annotation { at: it.at_s, what: it.message.clone() });
            for annotation in actions.chain(edits) {
                // A phase's name says why something is done with which it begins.
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

    /// What a caption says of what is left out, and of what lines and bands are.
    fn note(self) -> String {
        let mut note = Vec::new();
        if self.cohorts.iter().any(|cohort| cohort.runs.len() > 1) {
            let bands = if self.has_bands() { ", bands their 95 % confidence intervals" } else { "" };
            note.push(format!("Lines are means over seeds{bands}."));
        }
        if self.cohorts.len() > SERIES {
            note.push(format!("{SERIES} of {} points are shown; the table has all.", self.cohorts.len()));
        }
        if self.cohorts.iter().any(Cohort::is_cut_short) {
            note.push(CUT_SHORT_NOTE.to_owned());
        }
        note.join(" ")
    }
}
