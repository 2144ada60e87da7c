//! `GET /events`: new events as server-sent events.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State as Shared;
use axum::response::sse::{Event, KeepAlive, Sse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_stream::{Stream, StreamExt};
use wasmote_fleet::events::render::{EVENT_KINDS, EventRecord, event_kind};
use wasmote_fleet::suggest::did_you_mean;
use wasmote_fleet::versions::record::{UpdateEvent, UpdateOutcome};
use wasmote_live::events::EventFilter;
use wasmote_live::status::DeviceEvent;
use wasmote_mqtt::topic::{Topic, TopicFilter};
use wasmote_sim::notice::DeviceNotice;

use super::Api;
use super::endpoint::{Endpoint, get};
use super::error::ApiError;
use super::extract::Params;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FilterQuery {
    /// Only events of these devices: names, separated by commas
    device: Option<String>,
    /// Only events of these kinds, separated by commas
    kind: Option<String>,
    /// Only events of messages whose topic this MQTT filter matches
    topic: Option<String>,
    /// `base64` adds the first bytes of payloads as they are, with the length of the whole payload
    payload: Option<PayloadForm>,
    /// Most events of devices in a second; the others are only counted, in `lagged`
    per_second: Option<NonZeroU32>,
}

/// Form of payloads in events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum PayloadForm {
    /// Bytes in Base64.
    Base64,
}

/// An event with the bytes of its payload.
#[derive(Serialize)]
struct EventWithBytes<'a> {
    #[serde(flatten)]
    record: EventRecord<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    payload_bytes: usize,
}

/// Devices and kinds whose events are sent. An empty list selects all.
struct EventSelection {
    devices: Vec<String>,
    kinds: Vec<&'static str>,
    topic: Option<TopicFilter>,
    payload: Option<PayloadForm>,
}

/// Limit of the events of devices that one stream gets in a second. Who only looks on needs no more, and making an event costs
/// the host and the reader far more than counting it.
struct Throttle {
    most: Option<NonZeroU32>,
    /// Beginning of the present second, and the events since then.
    since: Instant,
    sent: u32,
    missed: u64,
}

/// What a stream gets for an event.
enum Passage {
    Pass,
    Skip,
    /// A report of so many events that were left out, in place of this one.
    Report(u64),
}

impl Throttle {
    fn new(most: Option<NonZeroU32>) -> Self {
        Self { most, since: Instant::now(), sent: 0, missed: 0 }
    }

    fn take(&mut self, now: Instant) -> Passage {
        let Some(most) = self.most else { return Passage::Pass };
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            (self.since, self.sent) = (now, 0);
            if self.missed > 0 {
                return Passage::Report(std::mem::take(&mut self.missed) + 1);
            }
        }
        if self.sent >= most.get() {
            self.missed += 1;
            return Passage::Skip;
        }
        self.sent += 1;
        Passage::Pass
    }
}

/// Interval of the comments that keep proxies and clients from closing the stream.
pub(super) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/events", events)
            .summary("Stream of new events; an event `lagged` counts the events that a slow reader missed")
            .query::<FilterQuery>()
            .response_as::<String>("text/event-stream")
            .error(400, "The kind is unknown")
            .error(404, "No device has this name"),
    ]
}

async fn events(
    Shared(api): Shared<Arc<Api>>,
    Params(filter): Params<FilterQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let mut throttle = Throttle::new(filter.per_second);
    let filter = EventSelection::check(&filter, &api)?;
    let filter = Arc::new(filter);
    // The ids of messages are of use only while the host keeps their journeys.
    let reader = (filter.interest() == EventFilter::All).then(|| api.journeys.reader(api.fleet.now().run));
    let updates = BroadcastStream::new(api.versions.subscribe());
    let update_filter = Arc::clone(&filter);
    let updates = updates.filter_map(move |item| match item {
        Ok(update) => update_filter.includes_update(&update).then(|| Ok(update_event(&update))),
        Err(BroadcastStreamRecvError::Lagged(missed)) => Some(Ok(lagged_event(missed))),
    });
    let device_events = api.fleet.events(filter.interest()).into_stream();
    let events = device_events.filter_map(move |item| {
        // It lasts as long as the stream.
        let _reader = &reader;
        match item {
            Ok(device_event) if filter.includes(&device_event) => match throttle.take(Instant::now()) {
                Passage::Pass => Some(Ok(event(&device_event, filter.payload))),
                Passage::Skip => None,
                Passage::Report(missed) => Some(Ok(lagged_event(missed))),
            },
            Ok(_) => None,
            Err(missed) => Some(Ok(lagged_event(missed))),
        }
    });
    // The end of the fleet's events ends the stream.
    let events = events.merge(updates);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE_INTERVAL)))
}

fn event(device_event: &DeviceEvent, form: Option<PayloadForm>) -> Event {
    let record = EventRecord::new(device_event);
    let data = match (form, &device_event.notice) {
        (
            Some(PayloadForm::Base64),
            DeviceNotice::Sent(_, payload, _) | DeviceNotice::Received(_, payload, ..),
        ) => serde_json::to_string(&EventWithBytes {
            record,
            payload_base64: Some(STANDARD.encode(payload)),
            payload_bytes: device_event.payload_bytes,
        }),
        _ => serde_json::to_string(&record),
    };
    Event::default().event(event_kind(&device_event.notice)).data(data.unwrap_or_default())
}

fn update_event(update: &UpdateEvent) -> Event {
    Event::default().event(update.kind).data(serde_json::to_string(update).unwrap_or_default())
}

fn lagged_event(missed: u64) -> Event {
    Event::default().event("lagged").data(json!({"missed": missed}).to_string())
}

impl EventSelection {
    fn check(filter: &FilterQuery, api: &Api) -> Result<Self, ApiError> {
        let devices: Vec<_> = names(filter.device.as_deref()).map(str::to_owned).collect();
        devices.iter().try_for_each(|id| api.position(id).map(drop))?;
        let kinds = names(filter.kind.as_deref()).map(parse_kind).collect::<Result<_, _>>()?;
        let topic = filter.topic.as_deref().map(|topic| {
            TopicFilter::new(topic)
                .map_err(|problem| ApiError::bad_request("topic", problem.to_string()).found(topic))
        });
        Ok(Self { devices, kinds, topic: topic.transpose()?, payload: filter.payload })
    }

    /// Events that the fleet has to emit for this selection. Log lines are notable only at some levels, so selecting
    /// them requires all events.
    fn interest(&self) -> EventFilter {
        let is_frequent = |kind: &&str| ["sent", "received", "dropped", "log"].contains(kind);
        let only_infrequent = !self.kinds.is_empty() && !self.kinds.iter().any(is_frequent);
        if only_infrequent { EventFilter::Notable } else { EventFilter::All }
    }

    fn includes(&self, device_event: &DeviceEvent) -> bool {
        let device = device_event.device.id.as_str();
        (self.kinds.is_empty() || self.kinds.contains(&event_kind(&device_event.notice)))
            && (self.devices.is_empty() || self.devices.iter().any(|id| id == device))
            && self.topic.as_ref().is_none_or(|filter| {
                topic_of(&device_event.notice).is_some_and(|topic| filter.matches(topic))
            })
    }

    /// Whether the selection includes an update. Updates belong to no device, so a selection of devices
    /// excludes them.
    fn includes_update(&self, update: &UpdateEvent) -> bool {
        self.devices.is_empty()
            && self.topic.is_none()
            && (self.kinds.is_empty() || self.kinds.contains(&update.kind))
    }
}

/// Topic of the message that an event is about.
fn topic_of(notice: &DeviceNotice) -> Option<&Topic> {
    match notice {
        DeviceNotice::Sent(topic, ..)
        | DeviceNotice::Received(topic, ..)
        | DeviceNotice::Dropped(topic, ..) => Some(topic),
        _ => None,
    }
}

fn all_kinds() -> Vec<&'static str> {
    EVENT_KINDS.into_iter().chain(UpdateOutcome::KINDS).collect()
}

fn names(list: Option<&str>) -> impl Iterator<Item = &str> {
    list.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty())
}

fn parse_kind(name: &str) -> Result<&'static str, ApiError> {
    let known = all_kinds();
    known.iter().find(|kind| **kind == name).copied().ok_or_else(|| {
        let hint = did_you_mean(name, known.iter().copied());
        ApiError::bad_request("kind", format!("the kind is unknown; use one of {}{hint}", known.join(", ")))
            .found(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_with_a_limit_counts_what_it_leaves_out() {
        let mut throttle = Throttle::new(NonZeroU32::new(2));
        let begin = throttle.since;
        let mut take = |after_ms: u64| match throttle.take(begin + Duration::from_millis(after_ms)) {
            Passage::Pass => "pass".to_owned(),
            Passage::Skip => "skip".to_owned(),
            Passage::Report(missed) => missed.to_string(),
        };
        let passages: Vec<_> = [0, 1, 2, 3, 1_000, 1_001, 1_002, 1_003, 5_000, 7_000].map(&mut take).into();
        assert_eq!(passages, ["pass", "pass", "skip", "skip", "3", "pass", "pass", "skip", "2", "pass"]);
        let mut unlimited = Throttle::new(None);
        assert!((0..1_000).all(|_| matches!(unlimited.take(begin), Passage::Pass)));
    }

    #[test]
    fn unknown_kinds_are_refused_with_a_suggestion() {
        assert_eq!(parse_kind("sent").unwrap(), "sent");
        let error = serde_json::to_value(parse_kind("conected").unwrap_err()).unwrap();
        assert!(error["message"].as_str().unwrap().ends_with("did you mean `connected`?"), "{error}");
        assert_eq!(names(Some(" a, ,b,")).collect::<Vec<_>>(), ["a", "b"]);
    }
}
