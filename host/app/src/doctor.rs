//! Checks of a machine for what a fleet needs, for `wasmote doctor`.
//!
//! * [`machine`]: descriptors, threads, ports, mappings, memory, processors, disks and the clock. [`programs`]: the Wasm engine,
//!   the toolchains of languages, and kubectl. [`fleet`]: the broker and the given behaviours.
//!
//! A check that the user has asked for, as by naming a broker, fails if the thing cannot work. The same check without the
//! request gives a warning at most.

pub mod fleet;
pub mod machine;
pub mod programs;

use serde::Serialize;

/// Outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing has to be done.
    Ok,
    /// Something is missing or scarce that was not asked for, or that does not prevent a run.
    Warning,
    /// What was asked for cannot work.
    Failed,
}

impl Verdict {
    /// Name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// Result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked, such as `broker`.
    pub check: &'static str,
    /// The outcome.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What the user can do, if something is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Finding {
    /// Nothing is wrong.
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), fix: None }
    }

    /// Something does not prevent a run, or was not asked for.
    pub fn warning(check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warning, found: found.into(), fix: Some(fix.into()) }
    }

    /// What was asked for cannot work.
    pub fn failed(check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed, ..Self::warning(check, found, fix) }
    }

    /// A problem: a failure if the user has asked for the thing, and a warning otherwise.
    pub fn problem(
        asked: bool,
        check: &'static str,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        match asked {
            true => Self::failed(check, found, fix),
            false => Self::warning(check, found, fix),
        }
    }
}
