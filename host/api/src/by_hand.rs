//! `GET /plan`: this fleet and the changes that users made to it, as a plan that repeats them.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use wasmote_fleet::actions::entry::TimelineEntry;
use wasmote_fleet::config::Group;
use wasmote_fleet::config::identity::options::NameEntry;
use wasmote_fleet::strip_nulls::strip_nulls;
use wasmote_mqtt::device_id::Identity;

use super::Api;
use super::endpoint::{Endpoint, get};
use super::error::ApiError;

/// Seconds that a plan lasts beyond the last change, so that its effect shows.
const AFTERMATH_S: f64 = 10.0;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/plan", plan)
            .summary("This fleet and the changes made over HTTP, as a plan for `wasmote experiment run`")
            .response_as::<String>("application/toml")
            .error(
                409,
                "More changes were made than are kept, or a behaviour was replaced by an uploaded component",
            ),
    ]
}

async fn plan(Shared(api): Shared<Arc<Api>>) -> Result<Response, ApiError> {
    let (entries, lost) = api.recorder.actions();
    if lost > 0 {
        let problem = format!("{lost} changes are no longer kept, so a plan could not repeat this run");
        return Err(ApiError::new(StatusCode::CONFLICT, "timeline", problem));
    }
    let uploaded =
        api.versions.all().into_iter().find(|it| it.versions.iter().any(|version| version.source == "http"));
    if let Some(behaviour) = uploaded {
        let problem = format!(
            "`{}` was replaced by an uploaded component, which a plan needs as a file; start the host with that file",
            behaviour.info.name
        );
        return Err(ApiError::new(StatusCode::CONFLICT, "behaviour", problem));
    }
    let text = document(&api, &entries)
        .map_err(|problem| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "plan", problem.to_string()))?;
    Ok(([(CONTENT_TYPE, "application/toml")], text).into_response())
}

fn document(api: &Api, entries: &[TimelineEntry]) -> Result<String, toml::ser::Error> {
    let last_s = entries.last().map_or(0.0, |entry| entry.at.0.as_secs_f64());
    let duration_s = (last_s + AFTERMATH_S).max(api.uptime().as_secs_f64()).ceil();
    let mut plan = json!({
        "name": "by-hand",
        "description": "Changes that were made by hand to a running fleet",
        "duration": format!("{duration_s}s"),
        "seeds": [api.run_info.seed.value()],
        "topic_root": &*api.run_info.topic_root,
        "faults": api.run_info.faults.document,
        "group": api.versions.initial_groups().iter().map(|it| group(api, it)).collect::<Vec<_>>(),
        "timeline": entries,
    });
    strip_nulls(&mut plan);
    let changes = entries.len();
    let header = "# This fleet, and the changes that were made to it over HTTP. Run it with\n#   wasmote experiment run by-hand.toml";
    Ok(format!("{header}\n# Changes: {changes}.\n{}", toml::to_string_pretty(&plan)?))
}

/// A group as a plan writes it.
fn group(api: &Api, group: &Group) -> Value {
    let mut entry = Map::new();
    entry.insert("name".into(), group.name.clone().into());
    entry.insert("behaviour".into(), group.behaviour.text().into());
    entry.insert("count".into(), group.count.into());
    entry.insert("config".into(), group.config.clone().into());
    if group.names.is_some() {
        let devices = api.fleet.devices();
        let own = devices.iter().filter(|device| *device.group == *group.name).take(group.count as usize);
        let name = |device: &Arc<Identity>| NameEntry::Both {
            name: device.id.to_string(),
            client_id: device.client_id().to_owned(),
        };
        let names: Vec<NameEntry> = own.map(name).collect();
        entry.insert("identity".into(), json!({"names": names}));
    }
    if let Some(faults) = &group.faults {
        entry.insert("faults".into(), json!(faults.document));
    }
    if !group.deny.is_empty() {
        entry.insert("deny".into(), json!(&*group.deny));
    }
    if let Some(sha256) = &group.sha256 {
        entry.insert("sha256".into(), sha256.clone().into());
    }
    entry.into()
}
