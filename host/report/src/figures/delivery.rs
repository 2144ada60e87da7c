//! Delivery ratio over time.

use super::over_time::{Line, POINTS, describe_line, duration, extent, line, sum};
use super::{Figure, PlotInput};
use crate::number::PERCENT;
use crate::plot::axis::Axis;
use crate::plot::chart::Chart;
use crate::results::Sample;

/// The plot.
pub fn figure(input: PlotInput<'_>) -> Figure {
    let cohorts = input.representative_cohorts();
    let lines: Vec<(&str, Line)> = cohorts
        .iter()
        .map(|cohort| {
            let ratio = line(cohort, POINTS, |bin| {
                let expected = sum(bin, Sample::expected);
                (expected > 0.0).then(|| sum(bin, Sample::delivered) / expected)
            });
            (cohort.label.as_str(), ratio)
        })
        .collect();
    let (lo, hi) = extent(lines.iter().map(|(_, line)| line)).unwrap_or((0.0, 1.0));
    let descriptions: Vec<_> = lines
        .iter()
        .map(|(name, line)| format!("{name} {}", describe_line(line, |share| PERCENT.with_unit(share))))
        .collect();
    let chart = Chart {
        name: "delivery-over-time",
        title: "Delivery over time".to_owned(),
        description: format!(
            "Share of expected messages that were delivered: {}.",
            descriptions.join("; ").trim()
        ),
        x: Axis::time(duration(&cohorts)),
        y: Axis::percent("delivered", lo, hi.min(1.0)),
        marks: input.marks_within(lines.iter().map(|(name, line)| (*name, line)), false, (0.0, 1.0)),
        legend: input.labels.to_owned(),
        lanes: Vec::new(),
        annotations: input.annotations(),
    };
    let caption = "Receptions divided by expected receptions of the messages of an interval. A message counts in the \
                   interval in which it was published.";
    Figure { drawing: chart.draw(), caption: format!("{caption} {}", input.note()).trim().to_owned() }
}
