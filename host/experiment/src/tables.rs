//! CSV files of a run, from its counts and records.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::time::Time;
use wasmote_results::{
    ALL, LatencyRow, LossRow, OutageRow, RouteRow, Row, TimelineRow, TimeseriesRow, write_table,
};

use super::ExperimentError;
use super::driver::DeviceSnapshot;
use super::latencies::seconds;
use super::point::Point;
use super::population::Population;
use super::recorder::outages::{OutageTarget, Outages};
use super::recorder::routes::Routes;
use super::time_buckets::TimeBuckets;
use super::windows;

/// State of the devices of a group, or of all groups, at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupState {
    at: Time,
    group: Option<usize>,
    /// Number of devices.
    pub devices: u64,
    /// Devices that run, are connected, and are not silent.
    pub up: u64,
    /// Devices under a silence fault.
    pub silent: u64,
    /// Energy left in each battery, in joules.
    joules: Vec<f64>,
    /// Error of each clock, in seconds.
    clocks: Vec<f64>,
}

impl GroupState {
    /// State of a group without devices.
    pub fn new(at: Time, group: Option<usize>) -> Self {
        Self { at, group, devices: 0, up: 0, silent: 0, joules: Vec::new(), clocks: Vec::new() }
    }

    /// Time of the state.
    pub fn at(&self) -> Time {
        self.at
    }

    /// Adds a device.
    pub fn add(&mut self, snapshot: &DeviceSnapshot) {
        self.devices += 1;
        self.up += u64::from(snapshot.is_up);
        self.silent += u64::from(snapshot.is_silent);
        self.joules.extend(snapshot.joules);
        self.clocks.push(snapshot.clock_error_s);
    }
}

/// Counts and records of a run that has ended.
pub(super) struct RunTables<'a> {
    pub point: &'a Point,
    pub population: &'a Population,
    pub buckets: &'a TimeBuckets,
    /// States at the ends of the intervals.
    pub states: &'a [GroupState],
    /// Executed actions.
    pub performed: &'a [Performed],
    /// Messages that each fault dropped, by the end of the interval.
    pub losses: &'a [(Time, String, u64)],
    pub outages: &'a Outages,
    pub routes: &'a Routes,
    /// End of the run.
    pub end: Time,
}

impl RunTables<'_> {
    /// Writes the files that need the whole run. The recorder writes `versions.csv` during the run.
    pub(super) fn write(&self, folder: &Path) -> Result<(), ExperimentError> {
        let Self { point, population, buckets, end, .. } = *self;
        let (groups, devices) = (&population.groups, &population.devices);
        write(folder, time_series(groups, buckets, Time::ZERO, self.states))?;
        write(folder, latencies(groups, buckets, windows::measured(point, end)))?;
        write(folder, outages(self.outages, devices, end))?;
        if !self.losses.is_empty() {
            write(folder, losses(self.losses))?;
        }
        if !self.routes.is_empty() {
            write(folder, routes(self.routes, devices))?;
        }
        if !point.timeline.steps.is_empty() {
            write(folder, timeline(self.performed, end))?;
        }
        Ok(())
    }
}

fn write<R: Row>(folder: &Path, rows: Vec<R>) -> Result<(), ExperimentError> {
    write_table(folder, rows).map_err(ExperimentError::writing(&folder.join(R::FILE).display()))
}

fn name(groups: &[String], group: Option<usize>) -> String {
    group.map_or_else(|| ALL.to_owned(), |group| groups[group].clone())
}

/// Rows of `timeseries.csv`. The first interval begins at `from`.
pub fn time_series(
    groups: &[String],
    buckets: &TimeBuckets,
    from: Time,
    states: &[GroupState],
) -> Vec<TimeseriesRow> {
    let mut before = from;
    let row = |(index, state): (usize, &GroupState)| {
        if index > 0 && states[index - 1].at < state.at {
            before = states[index - 1].at;
        }
        let stats = buckets.sum(before, state.at, state.group);
        TimeseriesRow {
            time_s: seconds(state.at.as_nanos()),
            group: name(groups, state.group),
            devices: state.devices,
            up: state.up,
            silent: state.silent,
            generated: stats.generated,
            sent: stats.sent,
            expected: Some(stats.expected),
            delivered: Some(stats.delivered),
            dropped: stats.dropped,
            latency_p50_s: stats.latencies.quantile(0.5),
            latency_p95_s: stats.latencies.quantile(0.95),
            latency_p99_s: stats.latencies.quantile(0.99),
            battery_mean_j: (!state.joules.is_empty()).then(|| mean(&state.joules)),
            battery_min_j: state.joules.iter().copied().reduce(f64::min),
            clock_error_min_s: state.clocks.iter().copied().reduce(f64::min),
            clock_error_max_s: state.clocks.iter().copied().reduce(f64::max),
            refused: stats.refused,
            intended_latency_p50_s: stats.intended.quantile(0.5),
            intended_latency_p95_s: stats.intended.quantile(0.95),
            intended_latency_p99_s: stats.intended.quantile(0.99),
        }
    };
    states.iter().enumerate().map(row).collect()
}

/// Mean, rounded to a microjoule: digits beyond that are rounding errors of the sum.
fn mean(values: &[f64]) -> f64 {
    (values.iter().sum::<f64>() / values.len() as f64 * 1e6).round() / 1e6
}

/// Rows of `routes.csv`.
fn routes(routes: &Routes, devices: &[Arc<Identity>]) -> Vec<RouteRow> {
    let row = |change: &super::recorder::routes::RouteChange| RouteRow {
        time_s: seconds(change.at.as_nanos()),
        device: devices.get(change.device as usize).map_or_else(String::new, |device| device.id.to_string()),
        destination: one_line(&change.destination),
        next_hop: change.route.as_ref().map(|route| one_line(&route.next_hop)),
        hops: change.route.as_ref().map(|route| route.hops),
    };
    routes.iter().map(row).collect()
}

/// Replaces line breaks in text of a behaviour or plan, so that each row of a table is one line of its file.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// Rows of `losses.csv`.
fn losses(losses: &[(Time, String, u64)]) -> Vec<LossRow> {
    let row = |(at, fault, dropped): &(Time, String, u64)| LossRow {
        time_s: seconds(at.as_nanos()),
        fault: fault.clone(),
        dropped: *dropped,
    };
    losses.iter().map(row).collect()
}

/// An action that was carried out.
pub(super) struct Performed {
    /// Time.
    pub at: Time,
    /// Name of the action.
    pub name: &'static str,
    /// Target and parameters.
    pub detail: String,
    /// Statuses of answers to HTTP requests.
    pub statuses: Option<String>,
}

/// Rows of `timeline.csv`.
fn timeline(performed: &[Performed], end: Time) -> Vec<TimelineRow> {
    let row = |Performed { at, name: what, detail, statuses }: &Performed| {
        let time_s = seconds(at.as_nanos());
        let (source, what, detail) = ("plan".to_owned(), one_line(what), one_line(detail));
        let statuses = statuses.clone();
        TimelineRow {
            time_s,
            source,
            what,
            detail,
            due_s: Some(time_s),
            requests: None,
            failed: None,
            statuses,
        }
    };
    performed.iter().filter(|it| it.at < end).map(row).collect()
}

/// Rows of `latency.csv` for the messages of an interval of time.
fn latencies(groups: &[String], buckets: &TimeBuckets, (from, to): (Time, Time)) -> Vec<LatencyRow> {
    let mut rows = Vec::new();
    for group in (0..groups.len()).map(Some).chain([None]) {
        let stats = buckets.sum(from, to, group);
        let mut counts: BTreeMap<u64, (u64, u64)> =
            stats.latencies.buckets().map(|(bound, count)| (bound, (count, 0))).collect();
        stats.intended.buckets().for_each(|(bound, count)| counts.entry(bound).or_default().1 = count);
        rows.extend(counts.into_iter().map(|(bound, (count, intended))| LatencyRow {
            group: name(groups, group),
            upper_bound_s: seconds(bound),
            count,
            intended_count: Some(intended),
        }));
    }
    rows
}

/// Rows of `outages.csv`.
fn outages(outages: &Outages, devices: &[Arc<Identity>], end: Time) -> Vec<OutageRow> {
    // In real time devices keep running after the end, while they disconnect.
    let during_run = outages.iter().filter(|outage| outage.from <= end);
    let row = |outage: &super::recorder::outages::Outage| {
        let (device, group) = match outage.target {
            OutageTarget::Device(device) => {
                (devices[device as usize].id.as_str(), &*devices[device as usize].group)
            }
            OutageTarget::Broker => (ALL, ALL),
        };
        OutageRow {
            device: device.to_owned(),
            group: group.to_owned(),
            fault: outage.fault.clone(),
            kind: outage.kind.to_owned(),
            from_s: seconds(outage.from.as_nanos()),
            to_s: Some(seconds(outage.to.unwrap_or(end).min(end).as_nanos())),
        }
    };
    during_run.map(row).collect()
}
