//! `GET /events`: what happens from now on, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as Shared;
use axum::response::sse::{Event, KeepAlive, Sse};
use serde::Deserialize;
use serde_json::json;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_stream::{Stream, StreamExt};
use wasmote_live::status::Happening;
use wasmote_live::watchers::Interest;

use super::Api;
use super::endpoint::{Endpoint, get, text};
use super::error::ApiError;
use super::extract::Params;
use crate::nearest::did_you_mean;
use crate::observer::told::{KINDS, Record, kind_of};
use crate::versions::record::{Outcome, Told};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    device: Option<String>,
    kind: Option<String>,
}

/// Checked: devices and kinds that are let through; empty for all.
struct Wanted {
    devices: Vec<String>,
    kinds: Vec<&'static str>,
}

/// A comment this often tells proxies and clients that the stream lives.
const BEAT: Duration = Duration::from_secs(15);

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/events", events)
            .summary("What happens from now on; an event `lagged` tells how many a slow reader missed")
            .query("device", text(), "Only of these devices, by name, with commas between")
            .query("kind", text(), "Only of these kinds, with commas between")
            .answers_as("text/event-stream", text())
            .refuses(400, "There is no such kind")
            .refuses(404, "No device has this name"),
    ]
}

async fn events(
    Shared(api): Shared<Arc<Api>>,
    Params(filter): Params<Filter>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let wanted = Wanted::check(&filter, &api)?;
    let wanted = Arc::new(wanted);
    let updates = BroadcastStream::new(api.versions.watch());
    let wanted_updates = Arc::clone(&wanted);
    let updates = updates.filter_map(move |item| match item {
        Ok(told) => wanted_updates.includes_update(&told).then(|| Ok(update_event(&told))),
        Err(BroadcastStreamRecvError::Lagged(missed)) => Some(Ok(lagged_event(missed))),
    });
    let happenings = api.fleet.watch(wanted.interest()).into_stream();
    let events = happenings.filter_map(move |item| match item {
        Ok(happening) => wanted.includes(&happening).then(|| Ok(event(&happening))),
        Err(missed) => Some(Ok(lagged_event(missed))),
    });
    // The fleet's events end the stream when the fleet ends.
    let events = events.merge(updates);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(BEAT)))
}

fn event(happening: &Happening) -> Event {
    let data = serde_json::to_string(&Record::of(happening)).unwrap_or_default();
    Event::default().event(kind_of(&happening.notice)).data(data)
}

fn update_event(told: &Told) -> Event {
    Event::default().event(told.kind).data(serde_json::to_string(told).unwrap_or_default())
}

fn lagged_event(missed: u64) -> Event {
    Event::default().event("lagged").data(json!({"missed": missed}).to_string())
}

impl Wanted {
    fn check(filter: &Filter, api: &Api) -> Result<Self, ApiError> {
        let devices: Vec<_> = names(filter.device.as_deref()).map(str::to_owned).collect();
        devices.iter().try_for_each(|id| api.position(id).map(drop))?;
        let kinds = names(filter.kind.as_deref()).map(known_kind).collect::<Result<_, _>>()?;
        Ok(Self { devices, kinds })
    }

    /// What a fleet has to tell for these. Lines are notable only at some levels, and are asked for at all.
    fn interest(&self) -> Interest {
        let often = |kind: &&str| ["sent", "received", "dropped", "log"].contains(kind);
        let seldom = !self.kinds.is_empty() && !self.kinds.iter().any(often);
        if seldom { Interest::Notable } else { Interest::Everything }
    }

    fn includes(&self, happening: &Happening) -> bool {
        let device = happening.device.id.as_str();
        (self.kinds.is_empty() || self.kinds.contains(&kind_of(&happening.notice)))
            && (self.devices.is_empty() || self.devices.iter().any(|wanted| wanted == device))
    }

    /// An update is no device's.
    fn includes_update(&self, told: &Told) -> bool {
        self.devices.is_empty() && (self.kinds.is_empty() || self.kinds.contains(&told.kind))
    }
}

fn every_kind() -> Vec<&'static str> {
    KINDS.into_iter().chain(Outcome::KINDS).collect()
}

fn names(list: Option<&str>) -> impl Iterator<Item = &str> {
    list.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty())
}

fn known_kind(name: &str) -> Result<&'static str, ApiError> {
    let known = every_kind();
    known.iter().find(|kind| **kind == name).copied().ok_or_else(|| {
        let hint = did_you_mean(name, known.iter().copied());
        ApiError::bad("kind", format!("there is no such kind; known are {}{hint}", known.join(", ")))
            .found(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_checked_and_guessed() {
        assert_eq!(known_kind("sent").unwrap(), "sent");
        let error = serde_json::to_value(known_kind("conected").unwrap_err()).unwrap();
        assert!(error["message"].as_str().unwrap().ends_with("did you mean `connected`?"), "{error}");
        assert_eq!(names(Some(" a, ,b,")).collect::<Vec<_>>(), ["a", "b"]);
    }
}
