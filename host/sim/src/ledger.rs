//! Message counts of a device, in which every message is accounted for.
//!
//! The outbound counts balance when
//! `generated + duplicated = sent + dropped + waiting + lost offline + refused`, the inbound counts when
//! `arrived + duplicated = received + dropped + waiting + discarded`. A message that is handed to the connection
//! is waiting until it has left for good, so repetitions never count as sent.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wasmote_mqtt::answer::AnswerCode;
use wasmote_mqtt::codec::client::SendError;

use crate::faults::{Direction, FaultId, Verdict};

/// Message counts since the first start of the device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Messages published by the behaviour, or on its behalf by a user.
    pub generated: u64,
    /// Messages that left for good: at QoS 1 and 2 acknowledged by the broker, at QoS 0 written to the
    /// connection.
    pub sent: u64,
    /// How often the connection gave a message back, because it was full, ended before an acknowledgement, or
    /// was half open, or because the message exceeds a limit of the broker. A returned message is queued again,
    /// or counted as refused, lost or dropped by a fault.
    pub returned: u64,
    /// Messages at QoS 0 that were published while disconnected, which MQTT does not queue, and messages that
    /// waited when their device stopped.
    pub lost_offline: u64,
    /// Messages delivered by the broker, including those that its link is known to have dropped.
    pub arrived: u64,
    /// Messages passed to the behaviour.
    pub received: u64,
    /// Messages that were discarded: no behaviour ran, the payload was too large, too many messages waited
    /// for the end of a hang, or the behaviour ended during a delay or a hang.
    pub discarded: u64,
    /// Messages that were refused, by cause.
    #[serde(default)]
    pub refused: RefusedMessages,
    /// Negative answers of the broker, by packet and reason code.
    #[serde(default, serialize_with = "write_answers", deserialize_with = "read_answers")]
    pub negative_answers: BTreeMap<AnswerCode, u64>,
    #[serde(default, serialize_with = "write_faults", deserialize_with = "read_faults")]
    faults: FaultTable,
}

/// Counts by fault, in the order of first use, so that a rule finds its counts by position.
#[derive(Clone, Debug, Default)]
struct FaultTable {
    entries: Vec<(FaultId, FaultCounts)>,
    /// Positions by id, only in tables that are too long for a search.
    positions: BTreeMap<FaultId, usize>,
}

/// Number of faults up to which a search is as fast as a map, which would take more memory.
const MAX_SEARCHED: usize = 16;
/// Number of faults that are no longer in force and keep their own counts. The counts of earlier ones are summed up
/// under [`REMOVED_FAULTS`].
pub const MAX_REMOVED_FAULTS: usize = 64;
/// Key of the summed counts. No fault can have it, because it is not a name.
pub const REMOVED_FAULTS: &str = "(removed)";

impl PartialEq for FaultTable {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for FaultTable {}

impl FaultTable {
    fn position(&self, id: &FaultId) -> Option<usize> {
        if self.positions.is_empty() {
            return self.entries.iter().position(|(known, _)| known == id);
        }
        self.positions.get(id).copied()
    }

    fn push(&mut self, id: FaultId, counts: FaultCounts) -> usize {
        self.entries.push((id.clone(), counts));
        let position = self.entries.len() - 1;
        if !self.positions.is_empty() {
            self.positions.insert(id, position);
        } else if self.entries.len() > MAX_SEARCHED {
            self.positions =
                self.entries.iter().enumerate().map(|(at, (known, _))| (known.clone(), at)).collect();
        }
        position
    }
}

impl FromIterator<(FaultId, FaultCounts)> for FaultTable {
    fn from_iter<I: IntoIterator<Item = (FaultId, FaultCounts)>>(entries: I) -> Self {
        let mut table = Self::default();
        for (id, counts) in entries {
            table.push(id, counts);
        }
        table
    }
}

/// Outbound messages that were refused, by cause. They are not sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RefusedMessages {
    /// Messages that found a full queue of the device or of its client.
    pub queue_full: u64,
    /// Messages that the broker refused with a negative PUBACK or PUBREC.
    pub broker: u64,
    /// Messages that exceed the maximum packet size that the broker announced.
    pub packet_too_large: u64,
    /// Messages with a QoS above the maximum that the broker announced.
    pub qos_not_supported: u64,
    /// Retained messages for a broker that announced not to support them.
    pub retain_not_supported: u64,
    /// Messages with a string that is longer than MQTT allows.
    pub field_too_long: u64,
    /// Messages at which the broker ended several connections in a row.
    pub ends_connection: u64,
}

impl RefusedMessages {
    /// The counts with their names.
    pub fn causes(&self) -> [(&'static str, u64); 7] {
        let Self {
            queue_full,
            broker,
            packet_too_large,
            qos_not_supported,
            retain_not_supported,
            field_too_long,
            ends_connection,
        } = *self;
        [
            ("queue_full", queue_full),
            ("broker", broker),
            (SendError::TooLarge.name(), packet_too_large),
            (SendError::Qos.name(), qos_not_supported),
            (SendError::Retain.name(), retain_not_supported),
            (SendError::TooLong.name(), field_too_long),
            ("ends_connection", ends_connection),
        ]
    }

    /// Sum over all causes.
    pub fn total(&self) -> u64 {
        self.causes().iter().map(|(_, count)| count).sum()
    }

    /// Messages that the broker does not take: refused by it, beyond the limits that it announced, or ending its
    /// connections.
    pub fn by_broker(&self) -> u64 {
        self.total() - self.queue_full
    }

    pub(crate) fn count_unsendable(&mut self, why: SendError) {
        *match why {
            SendError::TooLarge => &mut self.packet_too_large,
            SendError::Qos => &mut self.qos_not_supported,
            SendError::Retain => &mut self.retain_not_supported,
            // A password is in CONNECT only, so no message has this error.
            SendError::TooLong | SendError::PasswordWithoutUser => &mut self.field_too_long,
        } += 1;
    }

    /// Pairs of each count with the same count of another value.
    fn pairs<'a>(&'a mut self, other: &Self) -> [(&'a mut u64, u64); 7] {
        [
            (&mut self.queue_full, other.queue_full),
            (&mut self.broker, other.broker),
            (&mut self.packet_too_large, other.packet_too_large),
            (&mut self.qos_not_supported, other.qos_not_supported),
            (&mut self.retain_not_supported, other.retain_not_supported),
            (&mut self.field_too_long, other.field_too_long),
            (&mut self.ends_connection, other.ends_connection),
        ]
    }
}

fn write_answers<S: Serializer>(
    answers: &BTreeMap<AnswerCode, u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(answers.iter().map(|(answer, count)| (answer.to_string(), count)))
}

fn read_answers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<AnswerCode, u64>, D::Error> {
    let by_text = BTreeMap::<String, u64>::deserialize(deserializer)?;
    let parsed = by_text.into_iter().map(|(text, count)| Ok((text.parse()?, count)));
    parsed
        .collect::<Result<_, _>>()
        .map_err(serde::de::Error::custom::<wasmote_mqtt::answer::InvalidAnswerCode>)
}

/// Counts of one fault on one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct FaultCounts {
    /// Outbound messages dropped.
    pub dropped_out: u64,
    /// Inbound messages dropped.
    pub dropped_in: u64,
    /// Messages delayed or held back.
    pub delayed: u64,
    /// Outbound copies made.
    pub duplicated_out: u64,
    /// Inbound copies made.
    pub duplicated_in: u64,
    /// Messages with a corrupted payload.
    pub corrupted: u64,
    /// Outages that began; for a battery, how often it was empty.
    pub outages: u64,
    /// Messages at which the fault's component trapped. They passed.
    pub traps: u64,
}

fn write_faults<S: Serializer>(faults: &FaultTable, serializer: S) -> Result<S::Ok, S::Error> {
    let sorted: BTreeMap<&str, &FaultCounts> =
        faults.entries.iter().map(|(id, counts)| (&**id, counts)).collect();
    sorted.serialize(serializer)
}

fn read_faults<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FaultTable, D::Error> {
    let by_id = BTreeMap::<String, FaultCounts>::deserialize(deserializer)?;
    Ok(by_id.into_iter().map(|(id, counts)| (id.into(), counts)).collect())
}

impl FaultCounts {
    /// Adds the counts of another device.
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

    fn subtract(&mut self, before: &Self) {
        for (count, before) in [
            (&mut self.dropped_out, before.dropped_out),
            (&mut self.dropped_in, before.dropped_in),
            (&mut self.delayed, before.delayed),
            (&mut self.duplicated_out, before.duplicated_out),
            (&mut self.duplicated_in, before.duplicated_in),
            (&mut self.corrupted, before.corrupted),
            (&mut self.outages, before.outages),
            (&mut self.traps, before.traps),
        ] {
            *count = count.saturating_sub(before);
        }
    }

    /// Messages dropped in both directions.
    pub fn dropped(&self) -> u64 {
        self.dropped_out + self.dropped_in
    }
}

impl Ledger {
    /// Counts of each fault, in the order of first use.
    pub fn faults(&self) -> impl Iterator<Item = (&FaultId, &FaultCounts)> {
        self.faults.entries.iter().map(|(id, counts)| (id, counts))
    }

    /// Sum over all faults.
    pub fn fault_total(&self) -> FaultCounts {
        self.faults.entries.iter().fold(FaultCounts::default(), |mut total, (_, counts)| {
            total.add(counts);
            total
        })
    }

    /// Whether every message is accounted for, given the numbers of waiting outbound and inbound messages.
    pub fn closes(&self, waiting_out: u64, waiting_in: u64) -> bool {
        let faults = self.fault_total();
        let out = self.sent + faults.dropped_out + waiting_out + self.lost_offline + self.refused.total();
        let inward = self.received + faults.dropped_in + waiting_in + self.discarded;
        self.generated + faults.duplicated_out == out && self.arrived + faults.duplicated_in == inward
    }

    /// Adds the counts of another device.
    pub fn add(&mut self, other: &Self) {
        self.generated += other.generated;
        self.sent += other.sent;
        self.returned += other.returned;
        self.lost_offline += other.lost_offline;
        self.arrived += other.arrived;
        self.received += other.received;
        self.discarded += other.discarded;
        for (count, more) in self.refused.pairs(&other.refused) {
            *count += more;
        }
        for (answer, count) in &other.negative_answers {
            *self.negative_answers.entry(*answer).or_default() += count;
        }
        for (id, counts) in &other.faults.entries {
            let slot = self.slot(id);
            self.faults.entries[slot].1.add(counts);
        }
    }

    /// Subtracts an earlier state of the same ledger. Counts that are below it become 0.
    pub fn subtract(&mut self, before: &Self) {
        for (count, before) in [
            (&mut self.generated, before.generated),
            (&mut self.sent, before.sent),
            (&mut self.returned, before.returned),
            (&mut self.lost_offline, before.lost_offline),
            (&mut self.arrived, before.arrived),
            (&mut self.received, before.received),
            (&mut self.discarded, before.discarded),
        ] {
            *count = count.saturating_sub(before);
        }
        for (count, before) in self.refused.pairs(&before.refused) {
            *count = count.saturating_sub(before);
        }
        for (answer, count) in &mut self.negative_answers {
            *count = count.saturating_sub(before.negative_answers.get(answer).copied().unwrap_or(0));
        }
        self.negative_answers.retain(|_, count| *count > 0);
        for (id, counts) in &mut self.faults.entries {
            if let Some(at) = before.faults.position(id) {
                counts.subtract(&before.faults.entries[at].1);
            }
        }
    }

    /// Negative answers of the broker by their text.
    pub fn named_negative_answers(&self) -> BTreeMap<String, u64> {
        self.negative_answers.iter().map(|(answer, count)| (answer.to_string(), *count)).collect()
    }

    /// Counts a negative answer of the broker.
    pub(crate) fn answered(&mut self, answer: AnswerCode) {
        *self.negative_answers.entry(answer).or_default() += 1;
    }

    /// Slot of a fault's counts.
    pub(crate) fn slot(&mut self, id: &FaultId) -> usize {
        let position = self.faults.position(id);
        position.unwrap_or_else(|| self.faults.push(id.clone(), FaultCounts::default()))
    }

    /// Sums up the counts of faults that are no longer in force, except for the latest [`MAX_REMOVED_FAULTS`]. Slots
    /// change, so it is called before the rules of new faults get theirs.
    pub(crate) fn forget_removed(&mut self, is_in_force: impl Fn(&FaultId) -> bool) {
        if self.faults.entries.len() <= MAX_REMOVED_FAULTS {
            return;
        }
        let is_removed = |id: &FaultId| **id != *REMOVED_FAULTS && !is_in_force(id);
        let removed = self.faults.entries.iter().filter(|(id, _)| is_removed(id)).count();
        let mut excess = removed.saturating_sub(MAX_REMOVED_FAULTS);
        if excess == 0 {
            return;
        }
        let mut sum = FaultCounts::default();
        let mut entries = std::mem::take(&mut self.faults).entries;
        entries.retain(|(id, counts)| {
            let goes = excess > 0 && is_removed(id);
            if goes {
                excess -= 1;
                sum.add(counts);
            }
            !goes
        });
        self.faults = entries.into_iter().collect();
        if sum != FaultCounts::default() {
            let slot = self.slot(&REMOVED_FAULTS.into());
            self.faults.entries[slot].1.add(&sum);
        }
    }

    /// Counts a rule's verdict on one message.
    pub(crate) fn enter(&mut self, slot: usize, direction: Direction, verdict: &Verdict) {
        let counts = &mut self.faults.entries[slot].1;
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

    /// Counts traps of a component.
    pub(crate) fn trapped(&mut self, slot: usize, traps: u64) {
        self.faults.entries[slot].1.traps += traps;
    }

    /// Counts a message that an outage dropped.
    pub(crate) fn dropped_by(&mut self, id: &FaultId, direction: Direction) {
        let slot = self.slot(id);
        self.enter(slot, direction, &Verdict::Drop);
    }

    pub(crate) fn outage_began(&mut self, id: &FaultId) {
        let slot = self.slot(id);
        self.faults.entries[slot].1.outages += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_form_sorts_faults_by_id_and_is_read_back() {
        let mut ledger = Ledger { generated: 3, sent: 2, ..Ledger::default() };
        ledger.dropped_by(&"wifi".into(), Direction::Out);
        ledger.outage_began(&"battery".into());
        let json = serde_json::to_string(&ledger).unwrap();
        assert!(
            json.starts_with(r#"{"generated":3,"sent":2,"returned":0,"lost_offline":0,"arrived":0"#),
            "{json}"
        );
        assert!(json.contains(r#""faults":{"battery":{"dropped_out":0,"#), "{json}");
        let read: Ledger = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
    }

    #[test]
    fn counts_of_removed_faults_are_summed_up_and_the_ledger_still_closes() {
        let mut ledger = Ledger { generated: 1_000, ..Ledger::default() };
        for number in 0..1_000 {
            ledger.dropped_by(&format!("fault-{number}").as_str().into(), Direction::Out);
        }
        assert!(ledger.closes(0, 0));
        ledger.forget_removed(|id| **id == *"fault-3");
        assert!(ledger.closes(0, 0), "no count is lost");
        let kept: Vec<&str> = ledger.faults().map(|(id, _)| &**id).collect();
        assert_eq!(kept.len(), MAX_REMOVED_FAULTS + 2, "{kept:?}");
        assert_eq!([kept[0], kept[1], kept[65]], ["fault-3", "fault-936", REMOVED_FAULTS]);
        let before = ledger.clone();
        ledger.forget_removed(|_| false);
        assert_eq!(ledger.faults().count(), MAX_REMOVED_FAULTS + 1, "the fault that was in force, too");
        assert_eq!(ledger.fault_total(), before.fault_total());
    }

    #[test]
    fn a_hundred_thousand_faults_are_counted_without_a_search_for_each() {
        let ids: Vec<FaultId> = (0..100_000).map(|n| format!("fault-{n}").as_str().into()).collect();
        let mut ledger = Ledger::default();
        for id in &ids {
            ledger.outage_began(id);
        }
        // A search for each would take minutes.
        let mut sum = ledger.clone();
        sum.add(&ledger);
        sum.subtract(&ledger);
        assert_eq!(sum, ledger);
    }

    #[test]
    fn subtracting_an_earlier_state_leaves_the_counts_since() {
        let mut before = Ledger { generated: 3, ..Ledger::default() };
        before.dropped_by(&"wifi".into(), Direction::Out);
        let mut now = before.clone();
        now.generated += 4;
        now.dropped_by(&"wifi".into(), Direction::In);
        now.subtract(&before);
        let expected = FaultCounts { dropped_in: 1, ..FaultCounts::default() };
        assert_eq!((now.generated, now.fault_total()), (4, expected));
        now.subtract(&before);
        assert_eq!(now.generated, 1);
        now.subtract(&before);
        assert_eq!(now.generated, 0, "a count never falls below 0");
    }
}
