//! Journeys of messages: the steps that this host keeps, and `GET /messages/{device}/{number}`.
//!
//! The host follows messages only while somebody may ask: while somebody reads messages in `GET /events`, and for some minutes
//! after a request for a journey or a `POST /publish`. It keeps steps up to a limit in bytes, and forgets the oldest messages.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State as Shared};
use bytes::Bytes;
use wasmote_fleet::events::content::{ContentIndex, UNKNOWN};
use wasmote_fleet::events::steps::{broker_step, device_step};
use wasmote_live::broker::Peer;
use wasmote_live::broker::observer::BrokerObserver;
use wasmote_live::fleet::STATUS_BATCH;
use wasmote_live::observer::FleetObserver;
use wasmote_mqtt::broker::packet::{Reply, Request};
use wasmote_mqtt::broker::steps::{BrokerStep, BrokerStepKind};
use wasmote_mqtt::budget::BudgetReport;
use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::message::MessageOrigin;
use wasmote_mqtt::time::{Time, WallTime, nanos};
use wasmote_mqtt::topic::Topic;
use wasmote_page::journey::{Expected, Facts, Journey};
use wasmote_results::JourneyStep;
use wasmote_sim::device::Now;
use wasmote_sim::journey::{DeviceStep, MessageStep, StepKind};
use wasmote_sim::virtual_time::observer::{DeviceIndex, TraceEvent};

use super::Api;
use super::endpoint::{Endpoint, get};
use super::error::ApiError;
use super::recorder::look_at_some;

/// Time for which the host follows messages after a request.
const FOLLOW_FOR: Duration = Duration::from_secs(600);
/// Bytes of a payload that are kept.
const MAX_PAYLOAD: usize = 1 << 10;
/// Bytes that a message takes besides its steps.
const MESSAGE_BYTES: usize = 160;

/// The steps of recent messages. It observes the fleet and the embedded broker.
#[derive(Debug)]
pub struct Journeys {
    limit: usize,
    /// Whether messages are followed even if nobody asks, because their ids are in the log.
    always: bool,
    is_on: AtomicBool,
    readers: AtomicUsize,
    /// Time of the run until which messages are followed, in nanoseconds.
    wanted_until: AtomicU64,
    /// Contents of messages, where the protocol carries no identity of messages.
    contents: Option<Mutex<ContentIndex>>,
    kept: Mutex<Kept>,
}

/// A message: its device and its number.
type Key = (DeviceId, u64);

#[derive(Debug, Default)]
struct Kept {
    messages: HashMap<Key, Message>,
    order: VecDeque<Key>,
    bytes: usize,
    forgotten: u64,
    /// Difference between calendar time and run time, which relates the clock of the broker to that of the run.
    epoch: Option<WallTime>,
    /// Times at which the host began to follow messages, and stopped.
    following: Option<(Time, Option<Time>)>,
}

#[derive(Debug)]
struct Message {
    origin: Arc<MessageOrigin>,
    steps: Vec<Step>,
    bytes: usize,
    left_out: u64,
}

#[derive(Debug)]
enum Step {
    Device(Time, DeviceIndex, MessageStep, Option<usize>),
    Broker(Time, BrokerStepKind),
}

/// Somebody who reads events of messages. Messages are followed as long as it exists.
#[derive(Debug)]
pub(super) struct Reader(Arc<Journeys>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Journeys {
    /// Keeps at most this many bytes of steps; none with 0. With `always`, messages are followed from the start.
    pub fn new(limit: usize, always: bool) -> Self {
        let is_on = always && limit > 0;
        let following = is_on.then_some((Time::ZERO, None));
        Self {
            limit,
            always,
            is_on: AtomicBool::new(is_on),
            readers: AtomicUsize::new(0),
            wanted_until: AtomicU64::new(0),
            contents: None,
            kept: Mutex::new(Kept { following, ..Kept::default() }),
        }
    }

    /// Recognises received messages by their content, because the connections carry no identity of messages.
    pub fn recognising_contents(self) -> Self {
        Self { contents: Some(Mutex::default()), ..self }
    }

    /// Follows messages for some minutes.
    pub(super) fn want(&self, now: Time) {
        self.wanted_until.fetch_max(nanos((now + FOLLOW_FOR).elapsed()), Ordering::Relaxed);
        self.update(now);
    }

    /// Follows messages for as long as the reader exists, and for some minutes longer.
    pub(super) fn reader(self: &Arc<Self>, now: Time) -> Reader {
        self.readers.fetch_add(1, Ordering::Relaxed);
        self.want(now);
        Reader(Arc::clone(self))
    }

    /// Begins or ends to follow messages.
    pub(super) fn update(&self, now: Time) {
        let is_read = self.readers.load(Ordering::Relaxed) > 0;
        if is_read {
            self.wanted_until.fetch_max(nanos((now + FOLLOW_FOR).elapsed()), Ordering::Relaxed);
        }
        let is_wanted = nanos(now.elapsed()) < self.wanted_until.load(Ordering::Relaxed);
        let is_on = self.limit > 0 && (self.always || is_read || is_wanted);
        if self.is_on.swap(is_on, Ordering::Relaxed) == is_on {
            return;
        }
        let mut kept = self.lock();
        kept.following = match (is_on, kept.following) {
            (true, _) => Some((now, None)),
            (false, following) => following.map(|(since, _)| (since, Some(now))),
        };
    }

    /// Bytes of the steps, and the number of messages that were forgotten as refused ones.
    pub fn report(&self) -> BudgetReport {
        let kept = self.lock();
        BudgetReport { used: kept.bytes as u64, limit: self.limit as u64, refused: kept.forgotten }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, origin: &Arc<MessageOrigin>, step: Step, bytes: usize) {
        self.lock().add(self.limit, origin, step, bytes);
    }

    /// Keeps a step of a device, if it is one of a message.
    pub fn observe_step(&self, at: Now, device: DeviceIndex, step: &DeviceStep) {
        let DeviceStep::Message(step) = step else { return };
        if !self.is_on.load(Ordering::Relaxed) {
            return;
        }
        let (mut step, mut bytes, mut length) = (step.clone(), 0, None);
        if let StepKind::Published { topic, payload, .. } = &mut step.kind {
            // A short payload may share the buffer of a long one.
            length = Some(payload.len());
            *payload = Bytes::copy_from_slice(&payload[..payload.len().min(MAX_PAYLOAD)]);
            bytes = payload.len() + topic.as_str().len();
        }
        let origin = Arc::clone(&step.origin);
        let mut kept = self.lock();
        kept.epoch.get_or_insert_with(|| WallTime::from_nanos(at.wall.as_nanos() - at.run.as_nanos()));
        kept.add(self.limit, &origin, Step::Device(at.run, device, step, length), bytes);
    }
}

impl Kept {
    fn add(&mut self, limit: usize, origin: &Arc<MessageOrigin>, step: Step, bytes: usize) {
        let key = (origin.from.clone(), origin.sequence);
        let message = self.messages.entry(key).or_insert_with_key(|key| {
            self.order.push_back(key.clone());
            self.bytes += MESSAGE_BYTES;
            Message { origin: Arc::clone(origin), steps: Vec::new(), bytes: MESSAGE_BYTES, left_out: 0 }
        });
        // One message to many receivers must not push out all others.
        if message.bytes + bytes + size_of::<Step>() > limit / 4 {
            message.left_out += 1;
            return;
        }
        let capacity = message.steps.capacity();
        message.steps.push(step);
        let bytes = bytes + (message.steps.capacity() - capacity) * size_of::<Step>();
        message.bytes += bytes;
        self.bytes += bytes;
        while self.bytes > limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.bytes -= self.messages.remove(&oldest).map_or(0, |message| message.bytes);
            self.forgotten += 1;
        }
    }
}

impl FleetObserver for Journeys {
    fn observe(&self, at: Now, step: &TraceEvent<'_>) {
        match step {
            TraceEvent::Journey(device, step) => {
                if let Some(contents) = &self.contents {
                    contents.lock().unwrap_or_else(PoisonError::into_inner).observe(step);
                }
                self.observe_step(at, *device, step);
            }
            TraceEvent::Notice(device, notice) => {
                let Some(contents) = self.contents.as_ref().filter(|_| self.is_on.load(Ordering::Relaxed))
                else {
                    return;
                };
                let step = contents.lock().unwrap_or_else(PoisonError::into_inner).recognise(notice);
                if let Some(step) = step {
                    self.observe_step(at, *device, &step);
                }
            }
            _ => {}
        }
    }

    fn follows_messages(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }
}

impl BrokerObserver for Journeys {
    fn on_request(&self, _from: Peer, _request: &Request) {}

    fn on_reply(&self, _to: Peer, _reply: &Reply) {}

    fn follows_messages(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    fn on_step(&self, at: Now, step: &BrokerStep) {
        let epoch = self.lock().epoch;
        let run = epoch.map_or(at.run, |epoch| Time::ZERO + at.wall.since(epoch));
        self.add(&step.origin, Step::Broker(run, step.kind.clone()), 0);
    }
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/messages/{device}/{number}", journey)
            .summary(
                "The journey of one message: decisions of faults, when the broker took it, who got it, and who should have \
                 and did not",
            )
            .response::<Journey>()
            .error(404, "The host keeps no steps of this message"),
    ]
}

async fn journey(
    Shared(api): Shared<Arc<Api>>,
    Path((device, number)): Path<(String, String)>,
) -> Result<Json<Journey>, ApiError> {
    let now = api.fleet.now();
    api.journeys.want(now.run);
    let id = format!("{device}/{number}");
    let not_kept = |kept: &Kept| ApiError::not_found("message", kept.why_not(&id, api.journeys.limit), &id);
    let key = DeviceId::exact(&device).ok().zip(number.parse().ok());
    let devices = api.fleet.devices();
    let (steps, left_out, topic, published) = {
        let kept = api.journeys.lock();
        let message = key.as_ref().and_then(|key| kept.messages.get(key));
        let message = message.ok_or_else(|| not_kept(&kept))?;
        let published = message.published();
        (
            message.lines(&devices),
            message.left_out,
            published.map(|it| it.0.clone()),
            published.map(|it| it.1),
        )
    };
    let expected = match topic.zip(published) {
        Some((topic, at)) => expected(&api, &topic, at).await?,
        None => Vec::new(),
    };
    let wanted: BTreeSet<&str> = expected.iter().map(|expected| &*expected.device).collect();
    look_at_some(&api, &wanted).await;
    let absences = api.recorder.absences(|name| api.fleet.position(name), &wanted);
    let absence = |device: &str, at_s: f64| absences.at(device, at_s);
    let number = key.map_or(0, |key| key.1);
    let mut journey = Journey::new(Facts {
        message: (&device, number),
        steps,
        expected,
        sees_broker: api.fleet.broker().is_some(),
        now_s: now.run.elapsed().as_secs_f64(),
        absence: &absence,
    });
    if api.journeys.contents.is_some() {
        journey.unknown.push(UNKNOWN.to_owned());
    }
    if left_out > 0 {
        journey
            .unknown
            .push(format!("{left_out} more steps, which exceed what the host keeps of one message."));
    }
    Ok(Json(journey))
}

/// The devices that were subscribed to a topic at this time.
async fn expected(api: &Api, topic: &Topic, at: Time) -> Result<Vec<Expected>, ApiError> {
    let mut all = Vec::new();
    let devices = api.fleet.devices().len();
    for first in (0..devices).step_by(STATUS_BATCH) {
        let found = api.fleet.subscribed(first..(first + STATUS_BATCH).min(devices), topic, at).await?;
        all.extend(found.into_iter().map(|(device, span)| Expected {
            device: device.id.to_string(),
            filter: span.filter.to_string(),
        }));
    }
    Ok(all)
}

impl Message {
    /// Topic and time of the publication, if it was seen.
    fn published(&self) -> Option<(&Topic, Time)> {
        self.steps.iter().find_map(|step| match step {
            Step::Device(at, _, MessageStep { kind: StepKind::Published { topic, .. }, .. }, _) => {
                Some((topic, *at))
            }
            _ => None,
        })
    }

    fn lines(&self, devices: &[Arc<Identity>]) -> Vec<JourneyStep> {
        let by_client: HashMap<&str, &Identity> =
            devices.iter().map(|device| (device.client_id(), &**device)).collect();
        let seconds = |at: &Time| at.elapsed().as_secs_f64();
        let line = |step: &Step| match step {
            Step::Device(at, device, step, length) => {
                let name = devices.get(device.0 as usize).map_or("", |device| device.id.as_str());
                device_step(seconds(at), name, &DeviceStep::Message(step.clone()), *length)
            }
            Step::Broker(at, kind) => broker_step(seconds(at), &self.origin, kind, |client| {
                by_client.get(client).map(|device| device.id.to_string())
            }),
        };
        self.steps.iter().map(line).collect()
    }
}

impl Kept {
    /// Why there is no journey of a message.
    fn why_not(&self, id: &str, limit: usize) -> String {
        let reason = match self.following {
            _ if limit == 0 => "this host keeps no journeys (--journey-memory 0)".to_owned(),
            None => "this host has begun to follow messages only now; ask again for a later one".to_owned(),
            Some((since, until)) => {
                let until = until
                    .map(|until| format!(" to {:.1} s", until.elapsed().as_secs_f64()))
                    .unwrap_or_default();
                format!(
                    "the host followed messages from {:.1} s{until}, and has forgotten the oldest {} of them",
                    since.elapsed().as_secs_f64(),
                    self.forgotten
                )
            }
        };
        format!("no journey of the message `{id}` is kept: {reason}")
    }
}

#[cfg(test)]
mod tests {
    use wasmote_sim::faults::Direction;

    use super::*;

    fn origin(sequence: u64) -> Arc<MessageOrigin> {
        let from = DeviceId::new("a-0").unwrap();
        Arc::new(MessageOrigin {
            from,
            sequence,
            sent: WallTime::default(),
            late: Duration::ZERO,
            is_claimed: false,
        })
    }

    fn sent(journeys: &Journeys, sequence: u64) {
        let step = MessageStep { origin: origin(sequence), direction: Direction::Out, kind: StepKind::Sent };
        let now = Now { run: Time::ZERO, wall: WallTime::default() };
        journeys.observe_step(now, DeviceIndex(0), &DeviceStep::Message(step));
    }

    #[test]
    fn the_oldest_messages_are_forgotten_and_counted() {
        let journeys = Journeys::new(10_000, true);
        (1..=1_000).for_each(|number| sent(&journeys, number));
        let report = journeys.report();
        let kept = journeys.lock();
        assert!(report.used <= 10_000 && kept.messages.len() > 10, "{report:?}");
        assert_eq!(report.refused + kept.messages.len() as u64, 1_000);
        let key = |number| (DeviceId::new("a-0").unwrap(), number);
        assert!(kept.messages.contains_key(&key(1_000)) && !kept.messages.contains_key(&key(1)));
    }

    #[test]
    fn a_step_is_as_small_as_the_docs_say() {
        assert!(size_of::<Step>() <= 128, "{}", size_of::<Step>());
    }

    #[test]
    fn one_message_cannot_push_out_all_others() {
        let journeys = Journeys::new(10_000, true);
        sent(&journeys, 1);
        (0..1_000).for_each(|_| sent(&journeys, 2));
        let kept = journeys.lock();
        assert_eq!(kept.messages.len(), 2);
        assert!(kept.messages.values().any(|message| message.left_out > 900));
    }

    #[test]
    fn messages_are_followed_while_somebody_reads_and_for_some_minutes() {
        let journeys = Arc::new(Journeys::new(1 << 20, false));
        let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
        let follows = |journeys: &Journeys| FleetObserver::follows_messages(journeys);
        sent(&journeys, 1);
        assert!(!follows(&journeys) && journeys.lock().messages.is_empty());
        let reader = journeys.reader(at(5));
        journeys.update(at(10_000));
        assert!(follows(&journeys), "the reader is still there");
        drop(reader);
        journeys.update(at(10_001));
        assert!(follows(&journeys));
        journeys.update(at(10_601));
        assert!(!follows(&journeys));
        assert!(journeys.lock().why_not("a-0/1", 1).contains("from 5.0 s to 10601.0 s"));
    }

    #[test]
    fn a_host_without_memory_for_journeys_follows_nothing() {
        let journeys = Arc::new(Journeys::new(0, true));
        let _reader = journeys.reader(Time::ZERO);
        assert!(!FleetObserver::follows_messages(&*journeys));
        assert!(journeys.lock().why_not("a-0/1", 0).contains("--journey-memory 0"));
    }
}
