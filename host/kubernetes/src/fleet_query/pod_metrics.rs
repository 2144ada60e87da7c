//! State and counts of one process, from the JSON of `/status` and `/metrics`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use wasmote_results::DurationSummary;
use wasmote_sim::histogram::Histogram;
use wasmote_sim::latency::ImplausibleCounts;
use wasmote_sim::ledger::Ledger;
use wasmote_sim::metrics::MetricSums;

/// State and counts of the devices of one process.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PodMetrics {
    /// Number of devices.
    pub devices: u64,
    /// Number of devices by state.
    pub states: BTreeMap<String, u64>,
    /// Number of devices that each fault acts on now.
    pub active_faults: BTreeMap<String, u64>,
    /// Names of the behaviours.
    pub behaviours: Vec<String>,
    /// Version of the program.
    pub version: String,
    /// Seed of the run.
    pub seed: u64,
    /// Counts of messages.
    pub messages: Messages,
    /// Seconds since the fleet started.
    pub uptime_s: f64,
}

/// Counts of messages, read from `/metrics`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Messages {
    /// Ledger of the messages.
    #[serde(flatten, serialize_with = "with_dropped")]
    pub ledger: Ledger,
    /// Latency of received messages, in seconds.
    pub latency: Histogram,
    /// Latency of received messages from the intended times of publication, in seconds.
    #[serde(default)]
    pub latency_intended: Histogram,
    /// Received messages whose latency cannot be right.
    #[serde(default)]
    pub latency_implausible: ImplausibleCounts,
    /// Traps of behaviours.
    pub traps: u64,
    /// True if every message is accounted for.
    pub ledger_closes: bool,
    /// Metrics recorded by behaviours.
    #[serde(default)]
    pub behaviours: MetricSums,
}

/// Serializes a ledger with the messages dropped by each fault, in the format of `/metrics`.
fn with_dropped<S: Serializer>(ledger: &Ledger, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct WithDropped<'a> {
        #[serde(flatten)]
        ledger: &'a Ledger,
        dropped: BTreeMap<&'a str, u64>,
    }
    let dropped = ledger.faults().map(|(id, counts)| (&**id, counts.dropped())).collect();
    WithDropped { ledger, dropped }.serialize(serializer)
}

/// Response of `/status`: a fleet, or a single device.
#[derive(Deserialize)]
#[serde(untagged)]
enum Status {
    Fleet {
        devices: u64,
        states: BTreeMap<String, u64>,
        groups: Vec<GroupStatus>,
        active_faults: BTreeMap<String, u64>,
        version: String,
        seed: u64,
        uptime_s: f64,
    },
    Device {
        behaviour: String,
        state: String,
        active_faults: Vec<ActiveFault>,
        version: String,
        seed: u64,
    },
}

#[derive(Deserialize)]
struct GroupStatus {
    behaviour: String,
}

#[derive(Deserialize)]
struct ActiveFault {
    id: String,
}

impl PodMetrics {
    /// Parses the responses of one process.
    pub fn new(status: &Value, metrics: &Value) -> Result<Self, serde_json::Error> {
        let messages = Messages::deserialize(metrics)?;
        let up = metrics.get("uptime_s").and_then(Value::as_f64).unwrap_or_default();
        Ok(match Status::deserialize(status)? {
            Status::Fleet { devices, states, groups, active_faults, version, seed, uptime_s } => {
                let mut behaviours: Vec<_> = groups.into_iter().map(|group| group.behaviour).collect();
                behaviours.sort_unstable();
                behaviours.dedup();
                Self { devices, states, active_faults, behaviours, version, seed, messages, uptime_s }
            }
            Status::Device { behaviour, state, active_faults, version, seed } => Self {
                devices: 1,
                states: [(state, 1)].into(),
                active_faults: active_faults.into_iter().map(|fault| (fault.id, 1)).collect(),
                behaviours: vec![behaviour],
                version,
                seed,
                messages,
                uptime_s: up,
            },
        })
    }

    /// Number of devices in a state.
    pub fn in_state(&self, state: &str) -> u64 {
        self.states.get(state).copied().unwrap_or(0)
    }
}

impl Messages {
    /// Statistics of latency. The maximum is not known, because pods report buckets.
    pub fn latency_summary(&self) -> DurationSummary {
        DurationSummary::new(self.latency.count(), self.latency.mean(), |share| self.latency.quantile(share))
    }

    /// Statistics of the latency from the intended times; `None` if no message was late.
    pub fn intended_latency_summary(&self) -> Option<DurationSummary> {
        let intended = &self.latency_intended;
        let summary =
            || DurationSummary::new(intended.count(), intended.mean(), |share| intended.quantile(share));
        (intended.count() > 0 && *intended != self.latency).then(summary)
    }

    /// Number of messages dropped by all faults.
    pub fn total_dropped(&self) -> u64 {
        self.ledger.fault_total().dropped()
    }

    /// Adds the counts of another process, except the metrics of behaviours.
    pub fn add(&mut self, other: &Self) {
        self.ledger.add(&other.ledger);
        self.latency.merge(&other.latency);
        self.latency_intended.merge(&other.latency_intended);
        self.latency_implausible.add(other.latency_implausible);
        self.traps += other.traps;
        self.ledger_closes &= other.ledger_closes;
    }

    /// Subtracts earlier counts of the same process, except the metrics of behaviours.
    pub fn subtract(&mut self, before: &Self) {
        self.ledger.subtract(&before.ledger);
        self.latency.subtract(&before.latency);
        self.latency_intended.subtract(&before.latency_intended);
        self.latency_implausible.subtract(before.latency_implausible);
        self.traps = self.traps.saturating_sub(before.traps);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wasmote_fleet::metrics::{Snapshot, json};
    use wasmote_mqtt::answer::{AnswerCode, AnswerPacket};

    use super::*;

    #[test]
    fn metrics_keep_their_field_names_in_a_round_trip() {
        let mut snapshot = Snapshot { is_fleet: true, ..Snapshot::default() };
        snapshot.totals.ledger.generated = 3;
        snapshot.totals.ledger.refused.queue_full = 2;
        snapshot.totals.ledger.refused.broker = 1;
        let refusal = AnswerCode { packet: AnswerPacket::PubAck, code: 0x87 };
        snapshot.totals.ledger.negative_answers.insert(refusal, 1);
        snapshot.totals.latency.observe(0.12);
        let answer = serde_json::to_value(json::Metrics::new(&snapshot)).unwrap();
        let mut answer_with_fault = answer.clone();
        answer_with_fault["faults"] = json!({"wifi": {"dropped_out": 2, "dropped_in": 1}});
        answer_with_fault["dropped"] = json!({"wifi": 3});
        for answer in [answer, answer_with_fault] {
            let messages = Messages::deserialize(&answer).unwrap();
            let written = serde_json::to_value(&messages).unwrap();
            for field in ["generated", "sent", "arrived", "received", "dropped", "lost_offline", "latency"] {
                assert_eq!(written[field], answer[field], "{field}");
            }
            assert_eq!(messages.ledger.refused, snapshot.totals.ledger.refused);
            assert_eq!(messages.ledger.negative_answers, snapshot.totals.ledger.negative_answers);
            assert_eq!((&written["traps"], &written["ledger_closes"]), (&json!(0), &json!(true)));
            assert_eq!(
                json!(messages.total_dropped()),
                answer["dropped"].get("wifi").cloned().unwrap_or(json!(0))
            );
        }
    }
}
