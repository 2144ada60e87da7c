//! `GET /behaviours`: what the devices of this fleet run.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use serde::Serialize;

use super::Api;
use super::endpoint::{Endpoint, get};
use crate::cli::behaviours::Card;

#[derive(Serialize)]
struct Running {
    #[serde(flatten)]
    card: Card,
    devices: u32,
    groups: Vec<String>,
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![get("/behaviours", list).summary("The fleet's behaviours").answers("Behaviours")]
}

async fn list(Shared(api): Shared<Arc<Api>>) -> Json<Vec<Running>> {
    let running = |card: &Card| {
        let groups = || api.facts.groups.iter().filter(|(_, group)| group.behaviour == card.name);
        Running {
            card: card.clone(),
            devices: groups().map(|(_, group)| group.count).sum(),
            groups: groups().map(|(name, _)| name.clone()).collect(),
        }
    };
    Json(api.facts.behaviours.iter().map(running).collect())
}
