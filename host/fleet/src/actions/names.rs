//! Check of device names: whether a pattern in a plan can match a device.

use super::check::PlanState;
use super::problem::{Problem, at};
use crate::fault_set::FaultSet;
use crate::suggest::did_you_mean;

impl PlanState<'_> {
    /// Checks that a device can have a name that matches. Before a run only the beginnings of names are known: more devices
    /// may join, and pods have longer names.
    pub fn check_device_pattern(&self, pattern: &str) -> Result<(), String> {
        let groups = || self.groups.keys().map(String::as_str);
        if groups().any(|group| may_match(pattern, group)) {
            return Ok(());
        }
        let head = pattern.split('*').next().unwrap_or_default();
        // The suggestion is one of the groups, so the number at the end is left out.
        let stem = head.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('-');
        let hint = did_you_mean(stem, groups());
        let known = groups().map(|group| format!("`{group}-0`")).collect::<Vec<_>>().join(", ");
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
