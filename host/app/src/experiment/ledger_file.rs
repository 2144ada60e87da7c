//! `ledger.json`: what became of every message, device by device and at the broker.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};
use wasmote_mqtt::broker::counters::{BrokerCounters, DropReason};
use wasmote_mqtt::device_id::Identity;
use wasmote_sim::ledger::{FaultCounts, Ledger};

use super::driver::RunOutcome;
use super::results::pretty_json;

/// The accounts of a run at its end.
pub struct RunLedger {
    devices: Vec<DeviceLedger>,
    /// With the copies that wait there; a broker that is not ours keeps its own.
    broker: Option<(BrokerCounters, u64)>,
}

struct DeviceLedger {
    identity: Arc<Identity>,
    ledger: Ledger,
    /// Messages that wait: out, and in.
    waiting: (u64, u64),
    /// Messages that its behaviour, or a user on its behalf, was seen to publish.
    published: u64,
}

impl RunLedger {
    /// Of these devices and their broker.
    pub fn new(devices: &[Arc<Identity>], outcome: RunOutcome, published: impl Fn(usize) -> u64) -> Self {
        let device_ledger = |(at, ((ledger, waiting), identity)): (usize, (_, &Arc<Identity>))| {
            DeviceLedger { identity: Arc::clone(identity), ledger, waiting, published: published(at) }
        };
        let devices = outcome.devices.into_iter().zip(devices).enumerate();
        Self { devices: devices.map(device_ledger).collect(), broker: outcome.broker }
    }

    /// Whether every message is accounted for: on each device, in all, at the broker, and between what was
    /// seen to be published and what the ledgers have.
    pub fn closes(&self) -> bool {
        let (total, waiting) = self.total();
        self.devices.iter().all(DeviceLedger::closes)
            && total.closes(waiting.0, waiting.1)
            && self.broker.as_ref().is_none_or(|(counters, waiting)| counters.closes(*waiting))
    }

    fn total(&self) -> (Ledger, (u64, u64)) {
        let empty = (Ledger::default(), (0, 0));
        self.devices.iter().fold(empty, |(mut ledger, waiting), device| {
            ledger.add(&device.ledger);
            (ledger, (waiting.0 + device.waiting.0, waiting.1 + device.waiting.1))
        })
    }
}

impl DeviceLedger {
    fn closes(&self) -> bool {
        self.ledger.closes(self.waiting.0, self.waiting.1) && self.ledger.generated == self.published
    }
}

/// A device, or all of them, as the file has it.
#[derive(Serialize)]
struct LedgerReport {
    generated: u64,
    sent: u64,
    lost_offline: u64,
    refused: u64,
    waiting_out: u64,
    arrived: u64,
    received: u64,
    discarded: u64,
    waiting_in: u64,
    faults: BTreeMap<String, FaultReport>,
}

#[derive(Serialize)]
struct DeviceReport<'a> {
    device: &'a str,
    group: &'a str,
    closes: bool,
    #[serde(flatten)]
    ledger: LedgerReport,
}

/// What one fault did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FaultReport {
    dropped_out: u64,
    dropped_in: u64,
    delayed: u64,
    duplicated: u64,
    corrupted: u64,
    outages: u64,
    traps: u64,
}

/// Counts as `/metrics` has them, by their names there.
impl From<&BTreeMap<String, u64>> for FaultReport {
    fn from(counts: &BTreeMap<String, u64>) -> Self {
        let count = |name: &str| counts.get(name).copied().unwrap_or(0);
        Self {
            dropped_out: count("dropped_out"),
            dropped_in: count("dropped_in"),
            delayed: count("delayed"),
            duplicated: count("duplicated_out") + count("duplicated_in"),
            corrupted: count("corrupted"),
            outages: count("outages"),
            traps: count("traps"),
        }
    }
}

impl From<&FaultCounts> for FaultReport {
    fn from(counts: &FaultCounts) -> Self {
        Self {
            dropped_out: counts.dropped_out,
            dropped_in: counts.dropped_in,
            delayed: counts.delayed,
            duplicated: counts.duplicated_out + counts.duplicated_in,
            corrupted: counts.corrupted,
            outages: counts.outages,
            traps: counts.traps,
        }
    }
}

impl LedgerReport {
    fn new(ledger: &Ledger, waiting: (u64, u64)) -> Self {
        Self {
            generated: ledger.generated,
            sent: ledger.sent,
            lost_offline: ledger.lost_offline,
            refused: ledger.refused_full,
            waiting_out: waiting.0,
            arrived: ledger.arrived,
            received: ledger.received,
            discarded: ledger.discarded,
            waiting_in: waiting.1,
            faults: ledger.faults().map(|(id, counts)| (id.to_string(), counts.into())).collect(),
        }
    }
}

/// The whole as JSON.
pub fn json(ledger: &RunLedger) -> String {
    #[derive(Serialize)]
    struct LedgerDocument<'a> {
        closes: bool,
        total: LedgerReport,
        broker: Option<Value>,
        devices: Vec<DeviceReport<'a>>,
    }
    let (total, waiting) = ledger.total();
    let devices = ledger.devices.iter().map(|device| DeviceReport {
        device: device.identity.id.as_str(),
        group: &device.identity.group,
        closes: device.closes(),
        ledger: LedgerReport::new(&device.ledger, device.waiting),
    });
    pretty_json(&LedgerDocument {
        closes: ledger.closes(),
        total: LedgerReport::new(&total, waiting),
        broker: ledger.broker.as_ref().map(|(counters, waiting)| broker(counters, *waiting)),
        devices: devices.collect(),
    })
}

fn broker(counters: &BrokerCounters, waiting: u64) -> Value {
    let dropped: BTreeMap<_, _> =
        DropReason::ALL.iter().map(|it| (it.as_str(), counters.dropped(*it))).collect();
    json!({
        "received": counters.received,
        "wills": counters.wills,
        "unmatched": counters.unmatched,
        "copies": counters.copies,
        "delivered": counters.delivered,
        "dropped": dropped,
        "waiting": waiting,
        "closes": counters.closes(waiting),
    })
}

/// What each fault did after an earlier time.
pub fn difference(now: &Ledger, then: &Ledger) -> BTreeMap<String, FaultReport> {
    let then: BTreeMap<_, FaultReport> =
        then.faults().map(|(id, counts)| (id.clone(), counts.into())).collect();
    let since = |(id, now): (&Arc<str>, &FaultCounts)| {
        let (now, then) = (FaultReport::from(now), then.get(id).copied().unwrap_or_default());
        let since = FaultReport {
            dropped_out: now.dropped_out - then.dropped_out,
            dropped_in: now.dropped_in - then.dropped_in,
            delayed: now.delayed - then.delayed,
            duplicated: now.duplicated - then.duplicated,
            corrupted: now.corrupted - then.corrupted,
            outages: now.outages - then.outages,
            traps: now.traps - then.traps,
        };
        (id.to_string(), since)
    };
    now.faults().map(since).collect()
}
