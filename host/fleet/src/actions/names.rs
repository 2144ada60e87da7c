//! Check of device names: whether a pattern in a plan can match a device.

use wasmote_sim::faults::target::Pattern;

use super::check::PlanState;
use super::problem::{Problem, at};
use crate::config::Group;
use crate::fault_set::FaultSet;
use crate::suggest::did_you_mean;

impl PlanState<'_> {
    /// Checks that a device can have a name that matches. Before a run only the beginnings of names are known: more devices
    /// may join, and pods have longer names.
    pub fn check_device_pattern(&self, pattern: &str) -> Result<(), String> {
        let groups = || self.groups.keys().map(String::as_str);
        if self.groups.values().any(|group| group_may_match(pattern, group)) {
            return Ok(());
        }
        let head = pattern.split('*').next().unwrap_or_default();
        // The suggestion is one of the groups, so the number at the end is left out.
        let stem = head.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('-');
        let hint = did_you_mean(stem, groups());
        let first = |group: &Group| match group.names_of(None, 1).pop() {
            Some(name) if group.names.is_some() => format!("`{name}`"),
            _ => format!("`{}-0`", group.name),
        };
        let known = self.groups.values().map(first).collect::<Vec<_>>().join(", ");
        Err(format!("no device fits `{pattern}`; devices are called after their groups: {known}{hint}"))
    }

    /// Checks the device names in the targets of a fault set.
    pub fn check_fault_devices(&self, set: &FaultSet, field: &str) -> Result<(), Problem> {
        for (index, entry) in set.document.faults.iter().enumerate() {
            for device in entry.device.iter() {
                self.check_device_pattern(device)
                    .map_err(|problem| at(&format!("{field}.fault[{index}].device"), problem))?;
            }
        }
        Ok(())
    }
}

/// Whether a device of the group can have a name that matches. Templates may name more devices than there are.
fn group_may_match(pattern: &str, group: &Group) -> bool {
    let Some(names) = &group.names else { return may_match(pattern, &group.name) };
    let wanted = Pattern::new(pattern);
    let last = names.limit().unwrap_or(group.count).max(group.count);
    (0..last).map_while(|index| names.get(index).ok()).any(|name| wanted.matches(name.id.as_str()))
}

fn may_match(pattern: &str, group: &str) -> bool {
    let begins = format!("{group}-");
    match pattern.split_once('*') {
        None => pattern.starts_with(&begins),
        Some((head, _)) => begins.starts_with(head) || head.starts_with(&begins),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_may_match_names_with_its_prefix() {
        for matching in ["west-3", "west-*", "we*", "*", "*-3", "west-1*7", "west-2-14"] {
            assert!(may_match(matching, "west"), "{matching}");
        }
        for other in ["wset-*", "west", "east-1", "wests-*", "wese*"] {
            assert!(!may_match(other, "west"), "{other}");
        }
    }
}
