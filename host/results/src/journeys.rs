//! `journeys.ndjson`: what became of single messages, step by step.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lines::LineFile;

/// Where a step of a message happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "JourneyPlace")]
pub enum Place {
    /// At the device that published the message.
    #[default]
    Publisher,
    /// At the broker.
    Broker,
    /// At a device that is to receive the message.
    Receiver,
}

/// A step in the journey of a message; in a file also the begin or end of a subscription, which has no `id`. A field that a
/// step does not have is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JourneyStep {
    /// Time of the run, in seconds.
    pub t_s: f64,
    /// Id of the message, `<device>/<number>`; left out within a journey.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Where it happened.
    pub place: Place,
    /// The device at which it happened, or for which the broker did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Client identifier, if the broker did it for a client that is not a device of this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The step: at the publisher `published`, `judged`, `queued`, `sent`, `returned`, `acknowledged`, `dropped` or `lost`; at
    /// the broker `taken`, `refused`, `queued`, `sent` or `dropped`; at a receiver `arrived`, `judged`, `deferred`,
    /// `received`, `dropped` or `lost`. In a file also `subscribed` and `unsubscribed`.
    pub step: String,
    /// Topic of a message that is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Beginning of its payload as text, or `0x` and hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// Length of the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_bytes: Option<u64>,
    /// Its QoS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qos: Option<u8>,
    /// Whether the broker retains it, or had retained it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retain: bool,
    /// Id of the fault that decided about the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Kind of this fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault_kind: Option<String>,
    /// What it decided: `passed`, `dropped`, `delayed`, `duplicated`, `corrupted` or `held_back`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// Delay that it added; for `held_back` the longest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_s: Option<f64>,
    /// Copies that it added; for `held_back` the messages that have to overtake this one; for `taken` the subscriptions that
    /// match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Why the fault decided so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Reason of a loss or of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Reason code of the broker's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u8>,
    /// Latency of a message that was received, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_s: Option<f64>,
    /// Filter of a subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
}

impl LineFile for JourneyStep {
    const FILE: &'static str = "journeys.ndjson";
}
