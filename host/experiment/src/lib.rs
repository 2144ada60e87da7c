//! Experiments: plans that run in virtual time, again and again with the same bytes.
//!
//! From a plan to its results, in this order:
//!
//! * [`source`]: a plan is found and read. [`plan_file`]: what it can say, with [`seeds`], [`range`]s and
//!   [`threshold`]s. [`schema`]: the same for editors.
//! * `topology`: the plan's topology, and the groups that get its links.
//! * [`sweep`]: one plan becomes points. [`plan`]: points are checked, their [`timeline`]s with them; a `dry_run`
//!   asks the behaviours themselves, and `error_attribution` finds what was set wrong.
//! * [`execute`]: points and seeds become runs, on all cores. [`run`]: one of them, on its [`orchestrator`], where a
//!   [`population`] of devices lives in a [`driver`].
//! * What is seen: the [`recorder`] looks on at every step; [`instrumented`] behaviours feed the [`delivery_tracker`],
//!   which keeps its [`message_stats`] (with [`latencies`]) in [`time_buckets`] of time and group; [`windows`] sums them up.
//! * [`live_run`]: a run whose world is a live fleet, and [`audit`], what users do to it over HTTP;
//!   [`live_updates`]: versions of behaviours among that. [`effective_plan`]: the plan with all of that in it.
//! * Results files, whose types are those of `wasmote_results`: [`results`] creates the folder with its manifest and plan
//!   (`plan_snapshot`); [`summary`], [`ledger_file`] and [`tables`] fill it.
//! * [`verify`]: all of it again, and whether it came out the same. [`progress`]: how far it is.
//!
//! Everything in a run's folder follows from the plan, the seed and the components alone. What does not (when and
//! where it was computed, how long that took) is in the manifest.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod audit;
mod bitset;
pub mod delivery_tracker;
pub mod driver;
mod dry_run;
pub mod effective_plan;
mod error_attribution;
pub mod execute;
pub mod instrumented;
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
mod strip_nulls;
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

/// Why an experiment came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// Neither a file nor a name that is known.
    #[error(
        "there is no plan `{name}`: it is no file, not in `experiments/`, and none that ships ({known}){hint}"
    )]
    NoPlan {
        /// What was given.
        name: String,
        /// The names that need no file.
        known: String,
        /// A name that may have been meant.
        hint: String,
    },
    /// A file that is there and cannot be read.
    #[error("cannot read `{path}`: {problem}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        problem: io::Error,
    },
    /// A results folder that cannot be read.
    #[error(transparent)]
    Results(#[from] wasmote_results::ReadError),
    /// A plan that makes no sense.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Devices that make no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Behaviours that cannot be used.
    #[error(transparent)]
    Plan(#[from] BlueprintError),
    /// A value out of range, or things that do not go together.
    #[error("{place}: {problem}")]
    Invalid {
        /// The file and the field, or the flag.
        place: String,
        /// What is wrong and what to write instead.
        problem: String,
    },
    /// A live fleet could not be brought up, or came to nothing.
    #[error(transparent)]
    Live(#[from] RunError),
    /// No broker answers where it is said to be.
    #[error(
        "no broker answers at {url}: {problem}; start one there, or leave --broker out for the embedded one"
    )]
    NoBroker {
        /// Its URL.
        url: String,
        /// Why the connection failed.
        problem: String,
    },
    /// A live fleet does not answer any more.
    #[error("the fleet does not answer: {0}")]
    Fleet(String),
    /// The results cannot be written.
    #[error("cannot write `{path}`: {problem}")]
    Unwritable {
        /// The file or folder.
        path: String,
        /// What the system said.
        problem: io::Error,
    },
}

impl ExperimentError {
    /// Something wrong with what the user asked for.
    pub fn invalid(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid { place: place.into(), problem: problem.into() }
    }

    /// What to make of an error from writing there.
    pub fn writing(path: &dyn Display) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_string();
        move |problem| Self::Unwritable { path: path.clone(), problem }
    }

    /// Whether the user asked for something that makes no sense, and nothing was run yet.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Unwritable { .. } | Self::Live(_) | Self::NoBroker { .. } | Self::Fleet(_) => false,
            _ => true,
        }
    }
}
