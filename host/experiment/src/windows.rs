//! Parts of a run: the whole after the warm-up, groups, and phases.

use wasmote_mqtt::time::Time;

use super::message_stats::MessageStats;
use super::point::Point;
use super::threshold::ThresholdScope;
use super::time_buckets::TimeBuckets;
use super::timeline::Phase;

/// Measured interval of a run: the time after the warm-up.
pub fn measured(point: &Point, end: Time) -> (Time, Time) {
    (Time::ZERO + point.plan.warm_up.0, end)
}

/// Measured interval of a phase.
pub fn phase(point: &Point, phase: &Phase, end: Time) -> (Time, Time) {
    let (from, to) = measured(point, end);
    (phase.from.max(from), phase.to.min(to))
}

/// Counts of a part of a run up to `until`.
pub fn stats(point: &Point, buckets: &TimeBuckets, scope: &ThresholdScope, until: Time) -> MessageStats {
    let (from, to) = measured(point, until);
    match scope {
        ThresholdScope::Whole => buckets.sum(from, to, None),
        ThresholdScope::Group(name) => {
            let group = point.settings.groups.iter().position(|group| group.name == *name);
            buckets.sum(from, to, group)
        }
        ThresholdScope::Phase(name) => match point.timeline.phases.iter().find(|phase| phase.name == *name) {
            Some(found) => {
                let (from, to) = phase(point, found, until);
                buckets.sum(from, to, None)
            }
            None => MessageStats::default(),
        },
    }
}
