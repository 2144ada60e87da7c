//! Builds `ledger.json` from the ledgers of the devices and of the broker.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmote_mqtt::broker::counters::{BrokerCounters, DropReason};
use wasmote_mqtt::device_id::Identity;
use wasmote_results::{BrokerLedger, DeviceLedger, FaultCounts, LedgerCounts};
use wasmote_sim::ledger::{self, Ledger};

use super::driver::RunOutcome;

/// Ledger of a run at its end. `published` is the number of messages that the delivery tracker saw a device publish,
/// including those that users published on its behalf.
///
/// The ledger closes if every message is accounted for: on each device, in total, at the broker, and between the
/// tracked number of published messages and the ledgers.
pub fn run_ledger(
    devices: &[Arc<Identity>],
    outcome: RunOutcome,
    published: impl Fn(usize) -> u64,
) -> wasmote_results::Ledger {
    let (mut total, mut total_waiting) = (Ledger::default(), (0, 0));
    let mut reports = Vec::with_capacity(devices.len());
    for (at, (identity, (ledger, waiting))) in devices.iter().zip(&outcome.devices).enumerate() {
        total.add(ledger);
        total_waiting = (total_waiting.0 + waiting.0, total_waiting.1 + waiting.1);
        reports.push(DeviceLedger {
            device: identity.id.to_string(),
            group: identity.group.to_string(),
            closes: ledger.closes(waiting.0, waiting.1) && ledger.generated == published(at),
            counts: counts(ledger, *waiting),
        });
    }
    let broker = outcome.broker.as_ref().map(|(counters, waiting)| broker_ledger(counters, *waiting));
    wasmote_results::Ledger {
        closes: reports.iter().all(|device| device.closes)
            && total.closes(total_waiting.0, total_waiting.1)
            && broker.as_ref().is_none_or(|broker| broker.closes),
        total: counts(&total, total_waiting),
        broker,
        devices: reports,
    }
}

/// Counts of a ledger, with the queued messages: outbound and inbound.
pub fn counts(ledger: &Ledger, (waiting_out, waiting_in): (u64, u64)) -> LedgerCounts {
    LedgerCounts {
        generated: ledger.generated,
        sent: ledger.sent,
        returned: ledger.returned,
        lost_offline: ledger.lost_offline,
        refused: Some(ledger.refused.total()),
        refused_by_cause: refused_by_cause(ledger),
        negative_answers: ledger.named_negative_answers(),
        waiting_out: Some(waiting_out),
        arrived: ledger.arrived,
        received: ledger.received,
        discarded: Some(ledger.discarded),
        waiting_in: Some(waiting_in),
        faults: faults(ledger),
    }
}

/// Refused messages by cause, without causes that did not occur.
pub fn refused_by_cause(ledger: &Ledger) -> BTreeMap<String, u64> {
    let causes = ledger.refused.causes().into_iter().filter(|(_, count)| *count > 0);
    causes.map(|(cause, count)| (cause.to_owned(), count)).collect()
}

fn broker_ledger(counters: &BrokerCounters, waiting: u64) -> BrokerLedger {
    let dropped = DropReason::ALL.iter().map(|it| (it.as_str().to_owned(), counters.dropped(*it)));
    BrokerLedger {
        closes: counters.closes(waiting),
        copies: counters.copies,
        delivered: counters.delivered,
        dropped: dropped.collect(),
        received: counters.received,
        unmatched: counters.unmatched,
        waiting,
        wills: counters.wills,
    }
}

/// Effects of each fault in the format of results files.
pub fn faults(ledger: &Ledger) -> BTreeMap<String, FaultCounts> {
    ledger.faults().map(|(id, counts)| (id.to_string(), fault_counts(counts))).collect()
}

fn fault_counts(counts: &ledger::FaultCounts) -> FaultCounts {
    FaultCounts {
        dropped_out: counts.dropped_out,
        dropped_in: counts.dropped_in,
        delayed: counts.delayed,
        duplicated: counts.duplicated_out + counts.duplicated_in,
        duplicated_out: counts.duplicated_out,
        duplicated_in: counts.duplicated_in,
        corrupted: counts.corrupted,
        outages: counts.outages,
        traps: counts.traps,
    }
}
