//! A behaviour with its versions, and events of its updates.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::Serialize;
use wasmote_live::fleet::{RolloutReport, RolloutStep};

use crate::component_info::ComponentInfo;

/// Maximum of earlier versions that are kept.
const MAX_OLD_VERSIONS: usize = 10;

/// A behaviour that runs, with the versions that it had in this run.
#[derive(Clone, Debug)]
pub struct RunningBehaviour {
    /// The current version.
    pub info: ComponentInfo,
    /// This version and those before it, the latest first.
    pub versions: VecDeque<VersionInfo>,
    /// Counts of updates.
    pub updates: UpdateCounts,
    /// The last update that failed.
    pub last_refusal: Option<UpdateRefusal>,
}

/// Counts of a behaviour's updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct UpdateCounts {
    /// Updates that succeeded.
    pub done: u64,
    /// Updates that failed; the old version keeps running.
    pub refused: u64,
}

/// A version of a behaviour.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct VersionInfo {
    /// SHA-256 of the component.
    pub sha256: String,
    /// Origin of the component: `built-in`, a file, or `http`.
    pub source: String,
    /// Time at which devices began to get this version, in seconds since 1970.
    pub since: f64,
}

/// An update that failed.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct UpdateRefusal {
    /// Origin of the component: a file, or `http`.
    pub source: String,
    /// The reason.
    pub reason: String,
    /// Time of the update, in seconds since 1970.
    pub ts: f64,
}

/// An update in progress.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct UpdateProgress {
    /// What happens now: the component is compiled, canaries try it, or the other devices follow.
    pub step: UpdateStep,
    /// Origin of the component: a file, `http`, or `roll back`.
    pub source: String,
    /// Devices that try it first.
    pub canaries: Vec<String>,
    /// Seconds for which they do so.
    pub trial_s: f64,
    /// Time at which this step began, in seconds since 1970.
    pub since: f64,
    /// Devices that have been asked to change.
    pub done: u64,
    /// Devices that are to change.
    pub devices: u64,
}

/// Step of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum UpdateStep {
    /// The component is checked and compiled.
    Compiling,
    /// Canaries try it.
    Canaries,
    /// The other devices follow.
    Others,
}

impl UpdateProgress {
    pub(super) fn new(source: &str, trial: Duration) -> Self {
        Self {
            step: UpdateStep::Compiling,
            source: source.into(),
            canaries: Vec::new(),
            trial_s: trial.as_secs_f64(),
            since: now(),
            done: 0,
            devices: 0,
        }
    }

    pub(super) fn advance(&mut self, step: RolloutStep) {
        let next = match step {
            RolloutStep::Canaries(canaries) => {
                self.done = canaries.len() as u64;
                self.canaries = canaries.iter().map(ToString::to_string).collect();
                UpdateStep::Canaries
            }
            RolloutStep::Others(done) => {
                self.done = done;
                UpdateStep::Others
            }
        };
        if next != self.step {
            (self.step, self.since) = (next, now());
        }
    }
}

impl RunningBehaviour {
    pub(super) fn new(info: ComponentInfo) -> Self {
        let first = VersionInfo::now(&info);
        Self { info, versions: VecDeque::from([first]), updates: UpdateCounts::default(), last_refusal: None }
    }

    pub(super) fn replace(&mut self, info: ComponentInfo) {
        self.updates.done += 1;
        self.versions.truncate(MAX_OLD_VERSIONS);
        self.versions.push_front(VersionInfo::now(&info));
        self.info = info;
    }

    pub(super) fn record_failure(&mut self, source: &str, reason: &str) {
        self.updates.refused += 1;
        self.last_refusal = Some(UpdateRefusal { source: source.into(), reason: reason.into(), ts: now() });
    }
}

impl VersionInfo {
    fn now(info: &ComponentInfo) -> Self {
        Self { sha256: info.sha256.clone(), source: info.source.clone(), since: now() }
    }
}

/// Outcome of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// The update succeeded.
    Updated,
    /// The update failed.
    Refused,
}

impl UpdateOutcome {
    /// The kinds of these events.
    pub const KINDS: [&'static str; 2] = ["updated", "update_refused"];

    /// The kind of the event.
    pub fn kind(self) -> &'static str {
        Self::KINDS[self as usize]
    }
}

/// Event of an update, which belongs to no device.
#[derive(Clone, Debug, Serialize)]
pub struct UpdateEvent {
    /// Seconds since 1970.
    pub ts: f64,
    /// The outcome.
    #[serde(skip)]
    pub outcome: UpdateOutcome,
    /// The outcome as the event's kind.
    pub kind: &'static str,
    /// The behaviour.
    pub behaviour: String,
    /// SHA-256 of the version that runs after the update.
    pub sha256: String,
    /// Origin of the component.
    pub source: String,
    /// Description for people.
    pub message: String,
    /// The reason why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl UpdateEvent {
    pub(super) fn updated(
        name: &str,
        source: &str,
        info: &ComponentInfo,
        old: &ComponentInfo,
        rollout: &RolloutReport,
    ) -> Self {
        let RolloutReport { canaries, swapped, waiting, refused, first_refusal } = rollout;
        let (new, before) = (short(&info.sha256), short(&old.sha256));
        let mut message =
            format!("behaviour {name}: {new} from {source} replaced {before} on {swapped} devices");
        if !canaries.is_empty() {
            let names: Vec<&str> = canaries.iter().map(|canary| canary.as_str()).collect();
            message += &format!(", first on {}", names.join(", "));
        }
        if *waiting > 0 {
            message += &format!("; {waiting} follow when their hang ends");
        }
        if let Some((device, why)) = first_refusal {
            message += &format!("; {refused} keep the old version, of them {device}: {why}");
        }
        Self::new(UpdateOutcome::Updated, name, source, info, message, None)
    }

    pub(super) fn refused(name: &str, source: &str, old: &ComponentInfo, problem: String) -> Self {
        let current = short(&old.sha256);
        let message =
            format!("behaviour {name}: {current} runs on, as the update from {source} failed: {problem}");
        Self::new(UpdateOutcome::Refused, name, source, old, message, Some(problem))
    }

    fn new(
        outcome: UpdateOutcome,
        name: &str,
        source: &str,
        runs: &ComponentInfo,
        message: String,
        reason: Option<String>,
    ) -> Self {
        Self {
            ts: now(),
            outcome,
            kind: outcome.kind(),
            behaviour: name.into(),
            sha256: runs.sha256.clone(),
            source: source.into(),
            message,
            reason,
        }
    }
}

fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

/// Seconds since 1970, to the millisecond.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as f64 / 1_000.0
}
