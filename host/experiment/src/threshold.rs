//! Thresholds: conditions on results, such as `"delivery_ratio >= 0.95"` or `"group west: latency_seconds p95 <
//! 0.5"`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{MapAccess, Visitor, value};
use serde::{Deserialize, Deserializer};
use wasmote_fleet::quantity::rounded;
use wasmote_fleet::suggest::did_you_mean;
use wasmote_results::{ThresholdMiss, ThresholdOutcome};

use super::message_stats::MessageStats;

/// Condition on a measured metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// Text of the threshold, as written.
    pub text: String,
    /// Part of the run that it applies to.
    pub scope: ThresholdScope,
    metric: Metric,
    operator: Operator,
    bound: f64,
}

/// Measured values that thresholds are evaluated on.
pub trait ThresholdInput {
    /// Number of messages published by behaviours.
    fn generated(&self) -> u64;

    /// Number of messages that left for good.
    fn sent(&self) -> u64;

    /// Number of messages that were refused.
    fn refused(&self) -> u64;

    /// Mean latency in seconds.
    fn mean_latency(&self) -> Option<f64>;

    /// Latency quantile in seconds, such as `share` = 0.95 for the 95th percentile.
    fn latency_quantile(&self, share: f64) -> Option<f64>;

    /// Mean latency from the intended times, in seconds.
    fn mean_intended_latency(&self) -> Option<f64>;

    /// Quantile of the latency from the intended times, in seconds.
    fn intended_latency_quantile(&self, share: f64) -> Option<f64>;

    /// Complete statistics, if every message was tracked.
    fn stats(&self) -> Option<&MessageStats> {
        None
    }
}

impl ThresholdInput for MessageStats {
    fn generated(&self) -> u64 {
        self.generated
    }

    fn sent(&self) -> u64 {
        self.sent
    }

    fn refused(&self) -> u64 {
        self.refused
    }

    fn mean_latency(&self) -> Option<f64> {
        self.latencies.mean()
    }

    fn latency_quantile(&self, share: f64) -> Option<f64> {
        self.latencies.quantile(share)
    }

    fn mean_intended_latency(&self) -> Option<f64> {
        self.intended.mean()
    }

    fn intended_latency_quantile(&self, share: f64) -> Option<f64> {
        self.intended.quantile(share)
    }

    fn stats(&self) -> Option<&MessageStats> {
        Some(self)
    }
}

/// Part of a run that a threshold applies to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThresholdScope {
    /// The whole run after the warm-up.
    Whole,
    /// Messages that a group published.
    Group(String),
    /// Messages published in a phase.
    Phase(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Metric {
    DeliveryRatio,
    Generated,
    Sent,
    Refused,
    Expected,
    Delivered,
    Latency(Statistic),
    IntendedLatency(Statistic),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Statistic {
    Mean,
    Max,
    Quantile(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
}

const METRICS: [&str; 8] = [
    "delivery_ratio",
    "latency_seconds",
    "intended_latency_seconds",
    "generated",
    "sent",
    "refused",
    "expected",
    "delivered",
];
const STATISTICS: [&str; 6] = ["mean", "p50", "p90", "p95", "p99", "max"];

impl Threshold {
    /// The measured value; `None` if nothing was measured, which misses every threshold.
    pub fn value(&self, measured: &impl ThresholdInput) -> Option<f64> {
        let count = |count: u64| Some(count as f64);
        match self.metric {
            Metric::DeliveryRatio => measured.stats().and_then(MessageStats::delivery_ratio),
            Metric::Generated => count(measured.generated()),
            Metric::Sent => count(measured.sent()),
            Metric::Refused => count(measured.refused()),
            Metric::Expected => measured.stats().and_then(|stats| count(stats.expected)),
            Metric::Delivered => measured.stats().and_then(|stats| count(stats.delivered)),
            Metric::Latency(Statistic::Mean) => measured.mean_latency(),
            Metric::Latency(Statistic::Max) => measured.stats().and_then(|stats| stats.latencies.max()),
            Metric::Latency(Statistic::Quantile(quantile)) => measured.latency_quantile(quantile),
            Metric::IntendedLatency(Statistic::Mean) => measured.mean_intended_latency(),
            Metric::IntendedLatency(Statistic::Max) => {
                measured.stats().and_then(|stats| stats.intended.max())
            }
            Metric::IntendedLatency(Statistic::Quantile(quantile)) => {
                measured.intended_latency_quantile(quantile)
            }
        }
    }

    /// Whether it can be evaluated only if every message was tracked.
    pub fn needs_deliveries(&self) -> bool {
        matches!(
            self.metric,
            Metric::DeliveryRatio
                | Metric::Expected
                | Metric::Delivered
                | Metric::Latency(Statistic::Max)
                | Metric::IntendedLatency(Statistic::Max)
        )
    }

    /// Whether it is about the number of published messages and holds without any, so that a silent run is intended.
    pub fn allows_silence(&self) -> bool {
        self.metric == Metric::Generated && self.scope == ThresholdScope::Whole && self.holds(Some(0.0))
    }

    /// Whether the threshold holds for a value.
    pub fn holds(&self, value: Option<f64>) -> bool {
        value.is_some_and(|value| match self.operator {
            Operator::Less => value < self.bound,
            Operator::AtMost => value <= self.bound,
            Operator::More => value > self.bound,
            Operator::AtLeast => value >= self.bound,
            Operator::Equal => value == self.bound,
        })
    }
}

impl Threshold {
    /// Outcome at the end of a run with the measured `value`. A threshold that ended the run is missed even if it
    /// holds at the end, when the messages of the last interval have arrived.
    pub fn judge(&self, value: Option<f64>, breached: Option<ThresholdMiss>) -> ThresholdOutcome {
        let ok = self.holds(value) && breached.is_none();
        ThresholdOutcome { text: self.text.clone(), ok, value, breached }
    }
}

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scope, rest) = match text.split_once(':') {
            Some((scope, rest)) => (parse_scope(scope.trim())?, rest),
            None => (ThresholdScope::Whole, text),
        };
        let words: Vec<&str> = rest.split_whitespace().collect();
        let (metric, operator, bound) = match words[..] {
            [metric, operator, bound] => (parse_metric(metric, None)?, operator, bound),
            [metric, statistic, operator, bound] => (parse_metric(metric, Some(statistic))?, operator, bound),
            _ => return Err(format!("`{text}` is not a threshold; write it like `delivery_ratio >= 0.95`")),
        };
        let operator = match operator {
            "<" => Operator::Less,
            "<=" => Operator::AtMost,
            ">" => Operator::More,
            ">=" => Operator::AtLeast,
            "==" => Operator::Equal,
            other => return Err(format!("`{other}` is not a comparison operator; use <, <=, >, >= or ==")),
        };
        let bound =
            parse_bound(bound).map_err(|hint| format!("`{text}` does not end with a number{hint}"))?;
        if metric == Metric::DeliveryRatio {
            check_ratio(operator, bound).map_err(|problem| format!("`{text}` {problem}"))?;
        }
        Ok(Self { text: normalized(&scope, &words), scope, metric, operator, bound })
    }
}

/// Parses a number. The error suggests the number for a percentage or a duration.
fn parse_bound(text: &str) -> Result<f64, String> {
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    number(text).ok_or_else(|| {
        let percent = text.strip_suffix('%').and_then(number).map(|percent| percent / 100.0);
        let seconds = || humantime::parse_duration(text).ok().map(|span| span.as_secs_f64());
        percent.or_else(seconds).map(|meant| format!("; write {meant}")).unwrap_or_default()
    })
}

/// Checks that a ratio, which is from 0 to 1, can satisfy the comparison.
fn check_ratio(operator: Operator, bound: f64) -> Result<(), String> {
    match (operator, bound) {
        (_, percent) if percent > 1.0 && percent <= 100.0 => {
            Err(format!("compares a ratio with more than 1; {percent} % is {}", rounded(percent / 100.0)))
        }
        (_, bound) if !(0.0..=1.0).contains(&bound) => {
            Err("compares a ratio with a number that is not from 0 to 1".to_owned())
        }
        (Operator::More, 1.0) => Err("never holds; a ratio is at most 1, so write `>= 1`".to_owned()),
        (Operator::Less, 0.0) => Err("never holds; a ratio is at least 0, so write `<= 0`".to_owned()),
        _ => Ok(()),
    }
}

fn normalized(scope: &ThresholdScope, words: &[&str]) -> String {
    let words = words.join(" ");
    match scope {
        ThresholdScope::Whole => words,
        ThresholdScope::Group(name) => format!("group {name}: {words}"),
        ThresholdScope::Phase(name) => format!("phase {name}: {words}"),
    }
}

fn parse_scope(text: &str) -> Result<ThresholdScope, String> {
    match text.split_once(char::is_whitespace) {
        Some(("group", name)) => Ok(ThresholdScope::Group(name.trim().into())),
        Some(("phase", name)) => Ok(ThresholdScope::Phase(name.trim().into())),
        _ => Err(format!("`{text}` is not a part of a run; write `group NAME:` or `phase NAME:`")),
    }
}

fn parse_metric(name: &str, statistic: Option<&str>) -> Result<Metric, String> {
    let metric = match name {
        "delivery_ratio" => Metric::DeliveryRatio,
        "generated" => Metric::Generated,
        "sent" => Metric::Sent,
        "refused" => Metric::Refused,
        "expected" => Metric::Expected,
        "delivered" => Metric::Delivered,
        "latency_seconds" | "intended_latency_seconds" => {
            let known = STATISTICS.join(", ");
            let Some(statistic) = statistic else {
                return Err(format!("`{name}` needs a statistic; use one of {known}"));
            };
            let of = if name == "latency_seconds" { Metric::Latency } else { Metric::IntendedLatency };
            return parse_statistic(statistic)
                .map(of)
                .ok_or_else(|| format!("there is no `{name} {statistic}`; there are {known}"));
        }
        other => {
            let completion = METRICS.iter().find(|known| other.len() > 3 && known.starts_with(other));
            let hint = match completion {
                Some(known) => format!("; did you mean `{known}`?"),
                None => did_you_mean(other, METRICS),
            };
            return Err(format!("there is no metric `{other}`; there are {}{hint}", METRICS.join(", ")));
        }
    };
    match statistic {
        None => Ok(metric),
        Some(statistic) => Err(format!("`{name}` is one number and has no `{statistic}`")),
    }
}

fn parse_statistic(name: &str) -> Option<Statistic> {
    Some(match name {
        "mean" => Statistic::Mean,
        "max" => Statistic::Max,
        "p50" => Statistic::Quantile(0.5),
        "p90" => Statistic::Quantile(0.9),
        "p95" => Statistic::Quantile(0.95),
        "p99" => Statistic::Quantile(0.99),
        _ => return None,
    })
}

/// A threshold in a plan: its text, or `{ check = "...", abort = true }`.
#[derive(Clone, Debug, PartialEq)]
pub struct ThresholdEntry {
    /// The threshold.
    pub check: Threshold,
    /// Whether a miss ends the run.
    pub abort: bool,
}

impl JsonSchema for Threshold {
    fn schema_name() -> Cow<'static, str> {
        "Threshold".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        let statistics = STATISTICS.join("|");
        let counts =
            METRICS.into_iter().filter(|name| *name != "delivery_ratio" && !name.ends_with("_seconds"));
        let counts = counts.collect::<Vec<_>>().join("|");
        let metric = format!("(delivery_ratio|(intended_)?latency_seconds\\s+({statistics})|{counts})");
        let number = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?";
        json_schema!({
            "description": "A metric, `<`, `<=`, `>`, `>=` or `==`, and a number, all with blanks between; with \
                `group NAME:` or `phase NAME:` in front only of that part. A ratio is from 0 to 1.",
            "type": "string",
            "pattern": format!(r"^\s*((group|phase)\s[^:]*:)?\s*{metric}\s+(<|<=|>|>=|==)\s+{number}\s*$"),
            "not": {
                "pattern": r"delivery_ratio\s+\S+\s+(\+?0*([2-9]|[1-9]\d+|1\.\d*[1-9])[\d.]*|-0*\.?0*[1-9][\d.]*)\s*$",
            },
            "examples": ["delivery_ratio >= 0.95", "group west: latency_seconds p95 < 0.5"],
        })
    }
}

impl JsonSchema for ThresholdEntry {
    fn schema_name() -> Cow<'static, str> {
        "ThresholdEntry".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"oneOf": [generator.subschema_for::<Threshold>(), Fields::json_schema(generator)]})
    }
}

/// A threshold that can end a run.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fields {
    /// The threshold.
    #[schemars(with = "Threshold")]
    check: String,
    /// Whether a breach ends the run.
    #[serde(default)]
    abort: bool,
}

impl<'de> Deserialize<'de> for ThresholdEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = ThresholdEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text such as \"delivery_ratio >= 0.95\", or { check = \"...\", abort = true }")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ThresholdEntry, E> {
        Ok(ThresholdEntry { check: text.parse().map_err(E::custom)?, abort: false })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ThresholdEntry, A::Error> {
        let Fields { check, abort } = Fields::deserialize(value::MapAccessDeserializer::new(map))?;
        Ok(ThresholdEntry { check: check.parse().map_err(serde::de::Error::custom)?, abort })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        text.parse::<Threshold>().unwrap_err()
    }

    #[test]
    fn a_threshold_is_read_with_its_scope_and_statistic() {
        let threshold: Threshold = "phase storm:  latency_seconds  p95 < 0.5".parse().unwrap();
        assert_eq!(threshold.scope, ThresholdScope::Phase("storm".into()));
        assert_eq!(threshold.text, "phase storm: latency_seconds p95 < 0.5");
        assert!(threshold.holds(Some(0.49)) && !threshold.holds(Some(0.5)) && !threshold.holds(None));
    }

    #[test]
    fn a_threshold_that_ended_a_run_is_missed() {
        let check: Threshold = "delivery_ratio >= 0.7".parse().unwrap();
        let miss = ThresholdMiss { at_s: 10.0, settled_s: 5.0, value: 0.6875 };
        assert!(check.judge(Some(0.7031), None).ok);
        let outcome = check.judge(Some(0.7031), Some(miss));
        assert!(!outcome.ok && outcome.value == Some(0.7031));
    }

    #[test]
    fn an_invalid_threshold_says_what_to_write() {
        assert!(problem("delivery_ration >= 1").contains("did you mean `delivery_ratio`?"));
        assert!(problem("latency_seconds < 1").contains("p95"));
        assert!(problem("latency_seconds p96 < 1").contains("there are mean, p50"));
        assert!(problem("intended_latency_seconds < 1").contains("`intended_latency_seconds` needs"));
        assert!("intended_latency_seconds p95 < 1".parse::<Threshold>().is_ok());
        assert!(problem("sent p50 < 1").contains("one number"));
        assert!(problem("sent ~ 1").contains("not a comparison operator"));
        assert!(problem("sent").contains("write it like"));
        assert!(problem("delivery_ratio > 95%").ends_with("; write 0.95"));
        assert!(problem("latency_seconds p95 < 500ms").ends_with("; write 0.5"));
        assert!(problem("delivery_ratio >= 95").ends_with("; 95 % is 0.95"));
        assert!(problem("group west: delivery_ratio < 99.9").ends_with("; 99.9 % is 0.999"));
        assert!(problem("delivery_ratio >= -0.5").ends_with("from 0 to 1"));
        assert!(problem("delivery_ratio > 1").ends_with("write `>= 1`"));
        assert!("delivery_ratio == 1".parse::<Threshold>().is_ok());
        assert!(problem("delivery > 0.9").ends_with("did you mean `delivery_ratio`?"));
        assert!(problem("west: sent > 1").contains("group NAME:"));
    }
}
