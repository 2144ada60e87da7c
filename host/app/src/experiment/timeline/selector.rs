//! Devices of a timeline entry: some by name, some by lot.

use std::sync::Arc;

use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_sim::faults::target::Pattern;
use wasmote_sim::rng::Seed;

use crate::experiment::plan_file::Selector;

/// A choice of devices that is made in the run. The same seed makes the same choice.
#[derive(Clone, Debug)]
pub struct Selection {
    /// What tells this choice from others of the same plan.
    stream_name: String,
    group: Option<String>,
    patterns: Option<Vec<Pattern>>,
    sampling: Sampling,
}

#[derive(Clone, Copy, Debug)]
enum Sampling {
    All,
    Share(f64),
    Count(u32),
}

impl Selection {
    /// Check a choice. The error names the field.
    pub fn new(selector: &Selector, stream_name: String) -> Result<Self, (&'static str, String)> {
        let sampling = match (selector.share, selector.count) {
            (Some(_), Some(_)) => {
                return Err(("count", "it does not go with `share`; give one of them".into()));
            }
            (Some(share), None) if (0.0..=1.0).contains(&share) => Sampling::Share(share),
            (Some(share), None) => return Err(("share", format!("{share} is not between 0 and 1"))),
            (None, Some(count)) => Sampling::Count(count),
            (None, None) => Sampling::All,
        };
        let patterns = selector.devices.as_ref().map(|names| names.iter().map(Pattern::new).collect());
        Ok(Self { stream_name, group: selector.group.clone(), patterns, sampling })
    }

    /// In words.
    pub fn describe(&self) -> String {
        let group = self.group.as_ref().map(|name| format!("group {name}"));
        let named = self.patterns.as_ref().map(|patterns| {
            let patterns: Vec<&str> = patterns.iter().map(Pattern::as_str).collect();
            format!("devices {}", patterns.join(" "))
        });
        let sampling = match self.sampling {
            Sampling::All => None,
            Sampling::Share(share) => Some(format!("share {share}")),
            Sampling::Count(count) => Some(format!("count {count}")),
        };
        let parts: Vec<String> = [group, named, sampling].into_iter().flatten().collect();
        if parts.is_empty() { "all".to_owned() } else { parts.join(" ") }
    }

    /// The positions of the chosen devices, in order.
    pub fn resolve(&self, devices: &[Arc<Identity>], seed: Seed) -> Vec<usize> {
        let mut candidates: Vec<usize> =
            (0..devices.len()).filter(|at| self.matches_device(&devices[*at])).collect();
        let wanted = match self.sampling {
            Sampling::All => return candidates,
            Sampling::Share(share) => (share * candidates.len() as f64).round() as usize,
            Sampling::Count(count) => count as usize,
        };
        let wanted = wanted.min(candidates.len());
        let Ok(stream_owner) = DeviceId::new("timeline") else { return candidates };
        let mut draw = seed.stream(&stream_owner, &self.stream_name);
        for at in 0..wanted {
            let other = at + draw.below((candidates.len() - at) as u64) as usize;
            candidates.swap(at, other);
        }
        candidates.truncate(wanted);
        candidates.sort_unstable();
        candidates
    }

    fn matches_device(&self, device: &Identity) -> bool {
        let named = |patterns: &Vec<Pattern>| patterns.iter().any(|it| it.matches(device.id.as_str()));
        self.group.as_ref().is_none_or(|group| **group == *device.group)
            && self.patterns.as_ref().is_none_or(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet() -> Vec<Arc<Identity>> {
        let device = |index: u32| {
            let group = if index < 10 { "west" } else { "east" };
            Arc::new(Identity {
                id: DeviceId::new(&format!("{group}-{}", index % 10)).unwrap(),
                group: group.into(),
                index: index % 10,
                count: 10,
                topic_root: "root".into(),
                peers: None,
            })
        };
        (0..20).map(device).collect()
    }

    fn selection(selector: Selector, seed: u64) -> Vec<usize> {
        Selection::new(&selector, "timeline/0".into()).unwrap().resolve(&fleet(), Seed::new(seed))
    }

    #[test]
    fn a_share_is_drawn_by_the_seed_among_matching_devices() {
        let selector = Selector { group: Some("east".into()), share: Some(0.3), ..Selector::default() };
        let first = selection(selector.clone(), 1);
        assert_eq!(first.len(), 3);
        assert!(first.iter().all(|at| *at >= 10) && first.is_sorted());
        assert_eq!(first, selection(selector.clone(), 1));
        assert!((2..20).any(|seed| selection(selector.clone(), seed) != first));
    }

    #[test]
    fn names_counts_and_all_devices() {
        let named = Selector { devices: Some(vec!["*-1".into(), "west-2".into()]), ..Selector::default() };
        assert_eq!(selection(named, 1), [1, 2, 11]);
        assert_eq!(selection(Selector::default(), 1).len(), 20);
        assert_eq!(selection(Selector { count: Some(99), ..Selector::default() }, 1).len(), 20);
        let both = Selector { count: Some(1), share: Some(0.5), ..Selector::default() };
        assert!(Selection::new(&both, String::new()).is_err());
    }
}
