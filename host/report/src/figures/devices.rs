//! Devices up over time, with strips for outages of devices and of the broker.

use std::collections::BTreeMap;

use super::over_time::{Line, POINTS, describe_line, duration, extent, line, mean};
use super::{Figure, PlotInput};
use crate::cohort::Cohort;
use crate::number::{PERCENT, significant};
use crate::plot::axis::Axis;
use crate::plot::chart::Chart;
use crate::plot::lanes::Lane;

/// Number of intervals of a strip.
const TIME_SLOTS: usize = 120;
/// Number of shades for the share of affected devices.
const SHADES: f64 = 12.0;
/// Greatest number of strips.
const LANES: usize = 6;

/// The plot: counts for one cohort, or shares for several, because their fleets may differ in size.
pub fn figure(input: PlotInput<'_>) -> Figure {
    let cohorts = input.representative_cohorts();
    let several = cohorts.len() > 1;
    let lines: Vec<(String, Line)> = match &cohorts[..] {
        [cohort] => vec![
            ("up".to_owned(), line(cohort, POINTS, |bin| mean(bin, |sample| sample.row.up as f64))),
            ("all".to_owned(), line(cohort, POINTS, |bin| mean(bin, |sample| sample.row.devices as f64))),
        ],
        several => several
            .iter()
            .map(|cohort| {
                let share = |bin: &super::over_time::Bin<'_>| {
                    let devices =
                        mean(bin, |sample| sample.row.devices as f64).filter(|devices| *devices > 0.0)?;
                    Some(mean(bin, |sample| sample.row.up as f64)? / devices)
                };
                (cohort.label.clone(), line(cohort, POINTS / 3, share))
            })
            .collect(),
    };
    let (lo, hi) = extent(lines.iter().map(|(_, line)| line)).unwrap_or((0.0, 1.0));
    let samples = cohorts.iter().flat_map(|cohort| &cohort.runs).flat_map(|run| run.fleet());
    let greatest = samples.map(|sample| sample.row.devices as f64).fold(0.0, f64::max);
    let written = |value: f64| if several { PERCENT.with_unit(value) } else { significant(value, 3) };
    let descriptions: Vec<_> =
        lines.iter().map(|(name, line)| format!("{name} {}", describe_line(line, written))).collect();
    let duration = duration(&cohorts);
    let (lanes, left_out) = lanes(&cohorts, duration);
    let faults: Vec<_> = lanes.iter().map(|lane| lane.name.as_str()).collect();
    let faults =
        if faults.is_empty() { String::new() } else { format!(" Outages by {}.", faults.join(", ")) };
    let chart = Chart {
        name: "devices-over-time",
        title: if several { "Share of devices up over time" } else { "Devices up over time" }.to_owned(),
        description: format!("Devices over time: {}.{faults}", descriptions.join("; ")),
        x: Axis::time(duration),
        y: if several {
            Axis::percent("devices", lo, hi.min(1.0))
        } else {
            Axis::counts("devices", greatest)
        },
        marks: input.marks_within(
            lines.iter().map(|(name, line)| (name.as_str(), line)),
            true,
            (0.0, if several { 1.0 } else { greatest }),
        ),
        legend: if several { input.labels.to_owned() } else { String::new() },
        lanes,
        annotations: input.annotations(),
    };
    Figure { drawing: chart.draw(), caption: caption(input, &faults, left_out) }
}

fn caption(input: PlotInput<'_>, faults: &str, left_out: usize) -> String {
    let mut caption = match faults {
        "" => "No fault caused an outage.".to_owned(),
        _ => "Shades and strips show the share of devices that each fault affects; the darkest is all devices, as in an \
              outage of the broker."
            .to_owned(),
    };
    if left_out > 0 {
        caption += &format!(" {left_out} faults that affected fewer devices are not shown.");
    }
    caption.insert_str(0, "A device is up if it runs, is connected and is not silent. ");
    format!("{caption} {}", input.note()).trim().to_owned()
}

/// A strip for each fault, in descending order of affected devices, and the number of faults without a strip.
fn lanes(cohorts: &[&Cohort<'_>], duration: f64) -> (Vec<Lane>, usize) {
    let runs: Vec<_> = cohorts.iter().flat_map(|cohort| &cohort.runs).collect();
    let part = duration / TIME_SLOTS as f64;
    let mut shares: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for run in &runs {
        let all = 1.0 / runs.len() as f64;
        let device = all / run.summary.devices.max(1) as f64;
        for outage in &run.outages {
            let affected = if outage.is_broker_outage() { all } else { device };
            let share = shares.entry(outage.name()).or_insert_with(|| vec![0.0; TIME_SLOTS]);
            let (from, to) = (outage.from_s.max(0.0), outage.end_s().min(duration));
            let first = ((from / part) as usize).min(TIME_SLOTS - 1);
            for (index, slot) in share.iter_mut().enumerate().skip(first) {
                let start = index as f64 * part;
                if start >= to {
                    break;
                }
                *slot += affected * ((start + part).min(to) - start.max(from)).max(0.0) / part;
            }
        }
    }
    let mut order: Vec<(&str, Vec<f64>)> = shares.into_iter().collect();
    let weight = |share: &[f64]| share.iter().sum::<f64>();
    order.sort_by(|a, b| weight(&b.1).total_cmp(&weight(&a.1)).then(a.0.cmp(b.0)));
    let left_out = order.len().saturating_sub(LANES);
    order.truncate(LANES);
    let lane = |(name, share): (&str, Vec<f64>)| Lane { name: name.to_owned(), spans: spans(&share, part) };
    (order.into_iter().map(lane).collect(), left_out)
}

/// Merges adjacent intervals of the same shade into spans.
fn spans(share: &[f64], part: f64) -> Vec<(f64, f64, f64)> {
    let mut spans: Vec<(f64, f64, f64)> = Vec::new();
    for (index, share) in share.iter().enumerate().filter(|(_, share)| **share > 0.0) {
        let level = (share.min(1.0) * SHADES).ceil() / SHADES;
        let (from, to) = (index as f64 * part, (index + 1) as f64 * part);
        match spans.last_mut() {
            Some(last) if last.2 == level && last.1 >= from - part * 1e-6 => last.1 = to,
            _ => spans.push((from, to, level)),
        }
    }
    spans
}
