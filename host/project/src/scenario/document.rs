//! The file of a scenario: a plan for the component under test, with expectations.
//!
//! ```toml
//! duration = "10s"
//! config = { interval = "2s" }
//!
//! [[timeline]]
//! at = "3s"
//! publish = { topic = "wasmote/lamp-0/cmd", payload = { cmd = "on" } }
//!
//! [[expect]]
//! from = "3s"
//! publish = { topic = "wasmote/lamp-0/state", payload = "on", qos = 1, retain = true }
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use wasmote_experiment::ExperimentError;
use wasmote_experiment::source::PlanSource;
use wasmote_fleet::actions::entry::TimelineEntry;
use wasmote_fleet::config::file::{FaultsEntry, GroupEntry};
use wasmote_fleet::config::values::{DeviceCount, DurationValue, Keepalive, MqttVersion, TopicRoot};
use wasmote_fleet::document::{self, Format};
use wasmote_fleet::regular_file;
use wasmote_fleet::schema::accept_alias;
use wasmote_fleet::source::Source;
use wasmote_fleet::topology::TopologyEntry;
use wasmote_mqtt::broker::limits::BrokerLimits;
use wasmote_registry::fetcher::Fetcher;
use wasmote_sim::faults::span::Span;
use wasmote_sim::limits::Limits;

use super::expectation::ExpectEntry;

/// A scenario. Its paths are relative to its folder.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = |schema: &mut Schema| accept_alias(schema, "group", "groups"))]
pub struct Scenario {
    /// What it shows.
    #[serde(default)]
    pub description: String,
    /// Simulated duration.
    pub duration: Span,
    /// Seed of all random numbers; 1 by default.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Number of devices of the component under test; 1 by default. They are called NAME-0, NAME-1 and so on.
    #[serde(default)]
    pub devices: Option<DeviceCount>,
    /// Configuration of the component under test, in addition to that of the project.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// Limits of its devices, in addition to those of the project.
    #[serde(default)]
    #[schemars(with = "Limits")]
    pub limits: Map<String, Value>,
    /// Hosts that its devices may send HTTP requests to; by default those of `[[http]]`.
    #[serde(default)]
    pub allow_hosts: Option<Vec<String>>,
    /// Groups of other devices beside it.
    #[serde(default, alias = "groups")]
    pub group: Vec<GroupEntry>,
    /// Links between devices, for behaviours that forward messages for each other.
    #[serde(default)]
    pub topology: Option<TopologyEntry>,
    /// Faults: a preset, a file, or an inline document; `none` by default.
    #[serde(default)]
    pub faults: Option<FaultsEntry>,
    /// Limits of the broker.
    #[serde(default)]
    #[schemars(with = "BrokerLimits")]
    pub broker_limits: Map<String, Value>,
    /// What happens, with the actions of plans.
    #[serde(default)]
    pub timeline: Vec<TimelineEntry>,
    /// Answers to HTTP requests that behaviours send. Other requests fail as unreachable.
    #[serde(default)]
    pub http: Vec<HttpEntry>,
    /// What is expected.
    #[serde(default)]
    pub expect: Vec<ExpectEntry>,
    /// File with the golden trace: all that the devices get and do. `wasmote test --update` writes it.
    #[serde(default)]
    pub trace: Option<PathBuf>,
    /// Wall-clock time at the beginning; 2026-01-01T00:00:00Z by default.
    #[serde(default)]
    #[schemars(extend("format" = "date-time"))]
    pub starts_at: Option<String>,
    /// The first levels of every topic; `wasmote` by default.
    #[serde(default)]
    pub topic_root: Option<TopicRoot>,
    /// The MQTT version; 5 by default.
    #[serde(default)]
    pub mqtt: Option<MqttVersion>,
    /// Keep-alive interval of connections; 10 s by default.
    #[serde(default)]
    pub keepalive: Option<Keepalive>,
    /// Time for which the broker keeps the session of a lost connection; 0 by default.
    #[serde(default)]
    pub session_expiry: Option<DurationValue>,
    /// Latency of every packet between a device and the broker, each way; 1 ms by default.
    #[serde(default)]
    pub packet_latency: Option<Span>,
}

/// Answer to HTTP requests of behaviours.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpEntry {
    /// URLs of the requests; `*` stands for any sequence of characters.
    pub url: String,
    /// Method of the requests; any by default.
    #[serde(default)]
    pub method: Option<String>,
    /// The status code; 200 by default.
    #[serde(default)]
    pub status: Option<u16>,
    /// Headers of the answer.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body: text as it is, another value as JSON.
    #[serde(default)]
    pub body: Option<Value>,
    /// Time until the answer arrives; 10 ms by default.
    #[serde(default)]
    pub after: Option<Span>,
}

/// The component under test.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Name of its group, and prefix of its devices' names.
    pub name: String,
    /// Its source.
    pub source: Source,
    /// Its configuration, which scenarios add to.
    pub config: Map<String, Value>,
    /// Limits of its devices, which scenarios add to.
    pub limits: Map<String, Value>,
}

/// Fields of a scenario that a plan does not have, or that mean something else there.
const OWN_FIELDS: [&str; 9] =
    ["description", "seed", "devices", "config", "limits", "allow_hosts", "http", "expect", "trace"];

/// A scenario with its plan.
#[derive(Clone, Debug)]
pub struct ScenarioFile {
    /// Its name: that of the file, without the ending.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// The file as the user wrote it.
    pub shown: String,
    /// The document.
    pub scenario: Scenario,
    /// The plan that runs the devices.
    pub plan: PlanSource,
}

impl ScenarioFile {
    /// Reads a scenario for the component under test, if there is one.
    pub fn read(path: &Path, shown: &str, subject: Option<&Subject>) -> Result<Self, ExperimentError> {
        let text = regular_file::read_text(path)
            .map_err(|problem| ExperimentError::Unreadable { path: shown.to_owned(), problem })?;
        let format = Format::of(path);
        let located = |problem: document::DocumentError| problem.in_file(shown);
        let scenario: Scenario = document::parse(&text, format).map_err(located)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut value: Value = document::parse(&text, format).map_err(located)?;
        if let Some(object) = value.as_object_mut() {
            object.retain(|field, _| !OWN_FIELDS.contains(&field.as_str()));
        }
        value["name"] = "scenario".into();
        value["seeds"] = json!([scenario.seed.unwrap_or(1)]);
        let invalid =
            |field: &str, problem: &str| Err(ExperimentError::invalid(format!("{shown}: {field}"), problem));
        match subject {
            Some(subject) => add_subject(&mut value, subject, &scenario),
            None if scenario.group.is_empty() => {
                return invalid(
                    "group",
                    "there is none, and no component under test; write at least one `[[group]]`",
                );
            }
            None => {}
        }
        if scenario.expect.is_empty() && scenario.trace.is_none() {
            return invalid(
                "expect",
                "there is none, so the scenario shows nothing; write at least one `[[expect]]`, or `trace`",
            );
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let plan = PlanSource::parse(&value.to_string(), Format::Json, shown, folder, &Fetcher::default())
            .map_err(without_location)?;
        Ok(Self { name, path: path.to_owned(), shown: shown.to_owned(), scenario, plan })
    }
}

/// An error of the plan has the place in the plan, which no file contains.
fn without_location(error: ExperimentError) -> ExperimentError {
    match error {
        ExperimentError::Document(problem) => {
            ExperimentError::Document(document::DocumentError { location: None, ..problem })
        }
        error => error,
    }
}

/// Adds the group of the component under test. It is the last one, so that errors name groups by their place in the file.
fn add_subject(plan: &mut Value, subject: &Subject, scenario: &Scenario) {
    let merged = |default: &Map<String, Value>, own: &Map<String, Value>| {
        let mut merged = default.clone();
        merged.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
        merged
    };
    let hosts = scenario.allow_hosts.clone().unwrap_or_else(|| {
        let host = |entry: &HttpEntry| {
            Some(entry.url.split_once("://")?.1.split(['/', '?', '*']).next()?.to_owned())
        };
        scenario.http.iter().filter_map(host).filter(|host| !host.is_empty()).collect()
    });
    let mut group = json!({
        "name": subject.name,
        "behaviour": subject.source.text(),
        "count": scenario.devices.as_ref().map_or(1, |count| count.0),
        "config": merged(&subject.config, &scenario.config),
        "limits": merged(&subject.limits, &scenario.limits),
    });
    if !hosts.is_empty() {
        group["allow_hosts"] = hosts.into();
    }
    let key = if plan.get("groups").is_some() { "groups" } else { "group" };
    match plan.get_mut(key).and_then(Value::as_array_mut) {
        Some(groups) => groups.push(group),
        None => plan[key] = json!([group]),
    }
}
