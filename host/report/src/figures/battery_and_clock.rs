//! Energy in batteries and errors of clocks over time.

use super::over_time::{Line, POINTS, describe_line, duration, extent, line, mean};
use super::{Figure, PlotInput};
use crate::cohort::Cohort;
use crate::number::{PLAIN, seconds, significant, time_unit};
use crate::plot::axis::Axis;
use crate::plot::chart::Chart;
use crate::results::Sample;

/// A value that a sample may lack.
type Reading = fn(&Sample) -> Option<f64>;

/// The plots that have data.
pub fn figures(input: PlotInput<'_>) -> Vec<Figure> {
    [batteries(input), clocks(input)].into_iter().flatten().collect()
}

fn any(input: PlotInput<'_>, has: impl Fn(&Sample) -> bool) -> bool {
    let samples = input.cohorts.iter().flat_map(|cohort| &cohort.runs).flat_map(|run| run.fleet());
    samples.into_iter().any(has)
}

/// The mean over the samples that have the value.
fn level(cohort: &Cohort<'_>, figure: Reading) -> Line {
    line(cohort, POINTS, |bin| {
        let there = bin.iter().filter(|sample| figure(sample).is_some()).copied().collect::<Vec<_>>();
        mean(&there, |sample| figure(sample).unwrap_or_default())
    })
}

fn batteries(input: PlotInput<'_>) -> Option<Figure> {
    any(input, |sample| sample.row.battery_mean_j.is_some()).then(|| {
        let cohorts = input.representative_cohorts();
        let lines: Vec<(String, Line)> = match &cohorts[..] {
            [cohort] => vec![
                ("mean".to_owned(), level(cohort, |sample| sample.row.battery_mean_j)),
                ("emptiest".to_owned(), level(cohort, |sample| sample.row.battery_min_j)),
            ],
            several => several
                .iter()
                .map(|cohort| (cohort.label.clone(), level(cohort, |sample| sample.row.battery_mean_j)))
                .collect(),
        };
        let (_, hi) = extent(lines.iter().map(|(_, line)| line)).unwrap_or((0.0, 1.0));
        let descriptions: Vec<_> = lines
            .iter()
            .map(|(name, line)| format!("{name} {}", describe_line(line, |it| significant(it, 3))))
            .collect();
        let chart = Chart {
            name: "battery-over-time",
            title: "Energy in batteries over time".to_owned(),
            description: format!("Joules left: {}.", descriptions.join("; ")),
            x: Axis::time(duration(&cohorts)),
            y: Axis::numbers("energy left (J)", 0.0, hi, PLAIN),
            marks: input.marks(lines.iter().map(|(name, line)| (name.as_str(), line)), false),
            legend: if cohorts.len() > 1 { input.labels.to_owned() } else { String::new() },
            lanes: Vec::new(),
            annotations: input.annotations(),
        };
        let caption = "Devices with a battery, including those whose battery is empty.";
        Figure { drawing: chart.draw(), caption: format!("{caption} {}", input.note()).trim().to_owned() }
    })
}

fn clocks(input: PlotInput<'_>) -> Option<Figure> {
    let wrong = |error: Option<f64>| error.is_some_and(|error| error != 0.0);
    any(input, |sample| wrong(sample.row.clock_error_min_s) || wrong(sample.row.clock_error_max_s)).then(|| {
        let cohorts = input.representative_cohorts();
        let several = cohorts.len() > 1;
        let ends: [(&str, Reading); 2] =
            [("furthest ahead", |sample| sample.row.clock_error_max_s), ("furthest behind", |sample| sample.row.clock_error_min_s)];
        let lines: Vec<(String, Line)> = cohorts
            .iter()
            .flat_map(|cohort| {
                ends.iter().map(move |(name, end)| {
                    let name = if several { cohort.label.clone() } else { (*name).to_owned() };
                    (name, level(cohort, *end))
                })
            })
            .collect();
        let (lo, hi) = extent(lines.iter().map(|(_, line)| line)).unwrap_or((0.0, 1.0));
        let descriptions: Vec<_> =
            lines.iter().map(|(name, line)| format!("{name} {}", describe_line(line, seconds))).collect();
        let chart = Chart {
            name: "clock-error-over-time",
            title: "Error of the clocks over time".to_owned(),
            description: format!("Seconds by which clocks are ahead: {}.", descriptions.join("; ")),
            x: Axis::time(duration(&cohorts)),
            y: Axis::numbers("ahead of the true time", lo.min(0.0), hi.max(0.0), time_unit(hi.max(-lo))),
            marks: input.marks(lines.iter().map(|(name, line)| (name.as_str(), line)), false),
            legend: if several { input.labels.to_owned() } else { String::new() },
            lanes: Vec::new(),
            annotations: input.annotations(),
        };
        let caption = "Timestamps that devices write into messages have this error; latencies are measured with the \
                       true time.";
        Figure { drawing: chart.draw(), caption: format!("{caption} {}", input.note()).trim().to_owned() }
    })
}
