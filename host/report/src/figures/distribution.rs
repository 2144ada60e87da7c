//! Cumulative distribution of latency.

use std::collections::BTreeMap;

use wasmote_results::{ALL, LatencyRow};

use super::latency::INTENDED_NOTE;
use super::{Figure, PlotInput};
use crate::cohort::Cohort;
use crate::number::{PERCENT, seconds};
use crate::plot::axis::Axis;
use crate::plot::chart::{Chart, Mark, Shape};
use crate::results::Run;

/// The plot; `None` if no message was delivered.
pub fn figure(input: PlotInput<'_>) -> Option<Figure> {
    let cohorts = input.representative_cohorts();
    let mut curves: Vec<(&str, Curve)> = cohorts
        .iter()
        .filter_map(|cohort| Some((cohort.label.as_str(), Curve::of(cohort, |bucket| Some(bucket.count))?)))
        .collect();
    let mut intended_note = "";
    if let [cohort] = &cohorts[..]
        && cohort.traffic().any(|traffic| traffic.intended_latency_seconds.is_some())
        && let Some(intended) = Curve::of(cohort, |bucket| bucket.intended_count)
    {
        curves.iter_mut().for_each(|(name, _)| *name = "latency");
        curves.push(("intended latency", intended));
        intended_note = INTENDED_NOTE;
    }
    let inner = |curve: &Curve| Some((curve.points.first()?.0, curve.points.last()?.0));
    let ends: Vec<(f64, f64)> = curves.iter().filter_map(|(_, curve)| inner(curve)).collect();
    let lo = ends.iter().map(|(lo, _)| *lo).reduce(f64::min)?;
    let hi = ends.iter().map(|(_, hi)| *hi).reduce(f64::max)?;
    let descriptions: Vec<_> =
        curves.iter().map(|(name, curve)| format!("{name} {}", curve.describe())).collect();
    let chart = Chart {
        name: "latency-distribution",
        title: "Distribution of latency".to_owned(),
        description: format!("Cumulative distribution of latency: {}.", descriptions.join("; ").trim()),
        x: Axis::latency_log("latency (logarithmic)", lo, hi),
        y: Axis::numbers("share of messages", 0.0, 1.0, PERCENT),
        marks: curves
            .iter()
            .enumerate()
            .map(|(series, (name, curve))| Mark {
                series,
                name: (*name).to_owned(),
                shape: Shape::Line(vec![curve.points.clone()]),
            })
            .collect(),
        legend: input.labels.to_owned(),
        lanes: Vec::new(),
        annotations: Vec::new(),
    };
    let mut caption =
        "Exact at the bounds of the histogram's buckets, interpolated linearly between them; all seeds of a \
                       point together."
            .to_owned();
    if curves.iter().any(|(_, curve)| curve.beyond > 0.0) {
        caption += " Messages missing to 100 % have a latency above the last bound.";
    }
    caption += intended_note;
    Some(Figure { drawing: chart.draw(), caption })
}

/// A cumulative distribution.
struct Curve {
    /// Latency in seconds, and the share of messages with at most this latency.
    points: Vec<(f64, f64)>,
    /// Share of messages above the last bound.
    beyond: f64,
}

impl Curve {
    fn of(cohort: &Cohort<'_>, count: impl Fn(&LatencyRow) -> Option<u64>) -> Option<Self> {
        // Integer nanoseconds, so that equal bounds of different runs compare equal.
        let mut counts: BTreeMap<u64, f64> = BTreeMap::new();
        for bucket in cohort.runs.iter().flat_map(|run| fleet_buckets(run)) {
            let nanos = (bucket.upper_bound_s * 1e9).round() as u64;
            // A file of an earlier version has one count.
            *counts.entry(nanos).or_default() += count(bucket).unwrap_or(bucket.count) as f64;
        }
        let total: f64 = counts.values().sum();
        let (mut sum, mut points) = (0.0, Vec::new());
        let mut below = None;
        for (bound, count) in counts.range(..u64::MAX) {
            let seconds = *bound as f64 / 1e9;
            if sum == 0.0 && *count > 0.0 {
                // Without a bucket below, which is left out if empty, the curve rises vertically here.
                points.push((below.unwrap_or(seconds).max(1e-9), 0.0));
            }
            sum += count;
            below = Some(seconds).filter(|seconds| *seconds > 0.0);
            if sum > 0.0 && seconds > 0.0 {
                points.push((seconds, sum / total));
            }
            if sum >= total {
                break;
            }
        }
        (!points.is_empty()).then(|| Self { points, beyond: 1.0 - sum / total })
    }

    fn describe(&self) -> String {
        let reaches = |share: f64| self.points.iter().find(|(_, reached)| *reached >= share);
        let describe =
            |share: f64| Some(format!("{} within {}", PERCENT.with_unit(share), seconds(reaches(share)?.0)));
        [0.5, 0.95, 0.99].into_iter().filter_map(describe).collect::<Vec<_>>().join(", ")
    }
}

/// Buckets of all devices: from the group `*`, or from all groups if it is missing.
fn fleet_buckets(run: &Run) -> impl Iterator<Item = &LatencyRow> {
    let has_all = run.buckets.iter().any(|bucket| bucket.group == ALL);
    run.buckets.iter().filter(move |bucket| !has_all || bucket.group == ALL)
}
