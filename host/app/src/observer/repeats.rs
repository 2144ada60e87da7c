//! What many devices say alike is written once, with their number.

use std::collections::HashMap;

use wasmote_sim::behaviour::Trap;

use crate::logging::DEVICE;

/// Different refusals that are kept apart; further ones are all written.
const KEPT: usize = 100;

/// Refusals by group and words, each with how many more devices have said the same since.
#[derive(Debug, Default)]
pub(super) struct Repeats(HashMap<(String, String), u64>);

impl Repeats {
    /// Whether nobody in the group has said so yet; otherwise it is counted.
    pub(super) fn is_new(&mut self, group: &str, trap: &Trap) -> bool {
        let key = (group.to_owned(), trap.to_string());
        if let Some(more) = self.0.get_mut(&key) {
            *more += 1;
            return false;
        }
        if self.0.len() < KEPT {
            self.0.insert(key, 0);
        }
        true
    }

    /// Write how many more there were, and start anew.
    pub(super) fn tell(&mut self) {
        for ((group, text), more) in self.0.drain().filter(|(_, more)| *more > 0) {
            let devices = if more == 1 { "device" } else { "devices" };
            tracing::error!(
                target: DEVICE,
                group,
                kind = "trapped",
                more,
                "{more} more {devices} of group `{group}`: {text}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmote_sim::behaviour::TrapKind;

    #[test]
    fn the_same_words_of_one_group_are_counted_and_others_are_not() {
        let mut repeats = Repeats::default();
        let soon = Trap::new(TrapKind::Refused, "interval: `soon` is no duration");
        let other = Trap::new(TrapKind::Refused, "peers: -1");
        let said = [("a", &soon), ("a", &soon), ("b", &soon), ("a", &other), ("a", &soon)];
        let new: Vec<bool> = said.into_iter().map(|(group, trap)| repeats.is_new(group, trap)).collect();
        assert_eq!(new, [true, false, true, true, false]);
        assert_eq!(repeats.0.values().sum::<u64>(), 2);
        repeats.tell();
        assert!(repeats.is_new("a", &soon), "it is a new one after the sum");
    }
}
