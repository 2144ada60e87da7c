//! Tables of the figures by group and by phase.

use std::collections::BTreeSet;

use wasmote_results::Traffic;

use super::table::Table;
use crate::cohort::Cohort;
use crate::metric::Metric;
use crate::number::{Unit, fixed, seconds};
use crate::results::Run;
use crate::statistics::Estimate;

const METRICS: [Metric; 8] = [
    Metric::DeliveryRatio,
    Metric::LatencyP50,
    Metric::LatencyP95,
    Metric::LatencyP99,
    Metric::IntendedP95,
    Metric::IntendedP99,
    Metric::Generated,
    Metric::Delivered,
];

/// A row: the first cells, such as name and devices, and the figures of each run.
type TableRow<'a> = (Vec<String>, Vec<&'a Traffic>);

/// A table of groups if there are several, and a table of phases if there are any.
pub fn sections(cohorts: &[Cohort<'_>]) -> String {
    let mut text = String::new();
    let groups: Vec<(&Cohort<'_>, Vec<TableRow<'_>>)> =
        cohorts.iter().map(|it| (it, groups_of(it))).collect();
    if groups.iter().any(|(_, rows)| rows.len() > 1) {
        text += &section("groups", "Groups", &["group", "devices"], cohorts, &groups);
    }
    let phases: Vec<(&Cohort<'_>, Vec<TableRow<'_>>)> =
        cohorts.iter().map(|it| (it, phases_of(it))).collect();
    if phases.iter().any(|(_, rows)| !rows.is_empty()) {
        text += &section("phases", "Phases", &["phase", "from", "to"], cohorts, &phases);
    }
    text
}

fn groups_of<'a>(cohort: &Cohort<'a>) -> Vec<TableRow<'a>> {
    let names: BTreeSet<&str> =
        cohort.runs.iter().flat_map(|run| run.summary.groups.keys().map(String::as_str)).collect();
    let row = |name: &str| {
        let of_run = |run: &&'a Run| run.summary.groups.get(name);
        let devices = cohort.runs.iter().find_map(of_run).map_or(0, |group| group.devices);
        let traffic = cohort.runs.iter().filter_map(of_run).map(|group| &group.traffic).collect();
        (vec![name.to_owned(), devices.to_string()], traffic)
    };
    names.into_iter().map(row).collect()
}

fn phases_of<'a>(cohort: &Cohort<'a>) -> Vec<TableRow<'a>> {
    let count = cohort.runs.iter().map(|run| run.summary.phases.len()).max().unwrap_or(0);
    let row = |index: usize| {
        let of_run = |run: &&'a Run| run.summary.phases.get(index);
        let first = cohort.runs.iter().find_map(of_run)?;
        let name = if first.name.is_empty() { (index + 1).to_string() } else { first.name.clone() };
        let traffic = cohort.runs.iter().filter_map(of_run).map(|phase| &phase.traffic).collect();
        Some((vec![name, seconds(first.from_s), seconds(first.to_s)], traffic))
    };
    (0..count).filter_map(row).collect()
}

fn section(
    id: &str,
    heading: &str,
    names: &[&str],
    cohorts: &[Cohort<'_>],
    rows: &[(&Cohort<'_>, Vec<TableRow<'_>>)],
) -> String {
    let estimate = |metric: Metric, traffic: &[&Traffic]| {
        let values: Vec<f64> = traffic.iter().filter_map(|traffic| metric.of_traffic(traffic)).collect();
        Estimate::of(&values)
    };
    let all = || rows.iter().flat_map(|(_, rows)| rows).map(|(_, traffic)| traffic);
    let traffic = || all().flatten().copied();
    let metrics: Vec<(Metric, Unit)> = METRICS
        .into_iter()
        .filter(|metric| metric.is_of_interest(traffic()))
        .map(|metric| {
            let means = all().filter_map(|traffic| estimate(metric, traffic)).map(|it| it.mean);
            (metric, metric.unit(means.fold(0.0, f64::max)))
        })
        .collect();
    let mut table = Table::new("Means over seeds with 95 % confidence intervals.");
    let swept: Vec<&String> = cohorts.first().map(|it| it.point.keys().collect()).unwrap_or_default();
    swept.iter().for_each(|field| table.column(field));
    names.iter().for_each(|name| table.column(name));
    for (metric, unit) in &metrics {
        table.column_of_numbers(&unit.heading(metric.name()));
    }
    for (cohort, rows) in rows {
        for (names, traffic) in rows {
            let mut row: Vec<String> = cohort.point.values().map(crate::cohort::format_value).collect();
            row.extend(names.iter().cloned());
            row.extend(metrics.iter().map(|(metric, unit)| match estimate(*metric, traffic) {
                None => "–".to_owned(),
                Some(it) if it.half_width.is_none() && !metric.is_latency() && unit.name.is_empty() => {
                    fixed(it.mean, 0)
                }
                Some(it) => unit.estimate(it.mean, it.half_width),
            }));
            table.row(row);
        }
    }
    format!("<section id=\"{id}\">\n<h2>{heading}</h2>\n{}</section>\n", table.html())
}
