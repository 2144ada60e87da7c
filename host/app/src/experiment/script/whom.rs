//! Devices of a timeline entry: some by name, some by lot.

use std::sync::Arc;

use wasmote_sim::device_id::{DeviceId, Identity};
use wasmote_sim::faults::target::Pattern;
use wasmote_sim::rng::Seed;

use crate::experiment::document::Whom;

/// A choice of devices that is made in the run. The same seed makes the same choice.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// What tells this choice from others of the same plan.
    purpose: String,
    group: Option<String>,
    patterns: Option<Vec<Pattern>>,
    lot: Lot,
}

#[derive(Clone, Copy, Debug)]
enum Lot {
    All,
    Share(f64),
    Count(u32),
}

impl Chosen {
    /// Check a choice. The error names the field.
    pub fn new(whom: &Whom, purpose: String) -> Result<Self, (&'static str, String)> {
        let lot = match (whom.share, whom.count) {
            (Some(_), Some(_)) => {
                return Err(("count", "it does not go with `share`; give one of them".into()));
            }
            (Some(share), None) if (0.0..=1.0).contains(&share) => Lot::Share(share),
            (Some(share), None) => return Err(("share", format!("{share} is not between 0 and 1"))),
            (None, Some(count)) => Lot::Count(count),
            (None, None) => Lot::All,
        };
        let patterns = whom.devices.as_ref().map(|names| names.iter().map(Pattern::new).collect());
        Ok(Self { purpose, group: whom.group.clone(), patterns, lot })
    }

    /// In words.
    pub fn words(&self) -> String {
        let group = self.group.as_ref().map(|name| format!("group {name}"));
        let named = self.patterns.as_ref().map(|patterns| {
            let patterns: Vec<&str> = patterns.iter().map(Pattern::as_str).collect();
            format!("devices {}", patterns.join(" "))
        });
        let lot = match self.lot {
            Lot::All => None,
            Lot::Share(share) => Some(format!("share {share}")),
            Lot::Count(count) => Some(format!("count {count}")),
        };
        let words: Vec<String> = [group, named, lot].into_iter().flatten().collect();
        if words.is_empty() { "all".to_owned() } else { words.join(" ") }
    }

    /// The positions of the chosen devices, in order.
    pub fn of(&self, devices: &[Arc<Identity>], seed: Seed) -> Vec<usize> {
        let mut candidates: Vec<usize> = (0..devices.len()).filter(|at| self.fits(&devices[*at])).collect();
        let wanted = match self.lot {
            Lot::All => return candidates,
            Lot::Share(share) => (share * candidates.len() as f64).round() as usize,
            Lot::Count(count) => count as usize,
        };
        let wanted = wanted.min(candidates.len());
        let Ok(nobody) = DeviceId::new("timeline") else { return candidates };
        let mut draw = seed.stream(&nobody, &self.purpose);
        for at in 0..wanted {
            let other = at + draw.below((candidates.len() - at) as u64) as usize;
            candidates.swap(at, other);
        }
        candidates.truncate(wanted);
        candidates.sort_unstable();
        candidates
    }

    fn fits(&self, device: &Identity) -> bool {
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

    fn chosen(whom: Whom, seed: u64) -> Vec<usize> {
        Chosen::new(&whom, "timeline/0".into()).unwrap().of(&fleet(), Seed::new(seed))
    }

    #[test]
    fn a_share_is_drawn_by_the_seed_among_those_that_fit() {
        let whom = Whom { group: Some("east".into()), share: Some(0.3), ..Whom::default() };
        let first = chosen(whom.clone(), 1);
        assert_eq!(first.len(), 3);
        assert!(first.iter().all(|at| *at >= 10) && first.is_sorted());
        assert_eq!(first, chosen(whom.clone(), 1));
        assert!((2..20).any(|seed| chosen(whom.clone(), seed) != first));
    }

    #[test]
    fn names_and_counts_and_everybody() {
        let named = Whom { devices: Some(vec!["*-1".into(), "west-2".into()]), ..Whom::default() };
        assert_eq!(chosen(named, 1), [1, 2, 11]);
        assert_eq!(chosen(Whom::default(), 1).len(), 20);
        assert_eq!(chosen(Whom { count: Some(99), ..Whom::default() }, 1).len(), 20);
        let both = Whom { count: Some(1), share: Some(0.5), ..Whom::default() };
        assert!(Chosen::new(&both, String::new()).is_err());
    }
}
