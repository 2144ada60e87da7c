//! The results folder of an experiment: one set of types writes and reads every file of it.
//!
//! A results folder holds the manifest, the plan, the components, and one folder for each run. An experiment
//! with a single run keeps that run's files in the same folder as the manifest.
//!
//! The section Results of `docs/experiments.md` lists the files. Each has one type, which names it in its constant `FILE`:
//!
//! * tables: a [`Row`], such as [`TimeseriesRow`];
//! * JSON: a [`JsonFile`] ([`Manifest`], [`Summary`], [`Ledger`], [`Topology`]);
//! * JSON lines: a [`LineFile`] ([`EventLine`], [`JourneyStep`], [`Checkpoint`]);
//! * copies of the inputs: [`PLAN`], the plan with the content of all files that it refers to, and [`COMPONENTS_FOLDER`],
//!   the behaviours and fault models that ran.
//!
//! To add a file, add its type here, one call that writes it and one that reads it. Names of fields are the names of
//! columns and of JSON fields, and are declared nowhere else.
//!
//! Units: seconds (`_s`), joules (`_j`), bytes (`_bytes`). A time is measured from the start of the run unless it says
//! UTC. An empty cell is a value that could not be measured, such as the number of deliveries on a cluster.

mod error;
mod files;
mod journeys;
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
pub use files::{read_text, write_atomically, write_atomically_with};
pub use journeys::{JourneyStep, Place};
pub use json::{JsonFile, pretty_json, read_json, read_json_if_exists, write_json};
pub use ledger::{BrokerLedger, DeviceLedger, FaultCounts, Ledger, LedgerCounts};
pub use lines::{Checkpoint, EventLine, LineFile, read_lines, write_line};
pub use manifest::{
    COMPONENTS_FOLDER, ClusterEntry, ComponentEntry, FORMAT, HostEntry, Manifest, PlanEntry, PointValues,
    RunEntry, TimeMode,
};
pub use plan::{PLAN, entry_name};
pub use summary::{
    DurationSummary, Edit, GroupSummary, ImplausibleLatencies, InvariantOutcome, PhaseSummary, Summary,
    SwapRefusal, ThresholdMiss, ThresholdOutcome, Traffic, Violation,
};
pub use table::{Row, header, parse_table, read_table, read_table_if_exists, rows, table, write_table};
pub use tables::*;
pub use topology::{Node, Topology};

/// Name of the pseudo-group of all groups, and of the pseudo-device of all devices.
pub const ALL: &str = "*";
