//! Execution of a timeline on a cluster, as HTTP requests to the API of the pods.

use std::thread::sleep;
use std::time::Duration;

use wasmote_experiment::point::Point;
use wasmote_fleet::actions::pods::{PodFleet, PodRequests};
use wasmote_fleet::actions::step::Step;
use wasmote_fleet::blueprints::all_identities;
use wasmote_fleet::fault_registry::FaultRegistry;
use wasmote_fleet::term::to_stderr;
use wasmote_mqtt::time::Time;
use wasmote_results::TimelineRow;
use wasmote_sim::rng::Seed;

use super::access::ClusterAccess;
use super::deployment::FLEET_SELECTOR;
use super::host_messages::HostMessages;
use super::requests::FleetRequests;
use crate::fleet_query::send::{PodRequest, send_all};
use crate::kubectl::pod::Pod;
use crate::manifests::fleet::FleetManifests;

/// Timeout of a pod's response.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout of a change of a group, for which a pod may have to compile a component.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(120);
/// Maximum delay of a step without a warning.
const LATE_THRESHOLD: Duration = Duration::from_secs(1);
/// Duration of the temporary fault that disconnects devices. Devices apply it within 10 ms, or within 100 ms in a
/// pod with a tenth of a processor.
const DISCONNECT_HOLD: Duration = Duration::from_millis(300);

/// Executes the steps of a run and records their outcomes.
pub struct TimelineExecutor<'a> {
    pods: PodFleet,
    /// The way to the broker for messages of the host, if the plan has any.
    host: Option<&'a HostMessages<'a>>,
    requests: FleetRequests<'a>,
    /// Steps with their times, earliest first.
    steps: Vec<(Time, &'a dyn Step)>,
    next: usize,
    records: Vec<StepRecord>,
}

/// A step that has been executed.
struct StepRecord {
    due: Duration,
    at: Duration,
    name: &'static str,
    detail: String,
    requests: usize,
    failed: Vec<String>,
}

impl<'a> TimelineExecutor<'a> {
    /// Creates the executor of a run that has not started.
    pub fn new(
        point: &'a Point,
        fleet: &'a FleetManifests,
        seed: Seed,
        host: Option<&'a HostMessages<'a>>,
    ) -> Self {
        let identities = all_identities(&point.settings);
        let faults = FaultRegistry::new(&point.settings);
        let steps = point.timeline.steps.iter().filter(|(_, step)| !step.is_implicit());
        Self {
            requests: FleetRequests::new(fleet, &identities, &faults),
            pods: PodFleet { identities, seed, faults },
            host,
            steps: steps.map(|(due, step)| (*due, &**step)).collect(),
            next: 0,
            records: Vec::new(),
        }
    }

    /// Executes the next step if it is due at this time of the run. Returns true if it was.
    pub fn run_next(&mut self, now: Duration, access: &ClusterAccess<'_>) -> bool {
        let Some(&(due, step)) = self.steps.get(self.next).filter(|(due, _)| due.elapsed() <= now) else {
            return false;
        };
        self.next += 1;
        let due = due.elapsed();
        if now > due + LATE_THRESHOLD {
            let (name, due_s, late_s) = (step.name(), due.as_secs_f64(), (now - due).as_secs_f64());
            to_stderr(format_args!("{name} at {due_s:.1} s was {late_s:.1} s late"));
        }
        // The number of devices is left out: the requests show how many pods the step concerns.
        let (name, detail, failed) = (step.name(), step.describe().join("; "), Vec::new());
        let mut record = StepRecord { due, at: now, name, detail, requests: 0, failed };
        match step.requests(&mut self.pods) {
            Ok(requests) => self.execute(requests, access, &mut record),
            // `support` has found that pods can do it, and since then a file has changed.
            Err(problem) => record.failed.push(problem),
        }
        self.records.push(record);
        true
    }

    fn execute(&mut self, requests: PodRequests, access: &ClusterAccess<'_>, record: &mut StepRecord) {
        match requests {
            PodRequests::Devices(requests) => {
                let devices = &self.pods.identities;
                let requests = requests.into_iter();
                let requests = requests.filter_map(|request| self.requests.pod_request(request, devices));
                self.send(requests.collect(), REQUEST_TIMEOUT, access, record);
            }
            PodRequests::Faults => self.update_faults(access, record),
            PodRequests::BriefFault(number) => {
                self.update_faults(access, record);
                sleep(DISCONNECT_HOLD);
                self.pods.faults.end(number);
                self.update_faults(access, record);
            }
            PodRequests::Change(change) => match self.requests.change(&change, &self.pods.identities) {
                Ok(requests) => self.send(requests, CHANGE_TIMEOUT, access, record),
                Err(problem) => record.failed.push(problem.to_string()),
            },
            PodRequests::Add { group, count } => {
                self.send(self.requests.add(&group, count), REQUEST_TIMEOUT, access, record);
                let devices = &self.pods.identities;
                let first = devices.len().saturating_sub(count as usize);
                self.requests.joined(&devices[first..]);
                // New devices that differ from their pod get their faults.
                self.update_faults(access, record);
            }
            PodRequests::Host(message) => {
                record.requests += 1;
                let sent = self.host.map(|host| host.publish(access.runtime, message));
                let sent = sent.unwrap_or_else(|| Err("there is no way to the broker".to_owned()));
                record.failed.extend(sent.err().map(|problem| format!("the host's message: {problem}")));
            }
        }
    }

    fn update_faults(&mut self, access: &ClusterAccess<'_>, record: &mut StepRecord) {
        let requests = self.requests.fault_updates(&self.pods.faults, &self.pods.identities);
        self.send(requests, REQUEST_TIMEOUT, access, record);
    }

    /// Sends faults again to pods that have not acknowledged them.
    pub fn resend_faults(&mut self, access: &ClusterAccess<'_>) {
        let requests = self.requests.fault_updates(&self.pods.faults, &self.pods.identities);
        for (request, _) in send(requests, REQUEST_TIMEOUT, access) {
            self.requests.mark_failed(&request);
        }
    }

    fn send(
        &mut self,
        requests: Vec<PodRequest>,
        timeout: Duration,
        access: &ClusterAccess<'_>,
        record: &mut StepRecord,
    ) {
        record.requests += requests.len();
        for (request, problem) in send(requests, timeout, access) {
            self.requests.mark_failed(&request);
            record.failed.push(format!("{}: {problem}", request.to));
        }
    }

    /// Descriptions of failed requests.
    pub fn missing(&self) -> Vec<String> {
        let describe = |record: &StepRecord| {
            let first = record.failed.first()?;
            let (at, name, failed) = (record.due.as_secs_f64(), record.name, record.failed.len());
            Some(format!(
                "timeline at {at} s, {name}: {failed} of {} requests failed; {first}",
                record.requests
            ))
        };
        self.records.iter().filter_map(describe).collect()
    }

    /// Rows of `timeline.csv`; `None` if the plan has no timeline.
    pub fn rows(&self) -> Option<Vec<TimelineRow>> {
        let row = |record: &StepRecord| TimelineRow {
            time_s: (record.at.as_secs_f64() * 1e3).round() / 1e3,
            source: "plan".to_owned(),
            what: record.name.to_owned(),
            detail: record.detail.clone(),
            due_s: Some(record.due.as_secs_f64()),
            requests: Some(record.requests as u64),
            failed: Some(record.failed.len() as u64),
            statuses: None,
        };
        (!self.steps.is_empty()).then(|| self.records.iter().map(row).collect())
    }
}

/// Sends requests and returns the failed ones, each with the reason.
fn send(
    requests: Vec<PodRequest>,
    timeout: Duration,
    access: &ClusterAccess<'_>,
) -> Vec<(PodRequest, String)> {
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
    access.runtime.block_on(send_all(access.client, requests, url, timeout))
}
