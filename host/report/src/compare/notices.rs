//! Notices above the figures: runs that ended early, unreadable plans, and sweeps without a common point.

use serde_json::Value;
use wasmote_results::PointValues;

use super::ComparedExperiment;
use crate::cohort::{Cohort, by_point, format_value};

/// Counts of the runs of an experiment that ended early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EarlyEnds {
    /// Runs ended by a threshold.
    pub aborted: usize,
    /// Runs ended by a signal.
    pub interrupted: usize,
    /// Runs of these that are left out of means, because their point has whole runs.
    pub left_out: usize,
    /// Runs of these that are shown with a mark, because their point has no whole run.
    pub marked: usize,
}

impl EarlyEnds {
    /// Counts the runs of an experiment.
    pub fn of(experiment: &ComparedExperiment) -> Self {
        let runs = || experiment.results.runs.iter().map(|run| &run.summary);
        let cohorts = by_point(&experiment.results);
        Self {
            aborted: runs().filter(|summary| summary.aborted).count(),
            interrupted: runs().filter(|summary| summary.interrupted).count(),
            left_out: cohorts.iter().map(|cohort| cohort.left_out.len()).sum(),
            marked: cohorts
                .iter()
                .filter(|cohort| cohort.is_cut_short())
                .map(|cohort| cohort.runs.len())
                .sum(),
        }
    }

    fn text(self, experiment: &ComparedExperiment) -> Option<String> {
        let Self { aborted, interrupted, left_out, marked } = self;
        let by = [(aborted, "by a threshold"), (interrupted, "by a signal")];
        let by: Vec<String> =
            by.iter().filter(|(count, _)| *count > 0).map(|(count, by)| format!("{count} {by}")).collect();
        let (all, early) = (experiment.results.runs.len(), left_out + marked);
        let of = if early == all { format!("all {all} runs") } else { format!("{early} of {all} runs") };
        let of = if all == 1 { "its only run".to_owned() } else { of };
        let were = if all == 1 { "was" } else { "were" };
        let mut text = format!("{}: {of} {were} ended early ({}).", experiment.letter, by.join(", "));
        if left_out > 0 {
            text += &format!(" {left_out} left out of means, because their figures cover a shorter time.");
        }
        if marked > 0 {
            text += &format!(
                " {marked} shown and marked †, because their points have no whole run; differences are not computed for \
                 them."
            );
        }
        (early > 0).then_some(text)
    }
}

/// All notices of a comparison.
pub(super) fn all(experiments: &[ComparedExperiment]) -> Vec<String> {
    let early = experiments.iter().filter_map(|experiment| EarlyEnds::of(experiment).text(experiment));
    let unread = experiments.iter().filter(|experiment| experiment.plan.is_none()).map(|experiment| {
        format!(
            "{}: its plan.toml cannot be read, so the plans are not compared field by field.",
            experiment.letter
        )
    });
    let apart = without_common_points(experiments).into_iter().map(|other| {
        let (first, other) = (&experiments[0], &experiments[other]);
        format!(
            "{} and {} have no point in common, so there is nothing to compare: {} has {}; {} has {}. Sweep the same \
             values in both.",
            first.letter,
            other.letter,
            first.letter,
            points(first),
            other.letter,
            points(other)
        )
    });
    early.chain(unread).chain(apart).collect()
}

/// Indices of the experiments that have no point in common with the first. If every experiment has a single point, those
/// points are compared even if they differ.
pub(super) fn without_common_points(experiments: &[ComparedExperiment]) -> Vec<usize> {
    let cohorts: Vec<Vec<Cohort<'_>>> =
        experiments.iter().map(|experiment| by_point(&experiment.results)).collect();
    if cohorts.iter().all(|cohorts| cohorts.len() == 1) {
        return Vec::new();
    }
    let has =
        |experiment: usize, point: &PointValues| cohorts[experiment].iter().any(|it| it.point == *point);
    let is_apart = |other: &usize| !cohorts[0].iter().any(|cohort| has(*other, &cohort.point));
    (1..experiments.len()).filter(is_apart).collect()
}

/// The first points of an experiment, as text.
fn points(experiment: &ComparedExperiment) -> String {
    const SHOWN: usize = 4;
    let cohorts = by_point(&experiment.results);
    let field = |(field, value): (&String, &Value)| format!("{field} = {}", format_value(value));
    let words = cohorts.iter().map(|cohort| match cohort.point.is_empty() {
        true => "no sweep".to_owned(),
        false => cohort.point.iter().map(field).collect::<Vec<_>>().join(", "),
    });
    let mut words: Vec<String> = words.take(SHOWN).collect();
    if cohorts.len() > SHOWN {
        words.push(format!("{} more", cohorts.len() - SHOWN));
    }
    words.join("; ")
}
