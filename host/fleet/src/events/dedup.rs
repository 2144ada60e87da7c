//! Deduplication of log lines: a refusal that many devices of a group share is written once, with a count.

use std::collections::HashMap;

use wasmote_sim::behaviour::Trap;

use crate::logging::DEVICE;

/// Maximum of different refusals that are tracked; further ones are written each time.
const MAX_ENTRIES: usize = 100;

/// Refusals by group and text, each with the number of repetitions.
#[derive(Debug, Default)]
pub(super) struct Dedup(HashMap<(String, String), u64>);

impl Dedup {
    /// Returns true if the refusal is new in the group; otherwise counts a repetition.
    pub(super) fn is_new(&mut self, group: &str, trap: &Trap) -> bool {
        let key = (group.to_owned(), trap.to_string());
        if let Some(repeats) = self.0.get_mut(&key) {
            *repeats += 1;
            return false;
        }
        if self.0.len() < MAX_ENTRIES {
            self.0.insert(key, 0);
        }
        true
    }

    /// Writes the numbers of repetitions and forgets all refusals.
    pub(super) fn flush(&mut self) {
        for ((group, text), repeats) in self.0.drain().filter(|(_, repeats)| *repeats > 0) {
            let devices = if repeats == 1 { "device" } else { "devices" };
            tracing::error!(
                target: DEVICE,
                group,
                kind = "trapped",
                more = repeats,
                "{repeats} more {devices} of group `{group}`: {text}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use wasmote_sim::behaviour::TrapKind;

    use super::*;

    #[test]
    fn equal_traps_of_one_group_are_counted() {
        let mut dedup = Dedup::default();
        let refusal = Trap::new(TrapKind::Refused, "interval: `soon` is no duration");
        let other = Trap::new(TrapKind::Refused, "peers: -1");
        let traps = [("a", &refusal), ("a", &refusal), ("b", &refusal), ("a", &other), ("a", &refusal)];
        let new: Vec<bool> = traps.into_iter().map(|(group, trap)| dedup.is_new(group, trap)).collect();
        assert_eq!(new, [true, false, true, true, false]);
        assert_eq!(dedup.0.values().sum::<u64>(), 2);
        dedup.flush();
        assert!(dedup.is_new("a", &refusal), "refusals are new again after a flush");
    }
}
