//! What users do over HTTP to a run in real time: told in its events, and kept as entries of a timeline, so that
//! what happened can happen again.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::{Value, json};
use wasmote_engine::Role;
use wasmote_live::fleet::{Fleet, PowerCommand};
use wasmote_mqtt::device_id::DeviceId;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_sim::http::HttpRequest;

use super::latencies::seconds;
use super::live_updates::LiveUpdates;
use super::recorder::RunObserver;
use super::results::{COMPONENTS_FOLDER, ComponentEntry, write_atomically};
use super::timeline::INHERIT;
use crate::fault_set::FaultSet;
use crate::server::audit::{AuditEntry, AuditLog, BehaviourSwap};
use crate::server::faults::registry::FaultScope;

/// One thing that a user did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditRecord {
    /// Seconds since the run began.
    pub at_s: f64,
    /// What was done, in words.
    pub message: String,
    /// The same as entries of a timeline.
    #[serde(skip)]
    pub entries: Vec<Value>,
    /// A component that came with it, by its file in the run's folder.
    #[serde(skip)]
    pub component: Option<ComponentEntry>,
}

/// Keeps a record of what users do.
pub struct AuditTrail {
    fleet: Fleet,
    observer: RunObserver,
    updates: Arc<LiveUpdates>,
    /// The run's, for components that users send.
    folder: PathBuf,
    entries: Mutex<Vec<AuditRecord>>,
}

impl AuditTrail {
    /// Nothing was done yet.
    pub fn new(fleet: Fleet, observer: RunObserver, updates: Arc<LiveUpdates>, folder: PathBuf) -> Self {
        Self { fleet, observer, updates, folder, entries: Mutex::default() }
    }

    /// Everything that was done.
    pub fn take(&self) -> Vec<AuditRecord> {
        std::mem::take(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn name(&self, device: usize) -> String {
        self.fleet.devices().get(device).map(|device| device.id.to_string()).unwrap_or_default()
    }

    /// What was done, in words and as entries of a timeline; those without a time are for now.
    fn describe(&self, edit: &AuditEntry) -> (String, Vec<Value>) {
        let (message, entry) = match edit {
            AuditEntry::Swap(swapped) => return self.swap(swapped),
            AuditEntry::Faults(scope, faults) => self.faults(scope, faults.as_ref()),
            AuditEntry::Power(device, order) => {
                let (verb, done) = match order {
                    PowerCommand::Start => ("start", "started"),
                    PowerCommand::Stop => ("stop", "stopped"),
                    PowerCommand::Crash => ("crash", "crashed"),
                };
                let name = self.name(*device);
                (format!("{name} {done}"), json!({ verb: { "devices": [name] } }))
            }
            AuditEntry::Publish(device, message) => describe_publish(&self.name(*device), message),
            AuditEntry::Request(device, request) => describe_request(&self.name(*device), request),
        };
        (message, vec![entry])
    }

    /// Canaries have a version before the rest of their group has it.
    fn swap(&self, swapped: &BehaviourSwap) -> (String, Vec<Value>) {
        let BehaviourSwap { behaviour, groups, began, canaries, trial, .. } = swapped;
        let devices = self.fleet.devices();
        let (file, trial_s) = (component_path(swapped), humantime::format_duration(*trial).to_string());
        let entry = |group: &str, at: Time| json!({"at": plan_time(at), "swap": {"group": group, "behaviour": file, "trial": trial_s}});
        let (mut first, mut then) = (Vec::new(), Vec::new());
        for group in groups {
            let of_group =
                |name: &&DeviceId| devices.iter().any(|it| it.id == **name && *it.group == **group);
            let names: Vec<&str> = canaries.iter().filter(of_group).map(DeviceId::as_str).collect();
            if !names.is_empty() {
                let mut early = entry(group, *began);
                early["swap"]["devices"] = names.into();
                first.push(early);
            }
            let rest = if canaries.is_empty() { *began } else { *began + *trial };
            then.push(entry(group, rest));
        }
        first.extend(then);
        let mut message = format!("{behaviour} swapped for version {}", version(swapped));
        if !canaries.is_empty() {
            let names: Vec<&str> = canaries.iter().map(DeviceId::as_str).collect();
            message += &format!(", first on {}", names.join(", "));
        }
        (message, first)
    }

    /// Keep the component that came with a change, so that the change can be made again.
    fn keep_component(&self, edit: &AuditEntry) -> Option<ComponentEntry> {
        let AuditEntry::Swap(swapped) = edit else { return None };
        self.updates.commit(&swapped.groups);
        let file = component_path(swapped);
        let path = self.folder.join(&file);
        if let Err(problem) = write_atomically(&path, &swapped.bytes) {
            self.observer.record_error(problem);
        }
        Some(ComponentEntry {
            name: swapped.behaviour.clone(),
            role: Role::Behaviour.to_string(),
            file,
            sha256: swapped.sha256.clone(),
            size_bytes: swapped.bytes.len(),
        })
    }

    fn faults(&self, scope: &FaultScope, faults: Option<&FaultSet>) -> (String, Value) {
        let (whose, mut entry) = match scope {
            FaultScope::Fleet => ("the fleet".to_owned(), json!({})),
            FaultScope::Group(name) => (format!("group {name}"), json!({ "group": name })),
            FaultScope::Device(device) => (self.name(*device), json!({ "device": self.name(*device) })),
        };
        let Some(faults) = faults else {
            entry["faults"] = INHERIT.into();
            return (format!("{whose}: back to the faults before"), entry);
        };
        entry["faults"] = serde_json::to_value(&faults.document).unwrap_or_default();
        let names: Vec<&str> = faults.faults.iter().map(|fault| &*fault.id).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        (format!("{whose}: other faults, {names}"), entry)
    }
}

fn describe_publish(device: &str, message: &Message) -> (String, Value) {
    let topic = message.topic.as_str();
    let payload = String::from_utf8_lossy(&message.payload);
    let publish = json!({
        "device": device,
        "topic": topic,
        "payload": payload,
        "qos": u8::from(message.qos),
        "retain": message.retain,
    });
    (format!("{device} made to publish on {topic}"), json!({ "publish": publish }))
}

fn describe_request(device: &str, request: &HttpRequest) -> (String, Value) {
    let HttpRequest { method, url, headers, body } = request;
    let headers: serde_json::Map<_, _> =
        headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let body = String::from_utf8_lossy(body);
    let request =
        json!({ "device": device, "method": method, "path": url, "headers": headers, "body": body });
    (format!("{device} asked: {method} {url}"), json!({ "request": request }))
}

impl AuditLog for AuditTrail {
    fn record(&self, edit: AuditEntry) {
        let now = self.fleet.now();
        if let AuditEntry::Power(device, PowerCommand::Stop | PowerCommand::Crash) = &edit {
            self.observer.mark_manual_switch(*device);
        }
        let (message, mut entries) = self.describe(&edit);
        self.observer.record_edit(now, &message);
        for entry in entries.iter_mut().filter(|entry| entry["at"].is_null()) {
            entry["at"] = plan_time(now.run).into();
        }
        let component = self.keep_component(&edit);
        let record = AuditRecord { at_s: seconds(now.run.as_nanos()), message, entries, component };
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }
}

/// Where a component that a user sent is kept, from the run's folder on: under its own name, for it is the name of the
/// behaviour.
fn component_path(swapped: &BehaviourSwap) -> String {
    format!("{COMPONENTS_FOLDER}/{}/{}.wasm", version(swapped), swapped.behaviour)
}

fn version(swapped: &BehaviourSwap) -> &str {
    swapped.sha256.get(..12).unwrap_or(&swapped.sha256)
}

/// A time as plans have it.
fn plan_time(at: Time) -> String {
    humantime::format_duration(at.elapsed()).to_string()
}
