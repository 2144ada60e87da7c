//! Experiments: plans that run in virtual time, again and again with the same bytes.
//!
//! From a plan to its results, in this order:
//!
//! * [`source`]: a plan is found and read. [`document`]: what it can say, with [`seeds`], [`range`]s and
//!   [`threshold`]s; [`mod@path`]: setting one field of it. [`schema`]: the same for editors.
//! * [`topology`]: who is linked with whom.
//! * [`sweep`]: one plan becomes points. [`plan`]: points are checked, their [`script`]s with them; a `rehearsal`
//!   asks the behaviours themselves, and `blame` finds what was set wrong.
//! * [`execute`]: points and seeds become runs, on all cores. [`run`]: one of them, on its [`stage`], where a
//!   [`company`] of devices lives in a [`world`].
//! * What is seen: the [`recorder`] looks on at every step; [`watched`] behaviours feed the [`account`],
//!   which keeps its [`figures`] (with [`latencies`]) in [`cells`] of time and group; [`parts`] sums them up.
//! * [`real`]: a run whose world is a live fleet, and [`edits`], what users do to it over HTTP;
//!   [`sent`]: versions of behaviours among that. [`as_run`]: the plan with all of that in it.
//! * What is left behind: [`results`] (the folder and its manifest, and the plan in it, `kept_plan`), [`summary`], [`accounts`], [`tables`], [`columns`].
//! * [`verify`]: all of it again, and whether it came out the same. [`progress`]: how far it is.
//!
//! Everything in a run's folder follows from the plan, the seed and the components alone. What does not (when and
//! where it was computed, how long that took) is in the manifest.

pub mod account;
pub mod accounts;
pub mod as_run;
mod bits;
mod blame;
pub mod cells;
pub mod cluster;
pub mod columns;
pub mod company;
pub mod document;
pub mod edits;
pub mod execute;
pub mod figures;
mod kept_plan;
pub mod latencies;
mod nulls;
pub mod parts;
pub mod path;
pub mod plan;
pub mod progress;
pub mod range;
pub mod real;
pub mod recorder;
mod rehearsal;
pub mod results;
pub mod run;
pub mod schema;
pub mod script;
pub mod seeds;
pub mod sent;
pub mod so_far;
pub mod source;
pub mod stage;
pub mod summary;
pub mod sweep;
pub mod tables;
pub mod threshold;
pub mod topology;
pub mod verdict;
pub mod verify;
pub mod watched;
pub mod world;

use std::fmt::Display;
use std::io;

use crate::config::ConfigError;
use crate::document::DocumentError;
use crate::plan::PlanError;
use crate::run::RunError;

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
    /// A plan that makes no sense.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Devices that make no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A cluster that cannot be used, or cannot do this.
    #[error(transparent)]
    Cluster(#[from] cluster::ClusterError),
    /// Behaviours that cannot be used.
    #[error(transparent)]
    Plan(#[from] PlanError),
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
    /// Nobody listens where the broker is said to be.
    #[error(
        "no broker answers at {url}: {problem}; start one there, or leave --broker out for the embedded one"
    )]
    NoBroker {
        /// Its URL.
        url: String,
        /// What the system said.
        problem: io::Error,
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
            Self::Cluster(problem) => problem.is_usage(),
            _ => true,
        }
    }
}
