//! Audit trail of a run in real time: the changes that users make over HTTP, in the run's events and as entries of a
//! timeline, so that `timeline-as-run.toml` can repeat them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};
use wasmote_engine::Role;
use wasmote_fleet::actions::audit::{AuditLog, BehaviourUpdate};
use wasmote_fleet::actions::entry::TimelineEntry;
use wasmote_fleet::actions::swap::Swap;
use wasmote_fleet::actions::{Action, TimelineAction};
use wasmote_live::fleet::Fleet;
use wasmote_mqtt::device_id::DeviceId;
use wasmote_results::{COMPONENTS_FOLDER, ComponentEntry, write_atomically};
use wasmote_sim::device::Now;
use wasmote_sim::faults::span::Span;

use super::latencies::seconds;
use super::live_updates::LiveUpdates;
use super::recorder::RunObserver;

/// A change that a user made.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRecord {
    /// Seconds since the run began.
    pub at_s: f64,
    /// Description of the change.
    pub message: String,
    /// The change as entries of a plan's timeline.
    pub entries: Vec<Value>,
    /// The component that the user uploaded with the change, in the run's folder.
    pub component: Option<ComponentEntry>,
}

/// Records the changes that users make over HTTP.
pub struct AuditTrail {
    fleet: Fleet,
    observer: RunObserver,
    updates: Arc<LiveUpdates>,
    /// The run's folder, for uploaded components.
    folder: PathBuf,
    entries: Mutex<Vec<AuditRecord>>,
}

impl AuditTrail {
    /// An empty trail.
    pub fn new(fleet: Fleet, observer: RunObserver, updates: Arc<LiveUpdates>, folder: PathBuf) -> Self {
        Self { fleet, observer, updates, folder, entries: Mutex::default() }
    }

    /// Removes and returns all records.
    pub fn take(&self) -> Vec<AuditRecord> {
        std::mem::take(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Entries that roll out an uploaded version again: on the canaries first, and on the rest of each group after
    /// the trial.
    fn swaps(&self, update: &BehaviourUpdate) -> Vec<TimelineEntry> {
        let BehaviourUpdate { groups, began, canaries, trial, .. } = update;
        let devices = self.fleet.devices();
        let swap = |group: &str, devices: Option<Vec<String>>| {
            let (share, count, sha256, config) = (None, None, None, Map::new());
            let (group, behaviour, trial) = (group.to_owned(), component_path(update), Span(*trial));
            Action::Swap(Swap { group, devices, share, count, behaviour, sha256, config, trial })
        };
        let (mut first, mut then) = (Vec::new(), Vec::new());
        for group in groups {
            let of_group =
                |name: &&DeviceId| devices.iter().any(|it| it.id == **name && *it.group == **group);
            let names: Vec<String> = canaries.iter().filter(of_group).map(DeviceId::to_string).collect();
            if !names.is_empty() {
                first.push(TimelineEntry::new(*began, swap(group, Some(names))));
            }
            let rest = if canaries.is_empty() { *began } else { *began + *trial };
            then.push(TimelineEntry::new(rest, swap(group, None)));
        }
        first.extend(then);
        first
    }

    /// Keeps an uploaded component in the run's folder, so that the plan as run can name it.
    fn keep_component(&self, update: &BehaviourUpdate) -> ComponentEntry {
        self.updates.commit(&update.groups);
        let file = component_path(update);
        let path = self.folder.join(&file);
        if let Err(problem) = write_atomically(&path, &update.bytes) {
            self.observer.record_error(problem);
        }
        ComponentEntry {
            origin: None,
            name: update.behaviour.clone(),
            role: Role::Behaviour.to_string(),
            file,
            sha256: update.sha256.clone(),
            size_bytes: update.bytes.len(),
        }
    }

    fn push(&self, now: Now, message: String, entries: &[TimelineEntry], component: Option<ComponentEntry>) {
        self.observer.record_edit(now, &message);
        let entries = entries.iter().map(|entry| serde_json::to_value(entry).unwrap_or_default()).collect();
        let record = AuditRecord { at_s: seconds(now.run.as_nanos()), message, entries, component };
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }
}

impl AuditLog for AuditTrail {
    fn record(&self, action: Action) {
        let now = self.fleet.now();
        for device in
            action.switched_off().and_then(|selector| selector.devices.as_ref()).into_iter().flatten()
        {
            self.fleet.position(device).into_iter().for_each(|at| self.observer.mark_manual_switch(at));
        }
        let message = action.describe_edit().unwrap_or_else(|| action.name().to_owned());
        self.push(now, message, &[TimelineEntry::new(now.run, action)], None);
    }

    fn record_update(&self, update: BehaviourUpdate) {
        let now = self.fleet.now();
        let component = self.keep_component(&update);
        self.push(now, describe_update(&update), &self.swaps(&update), Some(component));
    }
}

fn describe_update(update: &BehaviourUpdate) -> String {
    let message = format!("{} swapped for version {}", update.behaviour, version(update));
    match &*update.canaries {
        [] => message,
        canaries => {
            let names: Vec<&str> = canaries.iter().map(DeviceId::as_str).collect();
            format!("{message}, first on {}", names.join(", "))
        }
    }
}

/// File of an uploaded component below the run's folder. The file is named after the behaviour, because a behaviour's
/// name comes from its file.
fn component_path(update: &BehaviourUpdate) -> String {
    format!("{COMPONENTS_FOLDER}/{}/{}.wasm", version(update), update.behaviour)
}

fn version(update: &BehaviourUpdate) -> &str {
    update.sha256.get(..12).unwrap_or(&update.sha256)
}
