//! Comparison of a trace with the expectations of a scenario.

use std::collections::BTreeMap;

use serde::Serialize;
use wasmote_fleet::payload_bytes;
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::{Topic, TopicFilter};
use wasmote_sim::device::{ConnectionState, Device};
use wasmote_sim::faults::target::Pattern;
use wasmote_sim::metrics::Metric;

use super::driver::ScenarioDriver;
use super::expectation::{ExpectEntry, Expected, LevelName, MessageMatch, MetricMatch, Seen};
use super::trace::{Entry, Trace, What, level_name, seconds};
use super::value::{BytesConditions, Condition, ValueCondition};

/// Entries that are shown for an expectation that is not met.
const MAX_SHOWN: usize = 5;
/// Longest line of an entry that is shown.
const MAX_LINE: usize = 400;

/// Outcome of one expectation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its field, such as `expect[2]`.
    pub field: String,
    /// What is expected.
    pub expected: String,
    /// Whether it is met.
    pub passed: bool,
    /// What was found.
    pub found: String,
    /// What happened instead.
    pub instead: Vec<String>,
}

/// The time in which an expectation holds.
#[derive(Clone, Copy, Debug)]
struct Window {
    from: Time,
    to: Time,
    end: Time,
}

impl Window {
    fn of(entry: &ExpectEntry, end: Time) -> Self {
        let time = |span: wasmote_sim::faults::span::Span| Time::ZERO + span.0;
        let at = entry.at.map(time);
        let from = at.or(entry.from.map(time)).unwrap_or(Time::ZERO);
        Self { from, to: at.or(entry.to.map(time)).unwrap_or(end), end }
    }

    fn contains(&self, at: Time) -> bool {
        self.from <= at && at <= self.to
    }

    fn describe(&self) -> Option<String> {
        match (self.from == Time::ZERO, self.to == self.end) {
            (true, true) => None,
            _ if self.from == self.to => Some(format!("at {} s", seconds(self.from))),
            (true, false) => Some(format!("until {} s", seconds(self.to))),
            (false, true) => Some(format!("from {} s on", seconds(self.from))),
            (false, false) => Some(format!("from {} s to {} s", seconds(self.from), seconds(self.to))),
        }
    }
}

/// Devices of an expectation: by name, or those of the component under test.
#[derive(Clone, Debug)]
struct Scope<'a> {
    pattern: Option<Pattern>,
    group: Option<&'a str>,
}

impl Scope<'_> {
    fn contains(&self, device: &Identity) -> bool {
        match (&self.pattern, self.group) {
            (Some(pattern), _) => pattern.matches(device.id.as_str()),
            (None, Some(group)) => *device.group == *group,
            (None, None) => true,
        }
    }
}

/// An expectation, ready to be compared.
pub(super) struct Expectation<'a> {
    field: String,
    entry: &'a ExpectEntry,
    expected: Expected<'a>,
    window: Window,
    scope: Scope<'a>,
}

impl<'a> Expectation<'a> {
    /// The expectation at this position. `None` if it expects nothing, which its check has refused.
    pub(super) fn new(
        index: usize,
        entry: &'a ExpectEntry,
        end: Time,
        group: Option<&'a str>,
    ) -> Option<Self> {
        Some(Self {
            field: format!("expect[{index}]"),
            entry,
            expected: entry.expected().ok()?,
            window: Window::of(entry, end),
            scope: Scope { pattern: entry.device.as_ref().map(Pattern::new), group },
        })
    }

    /// The time at which a state is expected; `None` for events.
    pub(super) fn state_at(&self) -> Option<Time> {
        self.expected.is_state().then_some(match self.entry.at {
            Some(_) => self.window.from,
            None => self.window.end,
        })
    }

    /// Whether it names this trap.
    pub(super) fn names_trap(&self, entry: &Entry) -> bool {
        matches!(self.expected, Expected::Trap(_))
            && self.scope.contains(&entry.device)
            && self.window.contains(entry.at)
            && self.mismatches(entry).is_some_and(|mismatches| mismatches.is_empty())
    }

    fn describe(&self) -> String {
        let (least, most) = self.entry.counts();
        let times = |count: u64| if count == 1 { "once".to_owned() } else { format!("{count} times") };
        let count = match (least, most) {
            _ if self.expected.is_state() => None,
            (0, 0) => Some("never".to_owned()),
            (least, most) if least == most => Some(times(least)),
            (1, u64::MAX) => None,
            (least, u64::MAX) => Some(format!("at least {}", times(least))),
            (0, most) => Some(format!("at most {}", times(most))),
            (least, most) => Some(format!("{least} to {most} times")),
        };
        let device = self.entry.device.as_ref().map(|device| format!("by {device}"));
        let seen = (self.entry.seen == Some(Seen::Broker)).then(|| "at the broker".to_owned());
        let at = match self.state_at() {
            Some(at) => Some(format!("at {} s", seconds(at))),
            None => self.window.describe(),
        };
        let parts = std::iter::once(self.describe_what()).chain(seen).chain(device).chain(count).chain(at);
        parts.collect::<Vec<_>>().join(", ")
    }

    fn describe_what(&self) -> String {
        let list = |head: String, parts: Vec<String>| match parts.is_empty() {
            true => head,
            false => format!("{head} with {}", parts.join(" and ")),
        };
        match self.expected {
            Expected::Publish(message) => {
                list(format!("a publication on `{}`", message.topic), describe_message(message))
            }
            Expected::Retained(message) => {
                list(format!("a retained message on `{}`", message.topic), describe_message(message))
            }
            Expected::Subscribe(subscribe) => {
                let qos = subscribe.qos.map(|qos| qos.to_string());
                list(format!("a subscription to `{}`", subscribe.filter), qos.into_iter().collect())
            }
            Expected::Log(log) => {
                let level = log.level.map_or("a", |level| level_text(level));
                let text = log.text.as_ref().map(|text| format!("the text \"{}\"", text.escape_debug()));
                let part = log
                    .contains
                    .as_ref()
                    .map(|part| format!("a text containing \"{}\"", part.escape_debug()));
                let article = if log.level.is_some() { "a log line at the level " } else { "" };
                let head = format!("{article}{level}{}", if log.level.is_some() { "" } else { " log line" });
                list(head, text.into_iter().chain(part).collect())
            }
            Expected::Answer(answer) => {
                let status = answer.status.map(|status| format!("status {status}"));
                let headers = answer.headers.iter().map(|(name, value)| format!("{name}: {value}"));
                let body =
                    bytes_of("body", answer.body.as_ref(), answer.contains.as_ref(), &answer.json).describe();
                list("an HTTP answer".to_owned(), status.into_iter().chain(headers).chain(body).collect())
            }
            Expected::Request(request) => {
                let method = request.method.iter().map(|method| format!("method {method}"));
                let url = request.url.iter().map(|url| format!("URL {url}"));
                let headers = request.headers.iter().map(|(name, value)| format!("{name}: {value}"));
                let body = bytes_of("body", request.body.as_ref(), request.contains.as_ref(), &request.json)
                    .describe();
                list("an HTTP request".to_owned(), method.chain(url).chain(headers).chain(body).collect())
            }
            Expected::Trap(trap) => {
                let kind = trap.kind.map(|kind| format!("kind {kind:?}"));
                let part = trap
                    .contains
                    .as_ref()
                    .map(|part| format!("a reason containing \"{}\"", part.escape_debug()));
                list("a trap".to_owned(), kind.into_iter().chain(part).collect())
            }
            Expected::Metric(metric) => format!("metric `{}` {}", metric.name, condition_of(metric)),
            Expected::Connected(true) => "connected".to_owned(),
            Expected::Connected(false) => "not connected".to_owned(),
        }
    }

    /// The conditions that an entry does not meet; `None` if it is of another kind.
    fn mismatches(&self, entry: &Entry) -> Option<Vec<String>> {
        match (self.expected, &entry.what) {
            (Expected::Publish(wanted), What::Publish(message)) if self.entry.seen != Some(Seen::Broker) => {
                Some(message_mismatches(wanted, message))
            }
            (Expected::Publish(wanted), What::AtBroker(message)) if self.entry.seen == Some(Seen::Broker) => {
                Some(message_mismatches(wanted, message))
            }
            (Expected::Subscribe(wanted), What::Subscribe(filter, qos)) => {
                let other = (filter.as_str() != wanted.filter).then(|| "it is another filter".to_owned());
                let qos = wanted
                    .qos
                    .filter(|wanted| wanted != qos)
                    .map(|wanted| format!("{qos}, expected {wanted}"));
                Some(other.into_iter().chain(qos).collect())
            }
            (Expected::Log(wanted), What::Log(level, text)) => {
                let level = wanted
                    .level
                    .filter(|wanted| level_text(*wanted) != level_name(*level))
                    .map(|wanted| format!("level {}, expected {}", level_name(*level), level_text(wanted)));
                let whole =
                    wanted.text.as_ref().filter(|wanted| *wanted != text).map(|_| "another text".to_owned());
                let part = wanted.contains.as_ref().filter(|part| !text.contains(*part));
                let part = part.map(|part| format!("it does not contain \"{}\"", part.escape_debug()));
                Some(level.into_iter().chain(whole).chain(part).collect())
            }
            (Expected::Answer(wanted), What::Answer(answer)) => {
                let status = wanted.status.filter(|status| *status != answer.status);
                let status = status.map(|status| format!("status {}, expected {status}", answer.status));
                let headers = header_mismatches(&wanted.headers, &answer.headers);
                let body = bytes_of("body", wanted.body.as_ref(), wanted.contains.as_ref(), &wanted.json);
                Some(status.into_iter().chain(headers).chain(body.mismatches(&answer.body)).collect())
            }
            (Expected::Request(wanted), What::Request(_, request)) => {
                let other = |name: &str, wanted: &Option<String>, found: &String| {
                    let wanted = wanted.as_ref().filter(|wanted| *wanted != found)?;
                    Some(format!("{name} {found}, expected {wanted}"))
                };
                let method = wanted.method.as_ref().map(|method| method.to_ascii_uppercase());
                let parts =
                    [other("method", &method, &request.method), other("URL", &wanted.url, &request.url)];
                let headers = header_mismatches(&wanted.headers, &request.headers);
                let body = bytes_of("body", wanted.body.as_ref(), wanted.contains.as_ref(), &wanted.json);
                Some(
                    parts
                        .into_iter()
                        .flatten()
                        .chain(headers)
                        .chain(body.mismatches(&request.body))
                        .collect(),
                )
            }
            (Expected::Trap(wanted), What::Trap(trap, _)) => {
                let kind =
                    wanted.kind.filter(|kind| !kind.is(trap.kind)).map(|kind| format!("expected {kind:?}"));
                let part = wanted.contains.as_ref().filter(|part| !trap.message.contains(*part));
                let part = part.map(|part| format!("it does not contain \"{}\"", part.escape_debug()));
                Some(kind.into_iter().chain(part).collect())
            }
            _ => None,
        }
    }

    /// Compares the events of a trace with the expectation.
    pub(super) fn check_events(&self, trace: &Trace) -> Check {
        let candidates = || {
            let entries = trace.entries.iter().filter(|entry| self.scope.contains(&entry.device));
            entries.filter_map(|entry| Some((entry, self.mismatches(entry)?)))
        };
        let matching: Vec<&Entry> =
            candidates().filter(|(_, mismatches)| mismatches.is_empty()).map(|(entry, _)| entry).collect();
        let inside: Vec<&&Entry> = matching.iter().filter(|entry| self.window.contains(entry.at)).collect();
        let found = inside.len() as u64;
        let (least, most) = self.entry.counts();
        let passed = (least..=most).contains(&found);
        let mut instead = Vec::new();
        if found > most {
            instead.extend(inside.iter().take(MAX_SHOWN).map(|entry| shortened(&entry.to_string())));
        } else if !passed {
            let outside = matching.iter().filter(|entry| !self.window.contains(entry.at));
            instead
                .extend(outside.take(MAX_SHOWN).map(|entry| shortened(&format!("{entry}  (another time)"))));
            let mut near: Vec<_> = candidates()
                .filter(|(entry, mismatches)| !mismatches.is_empty() && self.window.contains(entry.at))
                .collect();
            // Stable, so that of equally near ones the first is shown.
            near.sort_by_key(|(_, mismatches)| mismatches.len());
            let room = MAX_SHOWN.saturating_sub(instead.len());
            instead.extend(near.iter().take(room).flat_map(|(entry, mismatches)| {
                [shortened(&entry.to_string()), format!("             {}", mismatches.join("; "))]
            }));
            if instead.is_empty() {
                let of_device = trace.entries.iter().filter(|entry| {
                    self.scope.contains(&entry.device)
                        && self.window.contains(entry.at)
                        && entry.what.is_of_behaviour()
                });
                instead.extend(of_device.take(MAX_SHOWN).map(|entry| shortened(&entry.to_string())));
                if instead.is_empty() {
                    instead.push("nothing at all happened to these devices then".to_owned());
                }
            }
        }
        let found = match found {
            0 => "none".to_owned(),
            count => count.to_string(),
        };
        Check { field: self.field.clone(), expected: self.describe(), passed, found, instead }
    }

    /// Compares the present state of the devices with the expectation.
    pub(super) fn check_state(&self, driver: &ScenarioDriver) -> Check {
        let devices: Vec<&Device> =
            driver.devices().filter(|device| self.scope.contains(device.identity())).collect();
        let named = |device: &Device, text: String| format!("{}: {text}", device.identity().id);
        let wrong: Vec<String> = match self.expected {
            Expected::Connected(wanted) => {
                let other =
                    devices.iter().filter(|device| (*device.connection() == ConnectionState::Up) != wanted);
                other.map(|device| named(device, connection_text(device.connection()))).collect()
            }
            Expected::Metric(metric) => {
                let condition = condition_of(metric);
                let problem = |device: &&Device| {
                    let value = metric_value(device, &metric.name);
                    let problem = condition.mismatch(value.map(serde_json::Value::from).as_ref())?;
                    let known =
                        device.metrics().into_iter().flat_map(|metrics| metrics.iter().map(|(name, _)| name));
                    let known: Vec<&str> = known.collect();
                    Some(named(
                        device,
                        match value {
                            Some(_) => problem,
                            None => format!("{problem}; its metrics are {}", list_or_none(&known)),
                        },
                    ))
                };
                devices.iter().filter_map(problem).collect()
            }
            Expected::Retained(wanted) => retained_problem(wanted, driver).into_iter().collect(),
            _ => Vec::new(),
        };
        let nobody = devices.is_empty() && !matches!(self.expected, Expected::Retained(_));
        let instead: Vec<String> = match nobody {
            true => vec!["there is no such device".to_owned()],
            false => wrong.iter().take(MAX_SHOWN).map(|line| shortened(line)).collect(),
        };
        let passed = instead.is_empty();
        let found = if passed { "it is so".to_owned() } else { "it is not so".to_owned() };
        Check { field: self.field.clone(), expected: self.describe(), passed, found, instead }
    }
}

fn connection_text(state: &ConnectionState) -> String {
    match state {
        ConnectionState::Up => "connected".to_owned(),
        ConnectionState::Connecting => "connecting".to_owned(),
        ConnectionState::Resuming => "testing its connection".to_owned(),
        ConnectionState::Down(reason) => format!("not connected: {reason}"),
    }
}

fn list_or_none(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn condition_of(metric: &MetricMatch) -> Condition {
    let MetricMatch { equals, min, max, .. } = metric;
    Condition { equals: equals.map(serde_json::Value::from), min: *min, max: *max, ..Condition::default() }
}

/// The value of a device's metric; of a histogram, the number of observations.
fn metric_value(device: &Device, name: &str) -> Option<f64> {
    let (_, metric) = device.metrics()?.iter().find(|(known, _)| *known == name)?;
    Some(match metric {
        Metric::Counter { sum } | Metric::Gauge { sum } => *sum,
        Metric::Histogram(histogram) => histogram.count() as f64,
    })
}

fn retained_problem(wanted: &MessageMatch, driver: &ScenarioDriver) -> Option<String> {
    let topic = Topic::new(wanted.topic.as_str());
    let Ok(topic) = topic else { return Some(format!("`{}` is no topic, but a filter", wanted.topic)) };
    match driver.retained(&topic) {
        None => Some("the broker retains no message on this topic".to_owned()),
        Some(message) => {
            let mismatches = message_mismatches(wanted, message);
            let line = What::AtBroker(message.clone());
            (!mismatches.is_empty()).then(|| format!("{line}: {}", mismatches.join("; ")))
        }
    }
}

fn level_text(level: LevelName) -> &'static str {
    match level {
        LevelName::Trace => "trace",
        LevelName::Debug => "debug",
        LevelName::Info => "info",
        LevelName::Warn => "warn",
        LevelName::Error => "error",
    }
}

fn bytes_of<'a>(
    name: &'static str,
    whole: Option<&'a serde_json::Value>,
    contains: Option<&'a String>,
    json: &'a BTreeMap<String, ValueCondition>,
) -> BytesConditions<'a> {
    BytesConditions { name, whole, bytes: None, contains: contains.map(String::as_str), json }
}

fn header_mismatches<'a>(
    wanted: &'a BTreeMap<String, String>,
    found: &'a [(String, String)],
) -> impl Iterator<Item = String> + 'a {
    wanted.iter().filter_map(|(name, value)| {
        let name = name.to_ascii_lowercase();
        let found = found.iter().find(|(other, _)| *other == name).map(|(_, value)| value);
        match found {
            Some(found) if found == value => None,
            Some(found) => Some(format!("{name}: {found}, expected {value}")),
            None => Some(format!("the header {name} is missing")),
        }
    })
}

fn describe_message(message: &MessageMatch) -> Vec<String> {
    let payload =
        bytes_of("payload", message.payload.as_ref(), message.contains.as_ref(), &message.json).describe();
    let base64 = message.payload_base64.as_ref().map(|text| format!("the payload {text} in Base64"));
    let qos = message.qos.map(|qos| qos.to_string());
    let retain =
        message.retain.map(|retain| if retain { "the retain flag" } else { "no retain flag" }.to_owned());
    payload.into_iter().chain(base64).chain(qos).chain(retain).collect()
}

fn message_mismatches(wanted: &MessageMatch, message: &Message) -> Vec<String> {
    let topic = TopicFilter::new(wanted.topic.as_str()).is_ok_and(|filter| filter.matches(&message.topic));
    let mut mismatches: Vec<String> =
        (!topic).then(|| "it is another topic".to_owned()).into_iter().collect();
    // Other topics come last among the nearest entries, whatever their payload is.
    if !topic {
        mismatches.push("its payload is not compared".to_owned());
        return mismatches;
    }
    let bytes = wanted.payload_base64.as_ref().and_then(|text| payload_bytes::decode(text).ok());
    let conditions = BytesConditions {
        bytes: bytes.as_deref(),
        ..bytes_of("payload", wanted.payload.as_ref(), wanted.contains.as_ref(), &wanted.json)
    };
    mismatches.extend(conditions.mismatches(&message.payload));
    let qos = wanted.qos.filter(|qos| *qos != message.qos);
    mismatches.extend(qos.map(|wanted| format!("{}, expected {wanted}", message.qos)));
    let retain = wanted.retain.filter(|retain| *retain != message.retain);
    mismatches.extend(retain.map(|wanted| match wanted {
        true => "it has no retain flag".to_owned(),
        false => "it has the retain flag".to_owned(),
    }));
    mismatches
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(MAX_LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// A failed check for traps that no expectation names; `None` if there are none.
pub(super) fn unexpected_traps(trace: &Trace, expectations: &[Expectation<'_>]) -> Option<Check> {
    let traps = trace.entries.iter().filter(|entry| matches!(entry.what, What::Trap(..)));
    let unexpected: Vec<&Entry> =
        traps.filter(|trap| !expectations.iter().any(|it| it.names_trap(trap))).collect();
    (!unexpected.is_empty()).then(|| Check {
        field: "traps".to_owned(),
        expected: "no trap and no refusal to start but those that an `[[expect]]` names as `trap`".to_owned(),
        passed: false,
        found: unexpected.len().to_string(),
        instead: unexpected.iter().take(MAX_SHOWN).map(|entry| shortened(&entry.to_string())).collect(),
    })
}
