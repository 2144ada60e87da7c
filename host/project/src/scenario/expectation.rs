//! Expectations of a scenario, as its file writes them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use wasmote_fleet::payload_bytes;
use wasmote_fleet::suggest::did_you_mean;
use wasmote_mqtt::message::Qos;
use wasmote_mqtt::topic::TopicFilter;
use wasmote_sim::behaviour::TrapKind;
use wasmote_sim::faults::span::Span;

use super::value::{ValueCondition, check_pointers};

/// One expectation: what must happen, to which devices, when and how often.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExpectEntry {
    /// Devices, where `*` stands for any sequence of characters; by default those of the component under test, or all if
    /// the scenario has none.
    pub device: Option<String>,
    /// Begin of the time in which it is expected; the begin of the scenario by default.
    pub from: Option<Span>,
    /// End of this time, which belongs to it; the end of the scenario by default.
    pub to: Option<Span>,
    /// Exactly this time, in place of `from` and `to`.
    pub at: Option<Span>,
    /// Exactly this number of times.
    pub count: Option<u64>,
    /// At least this number of times; once by default.
    pub at_least: Option<u64>,
    /// At most this number of times.
    pub at_most: Option<u64>,
    /// Where a publication is seen: `device` counts what the behaviour publishes, `broker` what reaches the broker through
    /// the faults.
    pub seen: Option<Seen>,
    /// A publication.
    pub publish: Option<MessageMatch>,
    /// A subscription.
    pub subscribe: Option<SubscribeMatch>,
    /// A log line.
    pub log: Option<LogMatch>,
    /// An answer to an HTTP request.
    pub answer: Option<AnswerMatch>,
    /// An HTTP request that the behaviour sends.
    pub request: Option<RequestMatch>,
    /// A trap, or a refusal to start. A trap that no expectation names fails the scenario.
    pub trap: Option<TrapMatch>,
    /// The value of a metric at a time, of every device.
    pub metric: Option<MetricMatch>,
    /// The message that the broker retains at a time.
    pub retained: Option<MessageMatch>,
    /// Whether the devices are connected at a time.
    pub connected: Option<bool>,
}

/// Where a publication is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// At the behaviour.
    #[default]
    Device,
    /// At the broker.
    Broker,
}

/// Conditions on a message.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageMatch {
    /// The topic, or a filter of MQTT, such as `wasmote/+/telemetry`.
    pub topic: String,
    /// The whole payload: text as it is, another value as JSON.
    #[serde(default)]
    pub payload: Option<Value>,
    /// The whole payload in Base64.
    #[serde(default)]
    pub payload_base64: Option<String>,
    /// A part of the payload's text.
    #[serde(default)]
    pub contains: Option<String>,
    /// Values of a payload in JSON, by JSON Pointer.
    #[serde(default)]
    pub json: BTreeMap<String, ValueCondition>,
    /// The QoS.
    #[serde(default)]
    pub qos: Option<Qos>,
    /// Whether it is published with the retain flag.
    #[serde(default)]
    pub retain: Option<bool>,
}

/// Conditions on a subscription.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscribeMatch {
    /// The whole topic filter.
    pub filter: String,
    /// The QoS.
    #[serde(default)]
    pub qos: Option<Qos>,
}

/// Conditions on a log line.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogMatch {
    /// The level: `trace`, `debug`, `info`, `warn` or `error`.
    pub level: Option<LevelName>,
    /// The whole text.
    pub text: Option<String>,
    /// A part of the text.
    pub contains: Option<String>,
}

/// Level of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum LevelName {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// Conditions on the answer to an HTTP request.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AnswerMatch {
    /// The status code.
    pub status: Option<u16>,
    /// Headers, by name in lower case.
    pub headers: BTreeMap<String, String>,
    /// The whole body: text as it is, another value as JSON.
    pub body: Option<Value>,
    /// A part of the body's text.
    pub contains: Option<String>,
    /// Values of a body in JSON, by JSON Pointer.
    pub json: BTreeMap<String, ValueCondition>,
}

/// Conditions on an HTTP request of a behaviour.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RequestMatch {
    /// The method.
    pub method: Option<String>,
    /// The whole URL.
    pub url: Option<String>,
    /// Headers, by name in lower case.
    pub headers: BTreeMap<String, String>,
    /// The whole body: text as it is, another value as JSON.
    pub body: Option<Value>,
    /// A part of the body's text.
    pub contains: Option<String>,
    /// Values of a body in JSON, by JSON Pointer.
    pub json: BTreeMap<String, ValueCondition>,
}

/// Conditions on a trap.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrapMatch {
    /// The kind: `trapped`, `refused` (an error of `start`), `out_of_fuel` or `out_of_memory`.
    pub kind: Option<TrapName>,
    /// A part of the reason, which for a refusal is the text of the behaviour.
    pub contains: Option<String>,
}

/// Kind of a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum TrapName {
    Refused,
    Trapped,
    OutOfFuel,
    OutOfMemory,
    Host,
}

impl TrapName {
    /// Whether a trap is of this kind.
    pub fn is(self, kind: TrapKind) -> bool {
        matches!(
            (self, kind),
            (Self::Refused, TrapKind::Refused)
                | (Self::Trapped, TrapKind::Trapped)
                | (Self::OutOfFuel, TrapKind::OutOfFuel)
                | (Self::OutOfMemory, TrapKind::OutOfMemory)
                | (Self::Host, TrapKind::Host)
        )
    }
}

/// Conditions on a metric.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricMatch {
    /// The name, as the behaviour gives it.
    pub name: String,
    /// The value; of a histogram, the number of observations.
    #[serde(default)]
    pub equals: Option<f64>,
    /// The lowest value.
    #[serde(default)]
    pub min: Option<f64>,
    /// The highest value.
    #[serde(default)]
    pub max: Option<f64>,
}

/// What an entry expects.
#[derive(Clone, Copy, Debug)]
pub enum Expected<'a> {
    /// A publication.
    Publish(&'a MessageMatch),
    /// A subscription.
    Subscribe(&'a SubscribeMatch),
    /// A log line.
    Log(&'a LogMatch),
    /// An answer to an HTTP request.
    Answer(&'a AnswerMatch),
    /// An HTTP request.
    Request(&'a RequestMatch),
    /// A trap.
    Trap(&'a TrapMatch),
    /// A metric at a time.
    Metric(&'a MetricMatch),
    /// A retained message at a time.
    Retained(&'a MessageMatch),
    /// The connection at a time.
    Connected(bool),
}

/// Names of the fields that say what is expected.
const KINDS: [&str; 9] =
    ["publish", "subscribe", "log", "answer", "request", "trap", "metric", "retained", "connected"];

impl Expected<'_> {
    /// Whether it is a state at one time, and not an event.
    pub fn is_state(&self) -> bool {
        matches!(self, Self::Metric(_) | Self::Retained(_) | Self::Connected(_))
    }
}

/// Error of an expectation: the field and the problem.
pub type EntryProblem = (String, String);

fn at(field: &str, problem: impl Into<String>) -> EntryProblem {
    (field.to_owned(), problem.into())
}

impl ExpectEntry {
    /// What is expected: exactly one field says it.
    pub fn expected(&self) -> Result<Expected<'_>, EntryProblem> {
        let all = [
            self.publish.as_ref().map(Expected::Publish),
            self.subscribe.as_ref().map(Expected::Subscribe),
            self.log.as_ref().map(Expected::Log),
            self.answer.as_ref().map(Expected::Answer),
            self.request.as_ref().map(Expected::Request),
            self.trap.as_ref().map(Expected::Trap),
            self.metric.as_ref().map(Expected::Metric),
            self.retained.as_ref().map(Expected::Retained),
            self.connected.map(Expected::Connected),
        ];
        let given: Vec<_> =
            KINDS.iter().zip(all).filter_map(|(name, expected)| Some((name, expected?))).collect();
        match given[..] {
            [(_, expected)] => Ok(expected),
            [] => Err(at("", format!("it expects nothing; write one of {}", KINDS.join(", ")))),
            [(first, _), (second, _), ..] => {
                Err(at("", format!("it expects both `{first}` and `{second}`; write an entry for each")))
            }
        }
    }

    /// Checks the entry against the duration of the scenario and the names of its devices.
    pub fn check(&self, duration: Span, devices: &[&str]) -> Result<(), EntryProblem> {
        let expected = self.expected()?;
        self.check_times(duration, expected)?;
        self.check_counts(expected)?;
        if self.seen.is_some() && !matches!(expected, Expected::Publish(_)) {
            return Err(at("seen", "it only goes with `publish`"));
        }
        if let Some(device) = &self.device {
            let pattern = wasmote_sim::faults::target::Pattern::new(device);
            if !devices.iter().any(|name| pattern.matches(name)) {
                let hint = did_you_mean(device, devices.iter().copied());
                let some: Vec<&str> = devices.iter().copied().take(5).collect();
                return Err(at(
                    "device",
                    format!("no device is called `{device}`; there are {}{hint}", some.join(", ")),
                ));
            }
        }
        check_kind(expected)
    }

    fn check_times(&self, duration: Span, expected: Expected<'_>) -> Result<(), EntryProblem> {
        let both = [("from", self.from), ("to", self.to)];
        if let (Some(_), Some((field, _))) = (self.at, both.iter().find(|(_, time)| time.is_some())) {
            return Err(at(field, "it does not go with `at`"));
        }
        if expected.is_state()
            && let Some((field, _)) = both.iter().find(|(_, time)| time.is_some())
        {
            return Err(at(field, "a state is expected at one time: write `at`"));
        }
        for (field, time) in both.into_iter().chain([("at", self.at)]) {
            if time.is_some_and(|time| time > duration) {
                return Err(at(field, "it is after the end of the scenario (`duration`)"));
            }
        }
        match (self.from, self.to) {
            (Some(from), Some(to)) if from > to => Err(at("to", "it is before `from`")),
            _ => Ok(()),
        }
    }

    fn check_counts(&self, expected: Expected<'_>) -> Result<(), EntryProblem> {
        let counts = [("count", self.count), ("at_least", self.at_least), ("at_most", self.at_most)];
        let given = counts.iter().find(|(_, count)| count.is_some());
        match (given, self.count, self.at_least, self.at_most) {
            (Some((field, _)), ..) if expected.is_state() => {
                Err(at(field, "a state is not counted; it is expected of every device"))
            }
            (_, Some(_), Some(_), _) => Err(at("at_least", "it does not go with `count`")),
            (_, Some(_), _, Some(_)) => Err(at("at_most", "it does not go with `count`")),
            (_, _, Some(least), Some(most)) if least > most => {
                Err(at("at_most", "it is less than `at_least`"))
            }
            _ => Ok(()),
        }
    }

    /// The lowest and the highest number of times.
    pub fn counts(&self) -> (u64, u64) {
        match (self.count, self.at_least, self.at_most) {
            (Some(count), ..) => (count, count),
            (None, Some(least), most) => (least, most.unwrap_or(u64::MAX)),
            (None, None, Some(most)) => (0, most),
            (None, None, None) => (1, u64::MAX),
        }
    }
}

fn check_kind(expected: Expected<'_>) -> Result<(), EntryProblem> {
    let pointers = |kind: &str, json| {
        check_pointers(json).map_err(|(pointer, problem)| at(&format!("{kind}.json.\"{pointer}\""), problem))
    };
    match expected {
        Expected::Publish(message) => check_message("publish", message),
        Expected::Retained(message) => check_message("retained", message),
        Expected::Subscribe(subscribe) => match TopicFilter::new(subscribe.filter.as_str()) {
            Ok(_) => Ok(()),
            Err(invalid) => Err(at("subscribe.filter", format!("`{}`: {invalid}", subscribe.filter))),
        },
        Expected::Answer(answer) => pointers("answer", &answer.json),
        Expected::Request(request) => pointers("request", &request.json),
        Expected::Metric(metric)
            if metric.equals.is_none() && metric.min.is_none() && metric.max.is_none() =>
        {
            Err(at("metric", "it has no value; write `equals`, `min` or `max`"))
        }
        Expected::Metric(_) | Expected::Log(_) | Expected::Trap(_) | Expected::Connected(_) => Ok(()),
    }
}

fn check_message(kind: &str, message: &MessageMatch) -> Result<(), EntryProblem> {
    let field = |name: &str| format!("{kind}.{name}");
    TopicFilter::new(message.topic.as_str())
        .map_err(|invalid| at(&field("topic"), format!("`{}`: {invalid}", message.topic)))?;
    if message.payload.is_some() && message.payload_base64.is_some() {
        return Err(at(&field("payload_base64"), "it does not go with `payload`"));
    }
    if let Some(text) = &message.payload_base64 {
        payload_bytes::decode(text).map_err(|problem| at(&field("payload_base64"), problem))?;
    }
    check_pointers(&message.json)
        .map_err(|(pointer, problem)| at(&field(&format!("json.\"{pointer}\"")), problem))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn problem(entry: Value) -> String {
        let entry: ExpectEntry = serde_json::from_value(entry).unwrap();
        let (field, problem) = entry.check(Span(Duration::from_secs(10)), &["lamp-0", "lamp-1"]).unwrap_err();
        format!("{field}: {problem}")
    }

    #[test]
    fn entries_that_cannot_hold_are_refused() {
        let topic = json!({"topic": "a"});
        for (entry, words) in [
            (json!({"at": "1s"}), "it expects nothing; write one of publish, subscribe"),
            (json!({"publish": topic, "log": {}}), "it expects both `publish` and `log`"),
            (json!({"publish": topic, "at": "11s"}), "at: it is after the end"),
            (json!({"publish": topic, "at": "1s", "from": "1s"}), "from: it does not go with `at`"),
            (json!({"publish": topic, "from": "2s", "to": "1s"}), "to: it is before `from`"),
            (json!({"publish": topic, "count": 1, "at_least": 1}), "at_least: it does not go with `count`"),
            (json!({"publish": topic, "at_most": 1, "at_least": 2}), "at_most: it is less than"),
            (json!({"connected": true, "count": 1}), "count: a state is not counted"),
            (json!({"connected": true, "from": "1s"}), "from: a state is expected at one time"),
            (json!({"connected": true, "seen": "broker"}), "seen: it only goes with `publish`"),
            (
                json!({"connected": true, "device": "lmp-0"}),
                "device: no device is called `lmp-0`; there are lamp-0",
            ),
            (json!({"publish": {"topic": "a/#/b"}}), "publish.topic: `a/#/b`: "),
            (
                json!({"publish": {"topic": "a", "payload": 1, "payload_base64": "AA=="}}),
                "payload_base64: it does not",
            ),
            (json!({"publish": {"topic": "a", "payload_base64": "!"}}), "payload_base64: no bytes in Base64"),
            (
                json!({"publish": {"topic": "a", "json": {"x": 1}}}),
                "publish.json.\"x\": it is no JSON Pointer",
            ),
            (
                json!({"publish": {"topic": "a", "json": {"/x": {}}}}),
                "publish.json.\"/x\": it has no condition",
            ),
            (json!({"metric": {"name": "a"}}), "metric: it has no value"),
            (json!({"subscribe": {"filter": ""}}), "subscribe.filter: "),
        ] {
            let found = problem(entry);
            assert!(found.contains(words), "{found}, expected {words}");
        }
    }
}
