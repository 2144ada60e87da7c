//! A results folder, read back from disk.

pub mod csv;
pub mod manifest;
pub mod network;
mod partial;
pub mod series;
pub mod summary;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::error::Error;
use crate::document::{self, Format};
use csv::Table;
use manifest::{Manifest, RunEntry};
use network::{Network, RouteChange, TimelineRow};
use series::{Bucket, Outage, Sample};
use summary::Summary;

/// Everything a report needs to know of an experiment.
#[derive(Clone, Debug)]
pub struct Results {
    /// The folder.
    pub dir: PathBuf,
    /// What was run, by whom and with what.
    pub manifest: Manifest,
    /// The runs that ended, in the manifest's order.
    pub runs: Vec<Run>,
    /// The runs that did not, which only an incomplete experiment has.
    pub unfinished: Vec<RunEntry>,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// As the manifest lists it.
    pub entry: RunEntry,
    /// The figures at its end.
    pub summary: Summary,
    /// The figures over time, by group; the group `*` is all.
    pub samples: Vec<Sample>,
    /// The latency histogram, by group, in ascending order.
    pub buckets: Vec<Bucket>,
    /// When devices were out, and by which fault.
    pub outages: Vec<Outage>,
    /// Who is linked with whom, where the plan says it.
    pub network: Option<Network>,
    /// Which way devices send, where behaviours tell it; in the order of time.
    pub routes: Vec<RouteChange>,
    /// What was done to the run, by its plan.
    pub timeline: Vec<TimelineRow>,
    /// The account of the messages, as written; that of single devices is left out.
    pub ledger: serde_json::Value,
}

impl Results {
    /// Read a folder.
    ///
    /// # Errors
    /// Names the file, and the line where there is one. In a folder whose manifest says that it is incomplete,
    /// runs without a `summary.json` are no error.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        let file = dir.join("manifest.json");
        if dir.is_dir() && !file.exists() {
            return Err(Error::NoResults { dir: dir.to_path_buf() });
        }
        let manifest: Manifest = read_json(&file)?;
        if manifest.format != manifest::FORMAT {
            return Err(Error::Format { file, found: manifest.format });
        }
        let (mut runs, mut unfinished) = (Vec::new(), Vec::new());
        for entry in &manifest.runs {
            let folder = entry.folder(dir, &file)?;
            if !manifest.complete && !folder.join("summary.json").exists() {
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

    /// Whether all that was planned is here.
    pub fn is_complete(&self) -> bool {
        self.manifest.complete && self.unfinished.is_empty()
    }
}

impl Run {
    fn read(folder: &Path, entry: &RunEntry) -> Result<Self, Error> {
        let mut ledger: serde_json::Value = read_json(&folder.join("ledger.json"))?;
        // Single devices are not shown, and there can be very many.
        ledger.as_object_mut().map(|whole| whole.remove("devices"));
        let routes = optional(&folder.join("routes.csv"), RouteChange::all)?;
        let mut samples = read_csv(&folder.join("timeseries.csv"), Sample::all)?;
        count_changes(&mut samples, &routes);
        let network = folder.join("topology.json");
        Ok(Self {
            network: if network.exists() { Some(read_json(&network)?) } else { None },
            routes,
            timeline: optional(&folder.join("timeline.csv"), TimelineRow::all)?,
            entry: entry.clone(),
            summary: read_json(&folder.join("summary.json"))?,
            samples,
            buckets: read_csv(&folder.join("latency.csv"), Bucket::all)?,
            outages: read_csv(&folder.join("outages.csv"), Outage::all)?,
            ledger,
        })
    }

    /// One that was killed, or is under way, as far as it went; `None` where no interval of it is on disk.
    fn read_partial(folder: &Path, entry: &RunEntry) -> Result<Option<Self>, Error> {
        let samples = optional(&folder.join("timeseries.csv"), Sample::all)?;
        let network = folder.join("topology.json");
        Ok(match Summary::from_partial(&samples) {
            None => None,
            Some(summary) => Some(Self {
                network: if network.exists() { Some(read_json(&network)?) } else { None },
                routes: Vec::new(),
                timeline: Vec::new(),
                entry: entry.clone(),
                summary,
                samples,
                buckets: Vec::new(),
                outages: Vec::new(),
                ledger: serde_json::Value::Null,
            }),
        })
    }

    /// The samples of the whole fleet.
    pub fn fleet(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(|sample| sample.group == ALL)
    }
}

/// Enter into the fleet's samples how many routes changed in each interval.
fn count_changes(samples: &mut [Sample], routes: &[RouteChange]) {
    let mut changes = routes.iter().peekable();
    for sample in samples.iter_mut().filter(|sample| sample.group == ALL) {
        while changes.next_if(|change| change.time_s <= sample.time_s).is_some() {
            sample.route_changes += 1.0;
        }
    }
}

/// What stands for all groups.
pub const ALL: &str = "*";

fn read(file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|source| Error::Read { file: file.to_path_buf(), source })
}

fn read_json<T: DeserializeOwned>(file: &Path) -> Result<T, Error> {
    Ok(document::parse(&read(file)?, Format::Json).map_err(|problem| problem.in_file(file.display()))?)
}

/// A table that not every run has.
fn optional<T>(file: &Path, rows: Rows<T>) -> Result<Vec<T>, Error> {
    if file.exists() { read_csv(file, rows) } else { Ok(Vec::new()) }
}

type Rows<T> = fn(&Table<'_>) -> Result<Vec<T>, document::DocumentError>;

fn read_csv<T>(file: &Path, rows: Rows<T>) -> Result<Vec<T>, Error> {
    let text = read(file)?;
    let rows = Table::parse(&text).and_then(|table| rows(&table));
    Ok(rows.map_err(|problem| problem.in_file(file.display()))?)
}
