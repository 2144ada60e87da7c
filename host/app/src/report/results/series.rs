//! The tables of a run: `timeseries.csv`, `latency.csv` and `outages.csv`.

use super::ALL;
use super::csv::Table;
use crate::document::DocumentError;

/// One group, one interval of time. Counts are those of the interval; receptions count where their message was
/// published, so that no more are there than were expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// When the interval ends, in seconds.
    pub time_s: f64,
    /// Whose; `*` is all.
    pub group: String,
    /// Devices there are.
    pub devices: f64,
    /// Those that run, are connected, and not silent.
    pub up: f64,
    /// Those that a silence holds.
    pub silent: f64,
    /// Messages published.
    pub generated: f64,
    /// Receptions there would be in a perfect world.
    pub expected: f64,
    /// Receptions there were.
    pub delivered: f64,
    /// Median latency, in seconds.
    pub p50_s: Option<f64>,
    /// In seconds.
    pub p95_s: Option<f64>,
    /// In seconds.
    pub p99_s: Option<f64>,
    /// Joules in a battery, on average over the devices that have one.
    pub battery_mean_j: Option<f64>,
    /// Joules in the battery that has least.
    pub battery_min_j: Option<f64>,
    /// How far the clock is ahead that is least so; behind if negative.
    pub clock_min_s: Option<f64>,
    /// How far the clock is ahead that is most so.
    pub clock_max_s: Option<f64>,
    /// Changes of routes, of the whole fleet alone.
    pub route_changes: f64,
}

impl Sample {
    pub(super) fn all(table: &Table<'_>) -> Result<Vec<Self>, DocumentError> {
        let needed = [
            "time_s",
            "group",
            "devices",
            "up",
            "silent",
            "generated",
            "expected",
            "delivered",
            "latency_p50_s",
            "latency_p95_s",
            "latency_p99_s",
        ];
        let rows = table.rows(&needed)?;
        rows.map(|row| {
            Ok(Self {
                time_s: row.number("time_s")?,
                group: row.text("group").to_owned(),
                devices: row.number("devices")?,
                up: row.number("up")?,
                silent: row.number("silent")?,
                generated: row.number("generated")?,
                expected: row.number("expected")?,
                delivered: row.number("delivered")?,
                p50_s: row.optional("latency_p50_s")?,
                p95_s: row.optional("latency_p95_s")?,
                p99_s: row.optional("latency_p99_s")?,
                // Runs of earlier versions have none of these.
                battery_mean_j: row.optional("battery_mean_j")?,
                battery_min_j: row.optional("battery_min_j")?,
                clock_min_s: row.optional("clock_error_min_s")?,
                clock_max_s: row.optional("clock_error_max_s")?,
                route_changes: 0.0,
            })
        })
        .collect()
    }
}

/// A bucket of a latency histogram.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    /// Whose; `*` is all.
    pub group: String,
    /// Seconds; infinite for the last one.
    pub upper_bound_s: f64,
    /// Latencies in this bucket, those of lower buckets left out.
    pub count: f64,
}

impl Bucket {
    pub(super) fn all(table: &Table<'_>) -> Result<Vec<Self>, DocumentError> {
        let rows = table.rows(&["group", "upper_bound_s", "count"])?;
        rows.map(|row| {
            Ok(Self {
                group: row.text("group").to_owned(),
                upper_bound_s: row.number("upper_bound_s")?,
                count: row.number("count")?,
            })
        })
        .collect()
    }
}

/// A time in which a device was out, or the broker.
#[derive(Clone, Debug, PartialEq)]
pub struct Outage {
    /// Whose; `*` is the broker's, which concerns all.
    pub device: String,
    /// The device's; `*` with the broker.
    pub group: String,
    /// The fault's id.
    pub fault: String,
    /// The fault's kind.
    pub kind: String,
    /// Seconds from the start of the run.
    pub from_s: f64,
    /// Seconds from the start of the run; infinite where it had no end.
    pub to_s: f64,
}

impl Outage {
    /// What to call it: by the fault's id, and by its kind where the plan or a user did it without a name.
    pub fn name(&self) -> &str {
        let is_manual = self.fault == "http" || self.fault.starts_with("timeline");
        if is_manual { &self.kind } else { &self.fault }
    }

    /// Whether it is the broker's.
    pub fn is_broker_outage(&self) -> bool {
        self.device == ALL
    }

    pub(super) fn all(table: &Table<'_>) -> Result<Vec<Self>, DocumentError> {
        let rows = table.rows(&["device", "group", "fault", "kind", "from_s", "to_s"])?;
        rows.map(|row| {
            Ok(Self {
                device: row.text("device").to_owned(),
                group: row.text("group").to_owned(),
                fault: row.text("fault").to_owned(),
                kind: row.text("kind").to_owned(),
                from_s: row.number("from_s")?,
                to_s: row.optional("to_s")?.unwrap_or(f64::INFINITY),
            })
        })
        .collect()
    }
}
