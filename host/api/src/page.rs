//! The page in a browser: its files, the recording of this run, and additions to it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use futures::{Stream, StreamExt};
use wasmote_page::assets::{INDEX, POLICY, asset};
use wasmote_page::recording::{Group, Recording};

use super::Api;
use super::endpoint::{Endpoint, get};
use super::error::ApiError;
use super::events::KEEP_ALIVE_INTERVAL;
use super::recorder::{History, Recorder, next_addition};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/page/{name}", file)
            .summary("A file of the page that `/` is in a browser")
            .response_as::<String>("text/javascript")
            .response_as::<String>("text/css")
            .error(404, "The page has no such file"),
        get("/recording", recording)
            .summary(
                "Devices, links, states over time, samples and marks of this run, as far as they are kept",
            )
            .response::<Recording>(),
        get("/live", live)
            .summary("Stream of a recording, and of additions to it: changes, samples and marks")
            .response_as::<String>("text/event-stream"),
    ]
}

/// The page as a response.
pub(super) fn index() -> Response {
    with_policy(Html(INDEX))
}

/// A page with its content security policy.
pub(super) fn with_policy(page: impl IntoResponse) -> Response {
    let headers =
        [(CONTENT_SECURITY_POLICY, POLICY), (REFERRER_POLICY, "no-referrer"), (CACHE_CONTROL, "no-cache")];
    (headers, page).into_response()
}

pub(super) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    let found = asset(&name)
        .ok_or_else(|| ApiError::not_found("name", format!("the page has no file `{name}`"), &name))?;
    let tag = found.tag();
    let is_known = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let cache = [(CACHE_CONTROL, "no-cache".to_owned()), (ETAG, tag)];
    Ok(match is_known {
        true => (StatusCode::NOT_MODIFIED, cache).into_response(),
        false => (cache, [(CONTENT_TYPE, found.content_type)], found.text).into_response(),
    })
}

async fn recording(Shared(api): Shared<Arc<Api>>) -> Json<Recording> {
    Recorder::start(&api);
    Json(describe(&api, api.recorder.follow().0))
}

async fn live(Shared(api): Shared<Arc<Api>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Recorder::start(&api);
    let (history, receiver) = api.recorder.follow();
    let json = serde_json::to_string(&describe(&api, history)).unwrap_or_default();
    let first = Event::default().event("recording").data(json);
    let additions = futures::stream::unfold(receiver, |mut receiver| async move {
        let addition = next_addition(&mut receiver).await?;
        let event = Event::default().event(addition.kind).data(&addition.json);
        Some((Ok(event), receiver))
    });
    let first = futures::stream::iter([Ok(first)]);
    Sse::new(first.chain(additions)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE_INTERVAL))
}

/// The recording of this run.
fn describe(api: &Api, history: History) -> Recording {
    let devices = api.fleet.devices();
    let groups: BTreeMap<&str, u32> = api.run_info.groups.keys().map(String::as_str).zip(0..).collect();
    let truncated = history.truncated();
    let states = (0..devices.len()).map(|at| history.first.letters.get(at).copied().unwrap_or('d')).collect();
    let now = api.fleet.now();
    let run_s = now.run.elapsed().as_secs_f64();
    Recording {
        format: Recording::FORMAT,
        live: true,
        title: format!("{} devices", devices.len()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: api.run_info.seed.value().to_string(),
        broker: api.run_info.broker.clone(),
        topic_root: api.run_info.topic_root.to_string(),
        began_unix_s: Some(now.wall.as_nanos() as f64 / 1e9 - run_s),
        groups: (api.run_info.groups.iter())
            .map(|(name, info)| Group { name: name.clone(), behaviour: info.behaviour.clone() })
            .collect(),
        names: devices.iter().map(|device| device.id.to_string()).collect(),
        group_of: devices
            .iter()
            .map(|device| groups.get(&*device.group).copied().unwrap_or_default())
            .collect(),
        links: links(api),
        from_s: history.from_s,
        to_s: run_s,
        states,
        reasons: history.first.reasons,
        changes: history.changes.into(),
        samples: history.samples.into(),
        marks: history.marks.into(),
        truncated,
        ..Recording::default()
    }
}

/// Each link once, by positions.
fn links(api: &Api) -> Vec<(u32, u32)> {
    let mut links = Vec::new();
    for group in api.versions.groups() {
        let Some(neighbours) = &group.links else { continue };
        for (name, others) in neighbours.iter() {
            let Some(from) = api.fleet.position(name) else { continue };
            let ends = others.iter().filter_map(|other| api.fleet.position(other));
            links.extend(ends.filter(|to| from < *to).map(|to| (from as u32, to as u32)));
        }
    }
    links
}
