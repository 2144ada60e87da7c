//! Latency percentiles over time.

use wasmote_results::TimeseriesRow;

use super::over_time::{POINTS, describe_line, duration, extent, line, weighted};
use super::{Figure, PlotInput};
use crate::number::seconds;
use crate::plot::axis::Axis;
use crate::plot::chart::Chart;

/// Part of a caption.
pub(super) const INTENDED_NOTE: &str = " Intended latency counts from the time at which a message was due, so it includes \
                                        the wait for a late publisher.";

/// The plot: three percentiles for one cohort, or the 95th percentile for several.
pub fn figure(input: PlotInput<'_>) -> Figure {
    let cohorts = input.representative_cohorts();
    let (mut lines, mut is_late) = (Vec::new(), false);
    match &cohorts[..] {
        [cohort] => {
            let percentile = |name: &str, of: fn(&TimeseriesRow) -> Option<f64>| {
                let line = line(cohort, POINTS, |bin| weighted(bin, |sample| of(&sample.row)));
                (name.to_owned(), line)
            };
            lines.push(percentile("p50", |row| row.latency_p50_s));
            lines.push(percentile("p95", |row| row.latency_p95_s));
            lines.push(percentile("p99", |row| row.latency_p99_s));
            is_late = cohort.traffic().any(|traffic| traffic.intended_latency_seconds.is_some());
            if is_late {
                lines.push(percentile("p99 intended", |row| row.intended_latency_p99_s));
            }
        }
        several => lines.extend(several.iter().map(|cohort| {
            let line = line(cohort, POINTS, |bin| weighted(bin, |sample| sample.row.latency_p95_s));
            (cohort.label.clone(), line)
        })),
    }
    let several = cohorts.len() > 1;
    let (_, hi) = extent(lines.iter().map(|(_, line)| line)).unwrap_or((0.0, 1.0));
    let descriptions: Vec<_> =
        lines.iter().map(|(name, line)| format!("{name} {}", describe_line(line, seconds))).collect();
    let title = if several { "Latency over time, 95th percentile" } else { "Latency percentiles over time" };
    let chart = Chart {
        name: "latency-over-time",
        title: title.to_owned(),
        description: format!("{title}: {}.", descriptions.join("; ")),
        x: Axis::time(duration(&cohorts)),
        y: Axis::latency("latency", hi),
        marks: input.marks_within(
            lines.iter().map(|(name, line)| (name.as_str(), line)),
            false,
            (0.0, f64::INFINITY),
        ),
        legend: if several { input.labels.to_owned() } else { String::new() },
        lanes: Vec::new(),
        annotations: input.annotations(),
    };
    let caption = "Percentiles of the messages published in each interval; gaps are intervals in which no message was delivered.";
    let intended = if is_late { INTENDED_NOTE } else { "" };
    Figure {
        drawing: chart.draw(),
        caption: format!("{caption}{intended} {}", input.note()).trim().to_owned(),
    }
}
