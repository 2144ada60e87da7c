//! Selector of devices: by group, by name, and by a draw of the seed.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_sim::faults::target::Pattern;
use wasmote_sim::rng::Seed;

/// Devices as a plan selects them: all that match every given field.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("not" = {"required": ["share", "count"]}))]
pub struct Selector {
    /// Only devices of this group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Only devices whose names match one of these; `*` stands for any sequence of characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub devices: Option<Vec<String>>,
    /// Share of the matching devices that is chosen by the seed; from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub share: Option<f64>,
    /// Number of the matching devices that are chosen by the seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

/// The devices of a fleet, and the seed by which some of them are drawn.
#[derive(Clone, Copy, Debug)]
pub struct Devices<'a> {
    /// The identities, by position.
    pub identities: &'a [Arc<Identity>],
    /// The seed of the run.
    pub seed: Seed,
}

impl Devices<'_> {
    /// Number of devices in a group.
    pub fn members(&self, group: &str) -> usize {
        self.identities.iter().filter(|device| *device.group == *group).count()
    }

    /// Positions of the devices whose names match.
    pub fn matching(&self, pattern: &Pattern) -> Vec<usize> {
        let devices = self.identities.iter().enumerate();
        devices.filter(|(_, device)| pattern.matches(device.id.as_str())).map(|(at, _)| at).collect()
    }
}

/// A checked selector. The devices are drawn when a step is applied; the same seed draws the same ones.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Name of the random stream, which differs between the selectors of a plan.
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
    /// Checks a selector. The error names the field.
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

    /// Description for `timeline.csv`.
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

    /// The positions of the selected devices, in order.
    pub fn resolve(&self, Devices { identities: devices, seed }: Devices<'_>) -> Vec<usize> {
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
                client_id: None,
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
        let selection = Selection::new(&selector, "timeline/0".into()).unwrap();
        selection.resolve(Devices { identities: &fleet(), seed: Seed::new(seed) })
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
