//! `GET /values`: one value of every device, such as its battery, for maps and tables of a whole fleet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_fleet::suggest::did_you_mean;
use wasmote_live::fleet::STATUS_BATCH;
use wasmote_live::status::DeviceStatus;
use wasmote_sim::metrics::Metric;

use super::Api;
use super::endpoint::{Endpoint, get};
use super::error::ApiError;
use super::extract::Params;

/// Query with the name of a value.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Query {
    /// Name of the value: one of the response's `available`; `version` by default
    of: Option<String>,
}

/// One value of every device.
#[derive(Debug, Serialize, JsonSchema)]
struct Values {
    /// Name of the value.
    of: String,
    /// Unit of the value; empty for a number without one.
    unit: &'static str,
    /// Texts that the values count from 0, if the value is a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    labels: Option<Vec<String>>,
    /// The values, in the order of the devices of `GET /recording`; null where a device has none.
    values: Vec<Option<f64>>,
    /// Names of all values: those that every device has, and the metrics of behaviours.
    available: Vec<String>,
}

/// A number that every device has.
struct Number {
    name: &'static str,
    unit: &'static str,
    of: fn(&DeviceStatus) -> Option<f64>,
}

/// Name of the value that is a text.
const VERSION: &str = "version";
/// Beginning of the names of behaviours' metrics.
const METRIC: &str = "metric:";
/// Characters of a SHA-256 in a label.
const SHORT_HASH: usize = 12;

const NUMBERS: [Number; 10] = [
    Number { name: "published", unit: "messages", of: |it| Some(it.totals.ledger.generated as f64) },
    Number { name: "sent", unit: "messages", of: |it| Some(it.totals.ledger.sent as f64) },
    Number { name: "received", unit: "messages", of: |it| Some(it.totals.ledger.received as f64) },
    Number { name: "lost", unit: "messages", of: |it| Some(lost(it) as f64) },
    Number { name: "waiting", unit: "messages", of: |it| Some(it.totals.waiting.0 as f64) },
    Number { name: "latency", unit: "s", of: |it| it.totals.latency.mean() },
    Number { name: "traps", unit: "traps", of: |it| Some(it.totals.traps as f64) },
    Number { name: "battery", unit: "J", of: |it| it.joules },
    Number { name: "clock_error", unit: "s", of: |it| Some(it.clock_error_s) },
    Number { name: "uptime", unit: "s", of: |it| it.uptime.map(|uptime| uptime.as_secs_f64()) },
];

/// Messages of a device that faults dropped, or that had no connection.
fn lost(status: &DeviceStatus) -> u64 {
    let ledger = &status.totals.ledger;
    ledger.faults().map(|(_, counts)| counts.dropped()).sum::<u64>() + ledger.lost_offline
}

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        get("/values", values)
            .summary(
                "One value of every device: its version, its battery, a count, or a metric of its behaviour",
            )
            .query::<Query>()
            .response::<Values>()
            .error(404, "No device has such a value"),
    ]
}

async fn values(
    Shared(api): Shared<Arc<Api>>,
    Params(Query { of }): Params<Query>,
) -> Result<Json<Values>, ApiError> {
    let of = of.unwrap_or_else(|| VERSION.to_owned());
    let number = NUMBERS.iter().find(|number| number.name == of);
    let mut labels = BTreeMap::<String, usize>::new();
    let mut metrics = BTreeSet::new();
    let mut values = Vec::with_capacity(api.fleet.devices().len());
    for first in (0..api.fleet.devices().len()).step_by(STATUS_BATCH) {
        for status in api.fleet.statuses(first..first + STATUS_BATCH).await? {
            metrics.extend(status.totals.metrics.values().flat_map(BTreeMap::keys).cloned());
            let value = match number {
                Some(number) => (number.of)(&status),
                None if of == VERSION => {
                    let next = labels.len();
                    Some(*labels.entry(version(&status)).or_insert(next) as f64)
                }
                None => of.strip_prefix(METRIC).and_then(|name| metric(&status, name)),
            };
            values.push(value.filter(|value| value.is_finite()));
        }
    }
    let names = NUMBERS.iter().map(|number| number.name.to_owned());
    let metrics = metrics.into_iter().map(|name| format!("{METRIC}{name}"));
    let available: Vec<String> = std::iter::once(VERSION.to_owned()).chain(names).chain(metrics).collect();
    if !available.contains(&of) {
        let hint = did_you_mean(&of, available.iter().map(String::as_str));
        let problem = format!("no device has the value `{of}`; use one of {}{hint}", available.join(", "));
        return Err(ApiError::not_found("of", problem, &of));
    }
    let mut ordered = vec![String::new(); labels.len()];
    labels.into_iter().for_each(|(label, at)| ordered[at] = label);
    Ok(Json(Values {
        unit: number.map_or("", |number| number.unit),
        labels: (of == VERSION).then_some(ordered),
        of,
        values,
        available,
    }))
}

/// Behaviour and version of a device.
fn version(status: &DeviceStatus) -> String {
    let hash = &status.version.sha256;
    format!("{} {}", status.behaviour, hash.get(..SHORT_HASH).unwrap_or(hash))
}

/// A metric of the device's behaviour: the value of a counter or gauge, the mean of a distribution.
fn metric(status: &DeviceStatus, name: &str) -> Option<f64> {
    let sum = status.totals.metrics.values().find_map(|metrics| metrics.get(name))?;
    match sum.metric() {
        Metric::Counter { sum } | Metric::Gauge { sum } => Some(*sum),
        Metric::Histogram(histogram) => histogram.mean(),
    }
}
