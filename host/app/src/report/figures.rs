//! The plots of a report and of a comparison, one a file.

pub mod delivery;
pub mod devices;
pub mod distribution;
pub mod latency;
pub mod losses;
pub mod over_time;
pub mod routes;
pub mod supply;
pub mod sweep;

use super::cohort::{Cohort, MARKED};
use super::plot::Drawing;
use super::plot::chart::{Mark, Moment, Shape};
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
pub struct Shown<'a> {
    /// All of them.
    pub cohorts: &'a [Cohort<'a>],
    /// For legends; may be empty.
    pub labels: &'a str,
}

/// All plots that there is something to show in; first those of the sweep, if there is one.
pub fn all(shown: Shown<'_>) -> Vec<Figure> {
    if shown.cohorts.is_empty() {
        return Vec::new();
    }
    let mut figures = sweep::figures(shown);
    figures.push(delivery::figure(shown));
    figures.push(latency::figure(shown));
    figures.extend(distribution::figure(shown));
    figures.push(devices::figure(shown));
    figures.extend(losses::figure(shown));
    figures.extend(routes::figures(shown));
    figures.extend(supply::figures(shown));
    figures
}

impl<'a> Shown<'a> {
    /// As many cohorts as colours tell apart, evenly chosen from all, the first and the last among them.
    fn picked(self) -> Vec<&'a Cohort<'a>> {
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
    fn moments(self) -> Vec<Moment> {
        let mut runs = self.cohorts.iter().filter_map(|cohort| cohort.runs.first());
        let moments = |run: &Run| -> Vec<Moment> {
            let summary = &run.summary;
            let phases =
                summary.phases.iter().filter_map(|it| Some(Moment { at: it.from_s?, what: it.name.clone() }));
            let mut all: Vec<Moment> = phases.collect();
            let done = run.done.iter().map(|it| Moment { at: it.time_s, what: it.what.clone() });
            let edits = summary.edits.iter().map(|it| Moment { at: it.at_s, what: it.message.clone() });
            for moment in done.chain(edits) {
                // A phase's name says why something is done with which it begins.
                if !all.iter().any(|known| known.at == moment.at) {
                    all.push(moment);
                }
            }
            all.sort_by(|a, b| a.at.total_cmp(&b.at));
            all
        };
        let Some(first) = runs.next().map(|run| moments(run)) else { return Vec::new() };
        if runs.all(|run| moments(run) == first) { first } else { Vec::new() }
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
        if self.cohorts.iter().any(Cohort::is_cut) {
            note.push(MARKED.to_owned());
        }
        note.join(" ")
    }
}
