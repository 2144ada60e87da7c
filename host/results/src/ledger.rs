//! `ledger.json`: the fate of every message of a run, warm-up included.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::JsonFile;

/// Ledger of a run at its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// True if every message is accounted for.
    pub closes: bool,
    /// Sum over the devices.
    pub total: LedgerCounts,
    /// Ledger of the broker; `null` if the broker is not part of the program.
    #[serde(default)]
    pub broker: Option<BrokerLedger>,
    /// Ledger of each device; on a cluster, of each pod.
    #[serde(default)]
    pub devices: Vec<DeviceLedger>,
}

impl JsonFile for Ledger {
    const FILE: &'static str = "ledger.json";
}

/// Counts of messages of a device, or of all devices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LedgerCounts {
    /// Messages published by the behaviour.
    #[serde(default)]
    pub generated: u64,
    /// Messages that left for good: at QoS 1 and 2 acknowledged by the broker, at QoS 0 written to the connection.
    #[serde(default)]
    pub sent: u64,
    /// How often the connection gave a message back. It was sent again, or is counted as refused, lost or dropped.
    #[serde(default)]
    pub returned: u64,
    /// Messages lost because the device was not connected, or stopped while they waited.
    #[serde(default)]
    pub lost_offline: u64,
    /// Messages refused by a full queue, by a limit of the broker, or by the broker's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<u64>,
    /// The refused messages by cause.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused_by_cause: BTreeMap<String, u64>,
    /// Negative answers of the broker, such as `PUBACK 0x87 not authorized`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub negative_answers: BTreeMap<String, u64>,
    /// Messages that still wait to be sent or acknowledged. Not known on a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_out: Option<u64>,
    /// Messages delivered by the broker.
    #[serde(default)]
    pub arrived: u64,
    /// Messages handed to the behaviour.
    #[serde(default)]
    pub received: u64,
    /// Messages that arrived while no behaviour ran. Not known on a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discarded: Option<u64>,
    /// Messages that still wait to be handed over. Not known on a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_in: Option<u64>,
    /// Effects of each fault, by its id.
    #[serde(default)]
    pub faults: BTreeMap<String, FaultCounts>,
}

/// Ledger of one device, or of one pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceLedger {
    /// Name of the device, or of the pod.
    pub device: String,
    /// Group of the device.
    pub group: String,
    /// True if every message of the device is accounted for.
    #[serde(default)]
    pub closes: bool,
    /// Message counts of the device.
    #[serde(flatten)]
    pub counts: LedgerCounts,
}

/// Ledger of the broker. Fields are written in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BrokerLedger {
    /// True if every message is accounted for.
    #[serde(default)]
    pub closes: bool,
    /// Copies made for subscribers.
    #[serde(default)]
    pub copies: u64,
    /// Copies handed to subscribers.
    #[serde(default)]
    pub delivered: u64,
    /// Copies dropped, by reason.
    #[serde(default)]
    pub dropped: BTreeMap<String, u64>,
    /// Messages received from clients.
    #[serde(default)]
    pub received: u64,
    /// Messages without a subscriber.
    #[serde(default)]
    pub unmatched: u64,
    /// Copies that still wait in queues.
    #[serde(default)]
    pub waiting: u64,
    /// Wills published.
    #[serde(default)]
    pub wills: u64,
}

/// Effects of one fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FaultCounts {
    /// Messages dropped on their way from the device.
    pub dropped_out: u64,
    /// Messages dropped on their way to the device.
    pub dropped_in: u64,
    /// Messages delayed.
    pub delayed: u64,
    /// Copies made, in both directions.
    pub duplicated: u64,
    /// Copies made of messages from the device.
    pub duplicated_out: u64,
    /// Copies made of messages to the device.
    pub duplicated_in: u64,
    /// Messages whose payload was changed.
    pub corrupted: u64,
    /// Outages begun.
    pub outages: u64,
    /// Traps of a fault component. The message that it was judging passes.
    pub traps: u64,
}

impl FaultCounts {
    /// Messages dropped in both directions.
    pub fn dropped(&self) -> u64 {
        self.dropped_out + self.dropped_in
    }
}
