//! Experiments: a plan file becomes points, runs, recorded files and a results folder.
//!
//! The modules, in the order in which an experiment passes through them:
//!
//! * Plan. [`source`] finds and reads a plan file. [`plan_file`] is its document type, with the value types of
//!   [`seeds`], [`range`] and [`threshold`]. [`schema`] has its JSON Schema.
//!   [`invariant`] has the rules that must hold all the time, and [`hunt_table`] what a hunt may vary.
//! * Points. [`sweep`] combines the swept values into points. [`plan`] checks the points and compiles their
//!   behaviours, [`timeline`] orders the actions and phases, and `topology` computes the links between devices.
//!   `dry_run` checks that behaviours accept their configuration, and `error_attribution` names the override or swept
//!   value behind an error.
//! * Runs. [`execute`] runs every point with every seed on a pool of threads. [`run`] executes one run: its
//!   [`orchestrator`] applies the timeline to a [`population`] of devices, which a [`driver`] runs in virtual time or
//!   in real time. [`progress`] counts the steps done.
//! * Records. The [`recorder`] writes events, logs and the digest chain. [`instrumented`] behaviours report to the
//!   [`delivery_tracker`], which compares expected with actual deliveries. [`time_buckets`] holds the
//!   [`message_stats`] and [`latencies`] by time and group, and [`windows`] sums them for phases and groups.
//! * Real time. [`live_run`] runs a point on a live fleet with its HTTP API. [`audit`] records the changes that users
//!   make over HTTP, [`live_updates`] the behaviours that they upload, and [`effective_plan`] writes a plan that
//!   repeats both.
//! * Results. [`results`] creates the results folder with its manifest and plan (`plan_snapshot`). [`summary`],
//!   [`failures`], [`ledger_file`], [`tables`] and [`partial_timeseries`] produce the files of a run. Their types are in
//!   `wasmote_results`.
//! * Inspection. [`inspect`] returns the state of a run at one instant.
//! * Search. [`coverage`] tells a search for failures whether a run reaches new ground.
//! * Verification. [`verify`] repeats the runs of a results folder and compares the files byte by byte.
//!
//! In virtual time, the files of a run depend only on the plan, the seed and the components. The manifest holds
//! everything else: when and where the run was executed, and how long it took.

pub mod audit;
mod bitset;
pub mod coverage;
pub mod delivery_tracker;
pub mod driver;
mod dry_run;
pub mod effective_plan;
mod error_attribution;
pub mod execute;
pub mod failures;
pub mod hunt_table;
pub mod inspect;
pub mod instrumented;
pub mod invariant;
pub mod latencies;
pub mod ledger_file;
pub mod live_run;
pub mod live_updates;
pub mod message_stats;
pub mod orchestrator;
pub mod partial_timeseries;
pub mod plan;
pub mod plan_file;
mod plan_snapshot;
pub mod point;
pub mod population;
pub mod progress;
pub mod range;
pub mod recorder;
pub mod results;
pub mod run;
pub mod seeds;
pub mod source;
pub mod summary;
pub mod sweep;
pub mod tables;
pub mod threshold;
pub mod time_buckets;
pub mod timeline;
mod topology;
pub mod verify;
mod wall_clock;
pub mod windows;

use std::fmt::Display;
use std::io;

use wasmote_fleet::blueprints::BlueprintError;
use wasmote_fleet::config::ConfigError;
use wasmote_fleet::document::DocumentError;
use wasmote_fleet::startup::RunError;

/// Error of an experiment.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// No plan file and no built-in plan has this name.
    #[error(
        "there is no plan `{name}`: it is not a file, not in `experiments/`, and not a built-in plan ({known}){hint}"
    )]
    NoPlan {
        /// The name as given.
        name: String,
        /// Names of the built-in plans.
        known: String,
        /// Suggestion of a similar name; may be empty.
        hint: String,
    },
    /// A file exists and cannot be read.
    #[error("cannot read `{path}`: {problem}")]
    Unreadable {
        /// The file.
        path: String,
        /// Error of the operating system.
        problem: io::Error,
    },
    /// A results folder cannot be read.
    #[error(transparent)]
    Results(#[from] wasmote_results::ReadError),
    /// The plan document is invalid.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The configuration of devices is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A behaviour cannot be loaded or instantiated.
    #[error(transparent)]
    Plan(#[from] BlueprintError),
    /// A value is out of range, or values contradict each other.
    #[error("{place}: {problem}")]
    Invalid {
        /// File and field, or the flag, with the invalid value.
        place: String,
        /// The problem, and what to write instead.
        problem: String,
    },
    /// A live fleet did not start, or failed.
    #[error(transparent)]
    Live(#[from] RunError),
    /// No broker answers at the configured URL.
    #[error(
        "no broker answers at {url}: {problem}; start one there, or leave --broker out for the embedded one"
    )]
    NoBroker {
        /// URL of the broker.
        url: String,
        /// Reason why the connection failed.
        problem: String,
    },
    /// A live fleet has stopped answering.
    #[error("the fleet does not answer: {0}")]
    Fleet(String),
    /// The results cannot be written.
    #[error("cannot write `{path}`: {problem}")]
    Unwritable {
        /// The file or folder.
        path: String,
        /// Error of the operating system.
        problem: io::Error,
    },
}

impl ExperimentError {
    /// Error for an invalid value in a file or a flag.
    pub fn invalid(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid { place: place.into(), problem: problem.into() }
    }

    /// Converts errors of writing to this path.
    pub fn writing(path: &dyn Display) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_string();
        move |problem| Self::Unwritable { path: path.clone(), problem }
    }

    /// Whether the request of the user is invalid, so that nothing was run.
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Unwritable { .. } | Self::Live(_) | Self::NoBroker { .. } | Self::Fleet(_))
    }
}
