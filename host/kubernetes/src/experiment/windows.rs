//! Measured windows of a run on a cluster: message counts between two samples.

use wasmote_experiment::point::Point;
use wasmote_experiment::threshold::ThresholdScope;
use wasmote_experiment::timeline::Phase;
use wasmote_experiment::windows;
use wasmote_mqtt::time::Time;

use super::samples::{Sample, since};
use crate::fleet_query::pod_metrics::Messages;
use crate::manifests::fleet::{FleetManifests, PodGroup};

/// Message counts by window. Samples exist for the end of the warm-up and for the start of each phase.
#[derive(Clone, Copy)]
pub struct MeasuredWindows<'a> {
    point: &'a Point,
    fleet: &'a FleetManifests,
    samples: &'a [Sample],
}

impl<'a> MeasuredWindows<'a> {
    /// Creates the windows of a run from the samples so far.
    pub fn new(point: &'a Point, fleet: &'a FleetManifests, samples: &'a [Sample]) -> Self {
        Self { point, fleet, samples }
    }

    /// Time of the last sample.
    pub fn end(&self) -> Time {
        self.samples.last().map_or(Time::ZERO, Sample::at)
    }

    /// Counts in the scope of a threshold so far.
    pub fn scope(&self, scope: &ThresholdScope) -> Messages {
        match scope {
            ThresholdScope::Whole => self.whole(None),
            ThresholdScope::Group(name) => {
                let group = self.fleet.groups.iter().find(|group| group.group == *name);
                group.map(|group| self.whole(Some(group))).unwrap_or_default()
            }
            ThresholdScope::Phase(name) => {
                let phase = self.point.timeline.phases.iter().find(|phase| phase.name == *name);
                phase.map(|phase| self.phase(phase)).unwrap_or_default()
            }
        }
    }

    /// Counts after the warm-up, of a group or of the fleet.
    pub fn whole(&self, group: Option<&PodGroup>) -> Messages {
        let (from, to) = windows::measured(self.point, self.end());
        self.window(from, to, group)
    }

    /// Counts in a phase.
    pub fn phase(&self, phase: &Phase) -> Messages {
        let (from, to) = windows::phase(self.point, phase, self.end());
        self.window(from, to, None)
    }

    /// Counts between two times. A sample for a time may be late, but is never early.
    fn window(&self, from: Time, to: Time, group: Option<&PodGroup>) -> Messages {
        if to <= from {
            return Messages::default();
        }
        let at = |time: Time| self.samples.iter().find(|sample| sample.at() >= time).or(self.samples.last());
        match (at(from), at(to)) {
            (Some(first), Some(last)) => between(first, last, group.map(|group| group.instance.as_str())),
            _ => Messages::default(),
        }
    }

    /// True if a threshold with `abort` is missed.
    pub fn threshold_missed(&self) -> bool {
        let mut aborts = self.point.plan.thresholds.iter().filter(|entry| entry.abort);
        aborts.any(|entry| {
            let messages = self.scope(&entry.check.scope);
            let value = entry.check.value(&messages);
            messages.ledger.generated > 0 && value.is_some() && !entry.check.holds(value)
        })
    }
}

/// Message counts of a group's pods, or of all pods, between two samples.
pub fn between(first: &Sample, last: &Sample, group: Option<&str>) -> Messages {
    let mut sum = Messages { ledger_closes: true, ..Messages::default() };
    for (pod, answer) in last.of(group) {
        let before = first.pods.get(pod).map(|(_, answer)| &answer.messages);
        sum.add(&since(&answer.messages, before));
    }
    sum
}
