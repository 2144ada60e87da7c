//! The CSV files of a run. Numbers are written in the shortest way that reads back the same.

use std::fmt::Write;
use std::sync::Arc;

use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::time::Time;

use super::driver::DeviceSnapshot;
use super::latencies::seconds;
use super::recorder::outages::{OutageTarget, Outages};
use super::recorder::routes::Routes;
use super::time_buckets::TimeBuckets;

/// The state of a group, or of all devices, at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupState {
    at: Time,
    group: Option<usize>,
    /// Devices that there are.
    pub devices: u64,
    /// Devices that run, are connected, and not silent.
    pub up: u64,
    /// Devices that a silence holds.
    pub silent: u64,
    /// What is left in each battery.
    joules: Vec<f64>,
    /// How wrong each clock is, in seconds.
    clocks: Vec<f64>,
}

impl GroupState {
    /// Of a group with nobody in it.
    pub fn new(at: Time, group: Option<usize>) -> Self {
        Self { at, group, devices: 0, up: 0, silent: 0, joules: Vec::new(), clocks: Vec::new() }
    }
}

impl GroupState {
    /// When it ends.
    pub fn at(&self) -> Time {
        self.at
    }

    /// A device is like this.
    pub fn add(&mut self, snapshot: &DeviceSnapshot) {
        self.devices += 1;
        self.up += u64::from(snapshot.is_up);
        self.silent += u64::from(snapshot.is_silent);
        self.joules.extend(snapshot.joules);
        self.clocks.push(snapshot.clock_error_s);
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

/// The head of `timeseries.csv`.
pub const TIME_SERIES_HEADER: &str = "time_s,group,devices,up,silent,generated,sent,expected,delivered,dropped,latency_p50_s,\
                               latency_p95_s,latency_p99_s,battery_mean_j,battery_min_j,clock_error_min_s,\
                               clock_error_max_s\n";

/// `timeseries.csv`: state at the end of each interval, and counts within it.
pub fn time_series(groups: &[String], buckets: &TimeBuckets, rows: &[GroupState]) -> String {
    TIME_SERIES_HEADER.to_owned() + &time_series_rows(groups, buckets, Time::ZERO, rows)
}

/// The lines of some rows, the first of which begin then.
pub fn time_series_rows(groups: &[String], buckets: &TimeBuckets, from: Time, rows: &[GroupState]) -> String {
    let mut text = String::new();
    let mut before = from;
    for (at, row) in rows.iter().enumerate() {
        if at > 0 && rows[at - 1].at < row.at {
            before = rows[at - 1].at;
        }
        let stats = buckets.sum(before, row.at, row.group);
        let quantile = |share| optional(stats.latencies.quantile(share));
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            seconds(row.at.as_nanos()),
            name(groups, row.group),
            row.devices,
            row.up,
            row.silent,
            stats.generated,
            stats.sent,
            stats.expected,
            stats.delivered,
            stats.dropped,
            quantile(0.5),
            quantile(0.95),
            quantile(0.99),
            optional((!row.joules.is_empty()).then(|| mean(&row.joules))),
            optional(row.joules.iter().copied().reduce(f64::min)),
            optional(row.clocks.iter().copied().reduce(f64::min)),
            optional(row.clocks.iter().copied().reduce(f64::max)),
        );
    }
    text
}

/// To the microjoule: what is beyond that is noise of the adding up.
fn mean(values: &[f64]) -> f64 {
    (values.iter().sum::<f64>() / values.len() as f64 * 1e6).round() / 1e6
}

/// `routes.csv`: each time that a device told of another way; without a next hop it has none any more.
pub fn routes(routes: &Routes, devices: &[Arc<Identity>]) -> String {
    let mut text = String::from("time_s,device,destination,next_hop,hops\n");
    for change in routes.iter() {
        let device = devices.get(change.device as usize).map_or("", |device| device.id.as_str());
        let (next_hop, hops) = match &change.route {
            Some(route) => (quoted(&route.next_hop), route.hops.to_string()),
            None => Default::default(),
        };
        let (at, destination) = (seconds(change.at.as_nanos()), quoted(&change.destination));
        let _ = writeln!(text, "{at},{device},{destination},{next_hop},{hops}");
    }
    text
}

/// A cell that a behaviour's words cannot break out of.
fn quoted(text: &str) -> String {
    let plain = |c: char| !c.is_control() && !matches!(c, '"' | ',');
    let shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().all(plain) { shown } else { format!("\"{}\"", shown.replace('"', "\"\"")) }
}

/// `timeline.csv`: what was done to the run, when, by whom, and in detail.
pub fn timeline(performed: &[(Time, &str, String)], end: Time) -> String {
    let mut text = String::from("time_s,source,what,detail\n");
    for (at, what, detail) in performed.iter().filter(|(at, _, _)| *at < end) {
        let _ = writeln!(text, "{},plan,{},{}", seconds(at.as_nanos()), quoted(what), quoted(detail));
    }
    text
}

/// The head of `latency.csv`.
pub const LATENCIES_HEADER: &str = "group,upper_bound_s,count\n";

/// `latency.csv`: how many messages took how long, after the warm-up.
pub fn latencies(groups: &[String], buckets: &TimeBuckets, (from, to): (Time, Time)) -> String {
    let mut text = String::from(LATENCIES_HEADER);
    for group in (0..groups.len()).map(Some).chain([None]) {
        for (bound, count) in buckets.sum(from, to, group).latencies.buckets() {
            let _ = writeln!(text, "{},{},{count}", name(groups, group), seconds(bound));
        }
    }
    text
}

/// The head of `outages.csv`.
pub const OUTAGES_HEADER: &str = "device,group,fault,kind,from_s,to_s\n";

/// `outages.csv`: what came over which device, from when to when; over all of them if it was the broker that failed.
pub fn outages(outages: &Outages, devices: &[Arc<Identity>], end: Time) -> String {
    let mut text = String::from(OUTAGES_HEADER);
    // In real time devices go on for a while after the end, as they take their leave.
    for outage in outages.iter().filter(|outage| outage.from <= end) {
        let (device, group) = match outage.target {
            OutageTarget::Device(device) => {
                (devices[device as usize].id.as_str(), &*devices[device as usize].group)
            }
            OutageTarget::Broker => (ALL, ALL),
        };
        let (from, to) = (outage.from.as_nanos(), outage.to.unwrap_or(end).min(end).as_nanos());
        let _ = writeln!(
            text,
            "{device},{group},{},{},{},{}",
            outage.fault,
            outage.kind,
            seconds(from),
            seconds(to)
        );
    }
    text
}
