//! Driver of scenarios: virtual time with a trace, and with answers to the HTTP requests of behaviours.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use wasmote_experiment::ExperimentError;
use wasmote_experiment::driver::{DeviceSnapshot, Driver, DriverResult, RetainedObserver, RunOutcome};
use wasmote_fleet::fault_registry::Faults;
use wasmote_live::credentials::DeviceCredentials;
use wasmote_live::fleet::PowerCommand;
use wasmote_mqtt::broker::packet::Request;
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::Topic;
use wasmote_results::TimeMode;
use wasmote_sim::behaviour::BehaviourFactory;
use wasmote_sim::device::{Blueprint, Device, Input, Now, Upgrade};
use wasmote_sim::faults::broker::Failure;
use wasmote_sim::faults::target::Pattern;
use wasmote_sim::faults::{Fault, FaultId};
use wasmote_sim::http::{HttpFailure, HttpRequest, HttpResponse};
use wasmote_sim::notice::DeviceNotice;
use wasmote_sim::rng::Seed;
use wasmote_sim::virtual_time::VirtualTime;
use wasmote_sim::virtual_time::observer::{DeviceIndex, Observer, TraceEvent};
use wasmote_sim::virtual_time::options::{Options, OutboundHttp};

use super::document::HttpEntry;
use super::trace::{SharedTrace, What, traced};

/// Time until an answer arrives, unless the scenario names another.
const ANSWER_AFTER: Duration = Duration::from_millis(10);

/// An answer to HTTP requests of behaviours.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    url: Pattern,
    method: Option<String>,
    after: Duration,
    response: HttpResponse,
}

impl From<&HttpEntry> for Answer {
    fn from(entry: &HttpEntry) -> Self {
        let body = match &entry.body {
            None => String::new(),
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        let headers = entry.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        Self {
            url: Pattern::new(&entry.url),
            method: entry.method.as_ref().map(|method| method.to_ascii_uppercase()),
            after: entry.after.map_or(ANSWER_AFTER, |after| after.0),
            response: HttpResponse {
                status: entry.status.unwrap_or(200),
                headers: headers.collect(),
                body: body.into(),
            },
        }
    }
}

/// A reply that a device gets later: the device, the number of its request, and the outcome.
type Reply = (DeviceIndex, u64, Result<HttpResponse, HttpFailure>);

/// Virtual time whose devices are traced.
pub(super) struct ScenarioDriver {
    inner: VirtualTime<TraceObserver>,
    trace: SharedTrace,
    answers: Vec<Answer>,
    /// Entries of the trace that have been searched for HTTP requests.
    searched: usize,
    replies: BTreeMap<Time, VecDeque<Reply>>,
}

impl ScenarioDriver {
    /// Driver with these devices, all of them started.
    pub(super) fn new(
        options: Options,
        devices: Vec<Blueprint>,
        answers: Vec<Answer>,
        trace: SharedTrace,
    ) -> Self {
        let outbound_http = match answers.is_empty() {
            true => OutboundHttp::Unreachable,
            false => OutboundHttp::AnsweredByCaller,
        };
        let observer = TraceObserver { trace: trace.clone() };
        let inner = VirtualTime::new(Options { outbound_http, ..options }, observer);
        let mut driver = Self { inner, trace, answers, searched: 0, replies: BTreeMap::new() };
        let devices: Vec<DeviceIndex> = devices.into_iter().map(|device| driver.admit(device)).collect();
        devices.into_iter().for_each(|device| driver.inner.put(device, Input::Start));
        driver
    }

    /// The devices, by position.
    pub(super) fn devices(&self) -> impl Iterator<Item = &Device> {
        self.inner.devices()
    }

    /// The message that the broker retains for a topic.
    pub(super) fn retained(&self, topic: &Topic) -> Option<&Message> {
        self.inner.broker().retained(topic)
    }

    /// Number of events so far.
    pub(super) fn events(&self) -> u64 {
        self.inner.counts().events()
    }

    fn admit(&mut self, blueprint: Blueprint) -> DeviceIndex {
        let identity = Arc::clone(&blueprint.identity);
        self.trace.with(|trace| trace.devices.push(identity));
        let factory = self.traced(Arc::clone(&blueprint.factory));
        self.inner.add(Blueprint { factory, ..blueprint })
    }

    fn traced(&self, inner: Arc<dyn BehaviourFactory>) -> Arc<dyn BehaviourFactory> {
        traced(inner, self.trace.clone())
    }

    /// Plans replies to the requests that behaviours have sent since the last call.
    fn answer_requests(&mut self) {
        if self.answers.is_empty() {
            return;
        }
        let from = self.searched;
        let (requests, searched) = self.trace.with(|trace| {
            let new = trace.entries.get(from..).unwrap_or_default().iter();
            let requests = new.filter_map(|entry| match &entry.what {
                What::Request(number, request) => {
                    let device = trace.devices.iter().position(|device| device.id == entry.device.id)?;
                    Some((entry.at, DeviceIndex(u32::try_from(device).ok()?), *number, request.clone()))
                }
                _ => None,
            });
            (requests.collect::<Vec<_>>(), trace.entries.len())
        });
        self.searched = searched;
        for (at, device, number, request) in requests {
            let answer = self.answers.iter().find(|answer| {
                answer.url.matches(&request.url)
                    && answer.method.as_ref().is_none_or(|method| *method == request.method)
            });
            let unknown =
                || format!("no `[[http]]` of the scenario answers {} {}", request.method, request.url);
            let (after, outcome) = match answer {
                Some(answer) => (answer.after, Ok(answer.response.clone())),
                None => (ANSWER_AFTER, Err(HttpFailure::Unreachable(unknown()))),
            };
            self.replies.entry(at + after).or_default().push_back((device, number, outcome));
        }
    }
}

impl Driver for ScenarioDriver {
    const TIME_MODE: TimeMode = TimeMode::Virtual;
    const POLL_INTERVAL: Duration = Duration::MAX;

    fn now(&self) -> Now {
        self.inner.now()
    }

    fn run_until(&mut self, end: Time) -> DriverResult {
        loop {
            self.answer_requests();
            let due = self.replies.first_key_value().map(|(at, _)| *at).filter(|at| *at <= end);
            if self.trace.with(|trace| trace.is_full) {
                return Err(ExperimentError::Fleet("the trace of the scenario is too large".to_owned()));
            }
            if self.inner.step(due.unwrap_or(end)) {
                continue;
            }
            let Some(due) = due else { break };
            self.inner.run_until(due);
            for (device, number, outcome) in self.replies.remove(&due).unwrap_or_default() {
                self.inner.put(device, Input::HttpReply(number, outcome));
            }
        }
        self.inner.run_until(end);
        Ok(())
    }

    fn add(&mut self, device: Blueprint) -> DriverResult {
        self.admit(device);
        Ok(())
    }

    fn order(&mut self, devices: &[usize], order: PowerCommand) -> DriverResult {
        self.inner.order(devices, order)
    }

    fn set_faults(&mut self, faults: Vec<(usize, Faults)>) -> DriverResult {
        Driver::set_faults(&mut self.inner, faults)
    }

    fn set_broker_faults(&mut self, faults: &[Arc<Fault>], seed: Seed) -> DriverResult {
        Driver::set_broker_faults(&mut self.inner, faults, seed)
    }

    fn fail_broker(&mut self, fault: FaultId, failure: Failure, lasting: Duration) -> DriverResult {
        Driver::fail_broker(&mut self.inner, fault, failure, lasting)
    }

    fn swap(&mut self, devices: &[usize], upgrade: &Upgrade) -> DriverResult {
        let factory = self.traced(Arc::clone(&upgrade.factory));
        Driver::swap(&mut self.inner, devices, &Upgrade { factory, ..upgrade.clone() })
    }

    fn publish(&mut self, message: Message) -> DriverResult {
        Driver::publish(&mut self.inner, message)
    }

    fn publish_as(&mut self, device: usize, message: Message) -> DriverResult {
        self.inner.publish_as(device, message)
    }

    fn set_credentials(&mut self, _: usize, _: &dyn Fn() -> Option<Arc<DeviceCredentials>>) -> DriverResult {
        Ok(())
    }

    fn request(&mut self, device: usize, request: HttpRequest) -> Result<Option<u16>, ExperimentError> {
        self.inner.request(device, request)
    }

    fn snapshot(&mut self) -> Result<Vec<DeviceSnapshot>, ExperimentError> {
        self.inner.snapshot()
    }

    fn finish(&mut self) -> Result<RunOutcome, ExperimentError> {
        self.inner.finish()
    }
}

/// Adds to the trace what devices do without their behaviours.
struct TraceObserver {
    trace: SharedTrace,
}

impl TraceObserver {
    fn device(&self, index: DeviceIndex) -> Option<Arc<Identity>> {
        self.trace.with(|trace| trace.devices.get(index.0 as usize).cloned())
    }
}

/// Scenarios have no invariants about retained messages.
impl RetainedObserver for TraceObserver {}

impl Observer for TraceObserver {
    fn observe(&mut self, at: Now, event: &TraceEvent<'_>) {
        let (index, what) = match event {
            TraceEvent::Notice(index, DeviceNotice::Trapped(trap, restart)) => {
                (*index, What::Trap(trap.clone(), *restart))
            }
            TraceEvent::Notice(index, DeviceNotice::Crashed(_)) => (*index, What::Crash),
            TraceEvent::HttpResponse(index, _, response) => (*index, What::Answer((*response).clone())),
            TraceEvent::Up(connection, Request::Publish(publish)) => {
                (connection.device, What::AtBroker(publish.message.clone()))
            }
            _ => return,
        };
        if let Some(device) = self.device(index) {
            self.trace.add(at.run, &device, what);
        }
    }
}
