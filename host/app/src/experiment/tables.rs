//! The CSV files of a run. Numbers are written in the shortest way that reads back the same.

use std::fmt::Write;
use std::sync::Arc;

use wasmote_sim::device_id::Identity;
use wasmote_sim::time::Time;

use super::cells::Cells;
use super::latencies::seconds;
use super::recorder::outages::Outages;

/// The state of a group, or of all devices, at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    at: Time,
    group: Option<usize>,
    /// Devices that there are.
    pub devices: u64,
    /// Devices that run, are connected, and not silent.
    pub up: u64,
    /// Devices that a silence holds.
    pub silent: u64,
}

impl Row {
    /// Of a group with nobody in it.
    pub fn new(at: Time, group: Option<usize>) -> Self {
        Self { at, group, devices: 0, up: 0, silent: 0 }
    }
}

/// The name of all groups together.
pub const ALL: &str = "*";

fn name(groups: &[String], group: Option<usize>) -> &str {
    group.map_or(ALL, |group| &groups[group])
}

fn optional(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// `timeseries.csv`: state at the end of each interval, and counts within it.
pub fn time_series(groups: &[String], cells: &Cells, rows: &[Row]) -> String {
    let mut text = String::from(
        "time_s,group,devices,up,silent,generated,sent,expected,delivered,dropped,latency_p50_s,\
         latency_p95_s,latency_p99_s\n",
    );
    let mut before = Time::ZERO;
    for (at, row) in rows.iter().enumerate() {
        if at > 0 && rows[at - 1].at < row.at {
            before = rows[at - 1].at;
        }
        let figures = cells.sum(before, row.at, row.group);
        let quantile = |share| optional(figures.latencies.quantile(share));
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{},{},{},{},{},{}",
            seconds(row.at.as_nanos()),
            name(groups, row.group),
            row.devices,
            row.up,
            row.silent,
            figures.generated,
            figures.sent,
            figures.expected,
            figures.delivered,
            figures.dropped,
            quantile(0.5),
            quantile(0.95),
            quantile(0.99),
        );
    }
    text
}

/// `latency.csv`: how many messages took how long, after the warm-up.
pub fn latencies(groups: &[String], cells: &Cells, (from, to): (Time, Time)) -> String {
    let mut text = String::from("group,upper_bound_s,count\n");
    for group in (0..groups.len()).map(Some).chain([None]) {
        for (bound, count) in cells.sum(from, to, group).latencies.buckets() {
            let _ = writeln!(text, "{},{},{count}", name(groups, group), seconds(bound));
        }
    }
    text
}

/// `outages.csv`: what came over which device, from when to when.
pub fn outages(outages: &Outages, devices: &[Arc<Identity>], end: Time) -> String {
    let mut text = String::from("device,group,fault,kind,from_s,to_s\n");
    for outage in outages.iter() {
        let device = &devices[outage.device as usize];
        let (from, to) = (outage.from.as_nanos(), outage.to.unwrap_or(end).as_nanos());
        let _ = writeln!(
            text,
            "{},{},{},{},{},{}",
            device.id,
            device.group,
            outage.fault,
            outage.kind,
            seconds(from),
            seconds(to)
        );
    }
    text
}
