//! Latency percentiles over time.

use super::over_time::{Line, POINTS, describe_line, duration, extent, line, weighted};
use super::{Figure, PlotInput};
use crate::number::seconds;
use crate::plot::axis::Axis;
use crate::plot::chart::Chart;

/// The plot: three percentiles for one cohort, or the 95th percentile for several.
pub fn figure(input: PlotInput<'_>) -> Figure {
    let cohorts = input.representative_cohorts();
    let lines: Vec<(String, Line)> = match &cohorts[..] {
        [cohort] => vec![
            ("p50".to_owned(), line(cohort, POINTS, |bin| weighted(bin, |sample| sample.row.latency_p50_s))),
            ("p95".to_owned(), line(cohort, POINTS, |bin| weighted(bin, |sample| sample.row.latency_p95_s))),
            ("p99".to_owned(), line(cohort, POINTS, |bin| weighted(bin, |sample| sample.row.latency_p99_s))),
        ],
        several => several
            .iter()
            .map(|cohort| {
                (
                    cohort.label.clone(),
                    line(cohort, POINTS, |bin| weighted(bin, |sample| sample.row.latency_p95_s)),
                )
            })
            .collect(),
    };
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
    Figure { drawing: chart.draw(), caption: format!("{caption} {}", input.note()).trim().to_owned() }
}
