//! The results folder of an experiment: one set of types writes and reads every file of it.
//!
//! A results folder holds the manifest, the plan, the components, and one folder for each run. An experiment
//! with a single run keeps that run's files in the same folder as the manifest.
//!
//! | file | type | content |
//! |---|---|---|
//! | `manifest.json` | [`Manifest`] | plan, components, machine and time; seeds and digests of the runs |
//! | `plan.toml` | [`PLAN`] | the plan with the content of all files that it refers to |
//! | `components/` | [`COMPONENTS_FOLDER`] | the behaviours and fault models that ran |
//! | `summary.json` | [`Summary`] | figures of a run in total, by group and by phase; thresholds |
//! | `ledger.json` | [`Ledger`] | the fate of every message, by device and at the broker |
//! | `timeseries.csv` | [`TimeseriesRow`] | state and counts by interval and group |
//! | `latency.csv` | [`LatencyRow`] | latency histogram by group |
//! | `outages.csv` | [`OutageRow`] | outages of devices and of the broker |
//! | `timeline.csv` | [`TimelineRow`] | the actions of the plan's timeline as they were carried out |
//! | `routes.csv` | [`RouteRow`] | changes of next hops, where behaviours log them |
//! | `versions.csv` | [`VersionRow`] | the version of its behaviour that each device had |
//! | `topology.json` | [`Topology`] | nodes and links, where the plan has a topology |
//! | `events.ndjson` | [`EventLine`] | every event, one JSON object a line |
//! | `chain.ndjson` | [`Checkpoint`] | the digest of the run after every thousand steps |
//!
//! To add a file, add its type here ([`Row`] for CSV, [`JsonFile`] for JSON, [`LineFile`] for JSON lines), one call
//! that writes it and one that reads it. Names of fields are the names of columns and of JSON fields, and are declared
//! nowhere else.
//!
//! Units: seconds (`_s`), joules (`_j`), bytes (`_bytes`). A time is measured from the start of the run unless it says
//! UTC. An empty cell is a value that could not be measured, such as the number of deliveries on a cluster.

mod error;
mod files;
mod json;
mod ledger;
mod lines;
mod manifest;
mod plan;
mod summary;
mod table;
mod tables;
mod topology;

pub use error::{Malformed, ReadError};
pub use files::{write_atomically, write_atomically_with};
pub use json::{JsonFile, pretty_json, read_json, read_json_if_exists, write_json};
pub use ledger::{BrokerLedger, DeviceLedger, FaultCounts, Ledger, LedgerCounts};
pub use lines::{Checkpoint, EventLine, LineFile, read_lines, write_line};
pub use manifest::{
    COMPONENTS_FOLDER, ClusterEntry, ComponentEntry, FORMAT, HostEntry, Manifest, PlanEntry, PointValues,
    RunEntry, TimeMode,
};
pub use plan::{PLAN, entry_name};
pub use summary::{
    Edit, GroupSummary, LagSummary, LatencySummary, PhaseSummary, Summary, SwapRefusal, ThresholdMiss,
    ThresholdOutcome, Traffic,
};
pub use table::{Row, header, parse_table, read_table, read_table_if_exists, rows, table, write_table};
pub use tables::*;
pub use topology::{Node, Topology};

/// Name of the pseudo-group of all groups, and of the pseudo-device of all devices.
pub const ALL: &str = "*";
