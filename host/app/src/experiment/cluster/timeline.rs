//! A timeline on a cluster: what a plan has happen in mid-run, the pods are asked to do over their own API.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_sim::faults::target::Pattern;
use wasmote_sim::http::HttpRequest;
use wasmote_sim::rng::Seed;

use super::deployment::FLEET_SELECTOR;
use super::faults::{self, ClusterFaults};
use super::requests::FleetRequests;
use super::samples::ClusterAccess;
use crate::cli::output::to_stderr;
use crate::config::Settings;
use crate::experiment::plan::Point;
use crate::experiment::timeline::selector::Selection;
use crate::experiment::timeline::{Action, TimedFault};
use crate::fault_set::BROKER_FAULT_NEEDS_EMBEDDED;
use crate::fleet_query::send::{PodRequest, RequestBody, send_all};
use crate::kubectl::pod::Pod;
use crate::manifests::fleet::FleetManifests;

/// How long a pod may take to do what it is told.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Later than this is worth a word.
const LATE_THRESHOLD: Duration = Duration::from_secs(1);
/// How long a fault that cuts devices off is there. It takes hold within 10 ms, in a pod that gets a tenth of a processor
/// within 100.
const DISCONNECT_HOLD: Duration = Duration::from_millis(300);
/// Shortest time for which devices can be cut off. Were the fault still there after it, they would be cut off again.
const MIN_DISCONNECT: Duration = Duration::from_secs(2);

/// What is to be done in a run, and what has become of it.
pub struct TimelineExecutor<'a> {
    seed: Seed,
    devices: &'a [Arc<Identity>],
    faults: ClusterFaults<'a>,
    requests: FleetRequests<'a>,
    /// With their times, soonest first.
    actions: Vec<(Time, &'a Action)>,
    next: usize,
    records: Vec<ActionRecord>,
}

/// A deed that has been carried out.
struct ActionRecord {
    due: Duration,
    at: Duration,
    name: &'static str,
    requests: usize,
    failed: Vec<String>,
}

/// Why a cluster cannot do it, if it cannot.
pub fn check(action: &Action, settings: &Settings) -> Result<(), String> {
    match action {
        Action::Faults(_, Some(set)) => {
            set.reject_broker_faults(BROKER_FAULT_NEEDS_EMBEDDED).map_err(|problem| problem.to_string())?;
            settings.groups.iter().try_for_each(|group| faults::check(set, &group.name))
        }
        Action::BeginFault(_, timed_fault) if timed_fault.entry.lasting.is_some_and(|it| it.0 < MIN_DISCONNECT) => {
            let shortest = humantime::format_duration(MIN_DISCONNECT);
            Err(format!("a `disconnect` lasts {shortest} or longer there, since orders to pods take a moment"))
        }
        Action::BeginFault(..) | Action::EndFault(_) | Action::Faults(_, None) => Ok(()),
        Action::Crash(_) | Action::Stop(_) | Action::Start(_) | Action::Request(..) => Ok(()),
        Action::PublishAs(_, message) => publish_body(message).map(drop),
        Action::Publish(_) => {
            Err("`publish` without `device` is the host's own message; on a cluster name the devices that publish it"
                .to_owned())
        }
        other => Err(format!(
            "`{}` is only done in one process; on a cluster there are `faults`, `ramp`, `partition`, `disconnect`, \
             `crash`, `stop`, `start`, and `publish` and `request` for devices",
            other.name()
        )),
    }
}

/// A message as the API of a device takes it. A text goes out as it is.
fn publish_body(message: &Message) -> Result<Value, String> {
    let text = std::str::from_utf8(&message.payload).map_err(|problem| format!("`payload`: {problem}"))?;
    let (topic, qos) = (message.topic.as_str(), u8::from(message.qos));
    Ok(json!({"message": text, "topic": topic, "qos": qos, "retain": message.retain}))
}

/// The fault that cuts devices off, if it is one.
fn timed_disconnect(action: &Action) -> Option<usize> {
    match action {
        Action::BeginFault(number, timed_fault) if timed_fault.selection.is_some() => Some(*number),
        _ => None,
    }
}

impl<'a> TimelineExecutor<'a> {
    /// Of a run that has not begun, with every device of its fleet.
    pub fn new(
        point: &'a Point,
        fleet: &'a FleetManifests,
        seed: Seed,
        devices: &'a [Arc<Identity>],
    ) -> Self {
        let actions = &point.timeline.actions;
        let is_explicit = |action: &Action| !point.timeline.is_implicit_end(action);
        let faults = ClusterFaults::new(&point.settings, devices);
        Self {
            seed,
            devices,
            requests: FleetRequests::new(fleet, devices, &faults),
            faults,
            actions: actions
                .iter()
                .filter(|(_, action)| is_explicit(action))
                .map(|(due, action)| (*due, action))
                .collect(),
            next: 0,
            records: Vec::new(),
        }
    }

    /// Do what is next, if it is due at this time of the run. Says whether something was.
    pub fn run_next(&mut self, now: Duration, access: &ClusterAccess<'_>) -> bool {
        let Some(&(due, action)) = self.actions.get(self.next).filter(|(due, _)| due.elapsed() <= now) else {
            return false;
        };
        self.next += 1;
        let due = due.elapsed();
        if now > due + LATE_THRESHOLD {
            let (name, due_s, late_s) = (action.name(), due.as_secs_f64(), (now - due).as_secs_f64());
            to_stderr(format_args!("{name} of {due_s:.1} s came {late_s:.1} s late"));
        }
        let requests = self.requests_for(action);
        let mut record = ActionRecord { due, at: now, name: action.name(), requests: 0, failed: Vec::new() };
        self.send(requests, access, &mut record);
        if let Some(number) = timed_disconnect(action) {
            sleep(DISCONNECT_HOLD);
            self.faults.end(number);
            let requests = self.requests.fault_updates(&self.faults);
            self.send(requests, access, &mut record);
        }
        self.records.push(record);
        true
    }

    /// Tell pods of their faults once more that may not have heard of them.
    pub fn resend_faults(&mut self, access: &ClusterAccess<'_>) {
        for (request, _) in send(self.requests.fault_updates(&self.faults), access) {
            self.requests.mark_failed(&request);
        }
    }

    fn send(&mut self, requests: Vec<PodRequest>, access: &ClusterAccess<'_>, record: &mut ActionRecord) {
        record.requests += requests.len();
        for (request, problem) in send(requests, access) {
            self.requests.mark_failed(&request);
            record.failed.push(format!("{}: {problem}", request.to));
        }
    }

    /// What the pods are to be told for a deed.
    fn requests_for(&mut self, action: &Action) -> Vec<PodRequest> {
        match action {
            Action::Faults(scope, set) => self.faults.set(scope, set.as_ref()),
            Action::BeginFault(number, timed_fault) => {
                let TimedFault { entry, selection, .. } = &**timed_fault;
                let selection =
                    selection.as_ref().map(|selection| selection.resolve(self.devices, self.seed));
                self.faults.begin(*number, entry.clone(), selection);
            }
            Action::EndFault(number) => self.faults.end(*number),
            Action::Crash(selection) => return self.power(selection, "crash"),
            Action::Stop(selection) => return self.power(selection, "stop"),
            Action::Start(selection) => return self.power(selection, "start"),
            Action::PublishAs(devices, message) => return self.publish(devices, message),
            Action::Request(devices, request) => return self.request(devices, request),
            // Refused before anything was applied.
            _ => return Vec::new(),
        }
        self.requests.fault_updates(&self.faults)
    }

    /// A request of each of these devices.
    fn for_each_device(
        &self,
        devices: &Pattern,
        method: &Method,
        path: &str,
        body: Option<&RequestBody>,
    ) -> Vec<PodRequest> {
        let positions = 0..self.devices.len();
        let fitting = positions.filter(|at| devices.matches(self.devices[*at].id.as_str()));
        fitting.filter_map(|at| self.requests.device_request(at, method, path, body.cloned())).collect()
    }

    fn publish(&self, devices: &Pattern, message: &Message) -> Vec<PodRequest> {
        let body = publish_body(message).ok().as_ref().map(RequestBody::json);
        self.for_each_device(devices, &Method::POST, "/publish", body.as_ref())
    }

    fn request(&self, devices: &Pattern, request: &HttpRequest) -> Vec<PodRequest> {
        let HttpRequest { method, url, headers, body } = request;
        let Ok(method) = method.parse() else { return Vec::new() };
        let body = RequestBody { headers: headers.clone(), bytes: body.clone() };
        self.for_each_device(devices, &method, &format!("/app{url}"), Some(&body))
    }

    fn power(&self, selection: &Selection, command: &str) -> Vec<PodRequest> {
        let selection = selection.resolve(self.devices, self.seed).into_iter();
        selection
            .filter_map(|at| self.requests.device_request(at, &Method::POST, &format!("/{command}"), None))
            .collect()
    }

    /// What could not be done.
    pub fn missing(&self) -> Vec<String> {
        let describe = |record: &ActionRecord| {
            let first = record.failed.first()?;
            let (at, name, failed) = (record.due.as_secs_f64(), record.name, record.failed.len());
            Some(format!(
                "timeline at {at} s, {name}: {failed} of {} requests failed; {first}",
                record.requests
            ))
        };
        self.records.iter().filter_map(describe).collect()
    }

    /// What was done when, as CSV as in other runs, with more columns; nothing where there was no timeline.
    pub fn csv(&self) -> Option<String> {
        if self.actions.is_empty() {
            return None;
        }
        let line = |record: &ActionRecord| {
            let (due, at) = (record.due.as_secs_f64(), record.at.as_secs_f64());
            format!("{at:.3},plan,{},{due},{},{}\n", record.name, record.requests, record.failed.len())
        };
        let lines: String = self.records.iter().map(line).collect();
        Some(format!("time_s,source,what,due_s,requests,failed\n{lines}"))
    }
}

/// Send them all. Those that came to nothing are returned, each with the reason.
fn send(requests: Vec<PodRequest>, access: &ClusterAccess<'_>) -> Vec<(PodRequest, String)> {
    if requests.is_empty() {
        return Vec::new();
    }
    let pods = match access.kubectl.pods(FLEET_SELECTOR) {
        Ok(pods) => pods,
        Err(problem) => return requests.into_iter().map(|request| (request, problem.to_string())).collect(),
    };
    let url = |name: &str| match pods.iter().find(|pod: &&Pod| pod.name == name) {
        Some(pod) if pod.running => Ok(access.proxy.pod_url(pod)),
        Some(pod) => Err(pod.reason.clone()),
        None => Err("there is no such pod".to_owned()),
    };
    access.runtime.block_on(send_all(access.client, requests, url, REQUEST_TIMEOUT))
}
