//! The account of every message of a device.
//!
//! On the way out it closes when
//! `generated + duplicated + returned = sent + dropped + waiting + lost offline + refused`, on the way in when
//! `arrived + duplicated = received + dropped + waiting + discarded`.

use crate::faults::{Direction, FaultId, Verdict};

/// Counts of messages, from the device's first start on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Published by the behaviour, or on its behalf by a user.
    pub generated: u64,
    /// Handed to the MQTT connection.
    pub sent: u64,
    /// Came back from the connection: it was full, broke before an acknowledgement, or led nowhere. What
    /// comes back waits to be sent again, or is counted as refused, as lost, or as dropped by a fault.
    pub returned: u64,
    /// QoS 0 messages that met a connection that was down, as MQTT does not keep those.
    pub lost_offline: u64,
    /// Messages that found their queue full: the device's own, or that of its client.
    pub refused_full: u64,
    /// Delivered by the broker, with those that its line is known to have taken.
    pub arrived: u64,
    /// Given to the behaviour.
    pub received: u64,
    /// Arrived while no behaviour ran, was too large, found too much waiting for a hang to end, or waited in a
    /// delay or a hang when the behaviour ended.
    pub discarded: u64,
    faults: Vec<(FaultId, FaultCounts)>,
}

/// What one fault did on one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Messages that vanished on the way out.
    pub dropped_out: u64,
    /// Messages that vanished on the way in.
    pub dropped_in: u64,
    /// Messages that had to wait: for their time, for the line, or to be overtaken.
    pub delayed: u64,
    /// Copies made on the way out.
    pub duplicated_out: u64,
    /// Copies made on the way in.
    pub duplicated_in: u64,
    /// Messages whose payload changed.
    pub corrupted: u64,
    /// Outages that began; of a battery, how often it was empty.
    pub outages: u64,
    /// Messages at which a component trapped. They passed.
    pub traps: u64,
}

impl FaultCounts {
    /// Add another's counts.
    pub fn add(&mut self, other: &Self) {
        self.dropped_out += other.dropped_out;
        self.dropped_in += other.dropped_in;
        self.delayed += other.delayed;
        self.duplicated_out += other.duplicated_out;
        self.duplicated_in += other.duplicated_in;
        self.corrupted += other.corrupted;
        self.outages += other.outages;
        self.traps += other.traps;
    }

    /// Messages that vanished, either way.
    pub fn dropped(&self) -> u64 {
        self.dropped_out + self.dropped_in
    }
}

impl Ledger {
    /// What each fault did, in the order in which they were first met.
    pub fn faults(&self) -> impl Iterator<Item = (&FaultId, &FaultCounts)> {
        self.faults.iter().map(|(id, counts)| (id, counts))
    }

    /// All faults together.
    pub fn fault_total(&self) -> FaultCounts {
        self.faults.iter().fold(FaultCounts::default(), |mut total, (_, counts)| {
            total.add(counts);
            total
        })
    }

    /// Whether every message is accounted for, given how many wait on the way out and on the way in.
    pub fn closes(&self, waiting_out: u64, waiting_in: u64) -> bool {
        let faults = self.fault_total();
        let out = self.sent + faults.dropped_out + waiting_out + self.lost_offline + self.refused_full;
        let inward = self.received + faults.dropped_in + waiting_in + self.discarded;
        self.generated + faults.duplicated_out + self.returned == out
            && self.arrived + faults.duplicated_in == inward
    }

    /// Add another device's account.
    pub fn add(&mut self, other: &Self) {
        self.generated += other.generated;
        self.sent += other.sent;
        self.returned += other.returned;
        self.lost_offline += other.lost_offline;
        self.refused_full += other.refused_full;
        self.arrived += other.arrived;
        self.received += other.received;
        self.discarded += other.discarded;
        for (id, counts) in &other.faults {
            let slot = self.slot(id);
            self.faults[slot].1.add(counts);
        }
    }

    /// Where a fault's counts are kept.
    pub(crate) fn slot(&mut self, id: &FaultId) -> usize {
        self.faults.iter().position(|(known, _)| known == id).unwrap_or_else(|| {
            self.faults.push((id.clone(), FaultCounts::default()));
            self.faults.len() - 1
        })
    }

    /// Enter a rule's verdict on one message.
    pub(crate) fn enter(&mut self, slot: usize, direction: Direction, verdict: &Verdict) {
        let counts = &mut self.faults[slot].1;
        match (verdict, direction) {
            (Verdict::Pass, _) => {}
            (Verdict::Delay(_) | Verdict::HoldBack { .. }, _) => counts.delayed += 1,
            (Verdict::Drop, Direction::Out) => counts.dropped_out += 1,
            (Verdict::Drop, Direction::In) => counts.dropped_in += 1,
            (Verdict::Duplicate { copies, .. }, Direction::Out) => {
                counts.duplicated_out += u64::from(*copies)
            }
            (Verdict::Duplicate { copies, .. }, Direction::In) => counts.duplicated_in += u64::from(*copies),
            (Verdict::Corrupt(_), _) => counts.corrupted += 1,
        }
    }

    /// Enter how often a component trapped.
    pub(crate) fn trapped(&mut self, slot: usize, traps: u64) {
        self.faults[slot].1.traps += traps;
    }

    /// Enter a message that an outage took.
    pub(crate) fn dropped_by(&mut self, id: &FaultId, direction: Direction) {
        let slot = self.slot(id);
        self.enter(slot, direction, &Verdict::Drop);
    }

    pub(crate) fn outage_began(&mut self, id: &FaultId) {
        let slot = self.slot(id);
        self.faults[slot].1.outages += 1;
    }
}
