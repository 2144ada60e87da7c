//! Reader of results folders, including those of incomplete experiments.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wasmote_results::{
    ALL, JsonFile, LatencyRow, Ledger, Manifest, OutageRow, RouteRow, RunEntry, Summary, TimelineRow,
    TimeseriesRow, Topology, Traffic, read_json, read_json_if_exists, read_table, read_table_if_exists,
};

use super::error::Error;

/// A results folder.
#[derive(Clone, Debug)]
pub struct Results {
    /// The folder.
    pub dir: PathBuf,
    /// Manifest of the folder.
    pub manifest: Manifest,
    /// Runs that have ended or have written intervals, in the order of the manifest.
    pub runs: Vec<Run>,
    /// Runs without any interval, which only an incomplete experiment has.
    pub unfinished: Vec<RunEntry>,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The run in the manifest.
    pub entry: RunEntry,
    /// Figures at the end.
    pub summary: Summary,
    /// True if the run was killed, so that its summary is computed from its intervals, warm-up included.
    pub is_partial: bool,
    /// Figures of all groups together over time.
    pub samples: Vec<Sample>,
    /// Latency histograms by group, in ascending order.
    pub buckets: Vec<LatencyRow>,
    /// Outages of devices and of the broker.
    pub outages: Vec<OutageRow>,
    /// The plan's topology, if it has one.
    pub topology: Option<Topology>,
    /// Changes of routes in the order of time, if behaviours log them.
    pub routes: Vec<RouteRow>,
    /// Actions of the plan's timeline.
    pub timeline: Vec<TimelineRow>,
    /// The ledger without those of single devices; `None` if the run was killed.
    pub ledger: Option<Ledger>,
}

/// One interval of time of all groups together.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// State and counts.
    pub row: TimeseriesRow,
    /// Number of changes of routes.
    pub route_changes: u64,
}

impl Sample {
    /// Receptions that a run without any loss would have.
    pub fn expected(&self) -> f64 {
        self.row.expected.unwrap_or(0) as f64
    }

    /// Receptions that happened.
    pub fn delivered(&self) -> f64 {
        self.row.delivered.unwrap_or(0) as f64
    }
}

impl Results {
    /// Reads a folder.
    ///
    /// # Errors
    /// A file is missing or malformed; the error names it, with the line if there is one. In an incomplete experiment,
    /// a run without `summary.json` is not an error.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        let manifest = Manifest::read(dir)?;
        let (mut runs, mut unfinished) = (Vec::new(), Vec::new());
        for entry in &manifest.runs {
            let folder = entry.folder(dir)?;
            if !manifest.complete && !folder.join(Summary::FILE).exists() {
                match Run::read_partial(&folder, entry)? {
                    Some(run) => runs.push(run),
                    None => unfinished.push(entry.clone()),
                }
            } else {
                runs.push(Run::read(&folder, entry)?);
            }
        }
        Ok(Self { dir: dir.to_path_buf(), manifest, runs, unfinished })
    }

    /// True if all runs of the plan have ended.
    pub fn is_complete(&self) -> bool {
        self.manifest.complete && self.unfinished.is_empty()
    }
}

impl Run {
    fn read(folder: &Path, entry: &RunEntry) -> Result<Self, Error> {
        let mut ledger: Ledger = read_json(folder)?;
        // Reports do not show single devices, of which there can be very many.
        ledger.devices = Vec::new();
        let routes = read_table_if_exists(folder)?;
        Ok(Self {
            samples: samples(read_table(folder)?, &routes),
            routes,
            topology: read_json_if_exists(folder)?,
            timeline: read_table_if_exists(folder)?,
            entry: entry.clone(),
            summary: read_json(folder)?,
            is_partial: false,
            buckets: read_table(folder)?,
            outages: read_table(folder)?,
            ledger: Some(ledger),
        })
    }

    /// Reads the intervals of a run that was killed or is still running; `None` if it has written none.
    fn read_partial(folder: &Path, entry: &RunEntry) -> Result<Option<Self>, Error> {
        let samples = samples(read_table_if_exists(folder)?, &[]);
        let Some(summary) = partial_summary(&samples) else { return Ok(None) };
        Ok(Some(Self {
            entry: entry.clone(),
            summary,
            is_partial: true,
            samples,
            buckets: Vec::new(),
            outages: Vec::new(),
            topology: read_json_if_exists(folder)?,
            routes: Vec::new(),
            timeline: Vec::new(),
            ledger: None,
        }))
    }

    /// The samples of all groups together.
    pub fn fleet(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter()
    }
}

/// The rows of all groups together, with the number of routes that changed in each interval.
fn samples(rows: Vec<TimeseriesRow>, routes: &[RouteRow]) -> Vec<Sample> {
    let mut changes = routes.iter().peekable();
    let fleet = rows.into_iter().filter(|row| row.group == ALL);
    let sample = |row: TimeseriesRow| {
        let mut route_changes = 0;
        while changes.next_if(|change| change.time_s <= row.time_s).is_some() {
            route_changes += 1;
        }
        Sample { row, route_changes }
    };
    fleet.map(sample).collect()
}

/// The sum of the intervals of a run that was killed. Faults, latencies and the ledger are written only at the end.
fn partial_summary(samples: &[Sample]) -> Option<Summary> {
    let last = &samples.last()?.row;
    let sum = |count: fn(&TimeseriesRow) -> u64| samples.iter().map(|sample| count(&sample.row)).sum::<u64>();
    let (expected, delivered) = (sum(|row| row.expected.unwrap_or(0)), sum(|row| row.delivered.unwrap_or(0)));
    Some(Summary {
        duration_s: last.time_s,
        devices: last.devices,
        traffic: Traffic {
            generated: sum(|row| row.generated),
            expected,
            delivered,
            delivery_ratio: (expected > 0).then(|| delivered as f64 / expected as f64),
            ..Traffic::default()
        },
        interrupted: true,
        ..Summary::default()
    })
}

/// The routes at one time: the next hop of each device and destination.
pub fn routes_at(changes: &[RouteRow], time_s: f64) -> BTreeMap<(&str, &str), &str> {
    let mut routes = BTreeMap::new();
    for change in changes.iter().take_while(|change| change.time_s <= time_s) {
        let key = (change.device.as_str(), change.destination.as_str());
        match &change.next_hop {
            Some(next_hop) => drop(routes.insert(key, next_hop.as_str())),
            None => drop(routes.remove(&key)),
        }
    }
    routes
}
