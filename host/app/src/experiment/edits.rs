//! What users do over HTTP to a run in real time: told in its events, and kept as entries of a timeline, so that
//! what happened can happen again.

use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde_json::{Value, json};
use wasmote_live::fleet::{Fleet, Order};
use wasmote_sim::http::HttpRequest;
use wasmote_sim::message::Message;
use wasmote_sim::time::Time;

use super::latencies::seconds;
use super::recorder::Eyes;
use super::script::INHERIT;
use crate::fault_set::FaultSet;
use crate::server::faults::book::Scope;
use crate::server::journal::{Edit, Journal};

/// One thing that a user did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edited {
    /// Seconds since the run began.
    pub at_s: f64,
    /// What was done, in words.
    pub message: String,
    /// The same as an entry of a timeline; null for what a timeline cannot do.
    #[serde(skip)]
    pub entry: Value,
}

/// Keeps a record of what users do.
pub struct Edits {
    fleet: Fleet,
    eyes: Eyes,
    entries: Mutex<Vec<Edited>>,
}

impl Edits {
    /// Nothing was done yet.
    pub fn new(fleet: Fleet, eyes: Eyes) -> Self {
        Self { fleet, eyes, entries: Mutex::default() }
    }

    /// Everything that was done.
    pub fn take(&self) -> Vec<Edited> {
        std::mem::take(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn name(&self, device: usize) -> String {
        self.fleet.devices().get(device).map(|device| device.id.to_string()).unwrap_or_default()
    }

    fn told(&self, edit: &Edit) -> (String, Value) {
        match edit {
            Edit::Faults(scope, faults) => self.faults(scope, faults.as_ref()),
            Edit::Power(device, order) => {
                let (verb, done) = match order {
                    Order::Start => ("start", "started"),
                    Order::Stop => ("stop", "stopped"),
                    Order::Crash => ("crash", "crashed"),
                };
                let name = self.name(*device);
                (format!("{name} {done}"), json!({ verb: { "devices": [name] } }))
            }
            Edit::Publish(device, message) => publish(&self.name(*device), message),
            Edit::Ask(device, request) => ask(&self.name(*device), request),
            // A timeline has no word for it.
            Edit::Swap(behaviour, sha256) => {
                let version = sha256.get(..12).unwrap_or(sha256);
                (format!("{behaviour} swapped for version {version}"), Value::Null)
            }
        }
    }

    fn faults(&self, scope: &Scope, faults: Option<&FaultSet>) -> (String, Value) {
        let (whose, mut entry) = match scope {
            Scope::Fleet => ("the fleet".to_owned(), json!({})),
            Scope::Group(name) => (format!("group {name}"), json!({ "group": name })),
            Scope::Device(device) => (self.name(*device), json!({ "device": self.name(*device) })),
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

fn publish(device: &str, message: &Message) -> (String, Value) {
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

fn ask(device: &str, request: &HttpRequest) -> (String, Value) {
    let HttpRequest { method, url, headers, body } = request;
    let headers: serde_json::Map<_, _> =
        headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let body = String::from_utf8_lossy(body);
    let request =
        json!({ "device": device, "method": method, "path": url, "headers": headers, "body": body });
    (format!("{device} asked: {method} {url}"), json!({ "request": request }))
}

impl Journal for Edits {
    fn enter(&self, edit: Edit) {
        let now = self.fleet.now();
        if let Edit::Power(device, Order::Stop | Order::Crash) = &edit {
            self.eyes.about_to_switch(*device);
        }
        let (message, mut entry) = self.told(&edit);
        self.eyes.told(now, &message);
        if !entry.is_null() {
            entry["at"] = written(now.run).into();
        }
        let edits = Edited { at_s: seconds(now.run.as_nanos()), message, entry };
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(edits);
    }
}

/// A time as plans have it.
fn written(at: Time) -> String {
    humantime::format_duration(at.elapsed()).to_string()
}
