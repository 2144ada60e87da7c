//! Who should have been given what, and who was.
//!
//! A device wants a topic from the moment its behaviour subscribes to a filter that matches, until it
//! takes that back or is stopped in order. A device that is disconnected, silent or crashed still wants what it
//! wanted: that it gets nothing then is what an experiment is to show. Shared subscriptions want nothing
//! here, as no single device is meant.
//!
//! When a device publishes a message, every device that wants it then is *expected* to be given it, the
//! publisher itself included if it asked for it. The first copy that reaches the behaviour of such a
//! device is *delivered*; further copies, copies that the broker had retained, and copies for devices that
//! began to want it later do not count. So `delivered <= expected` always, message by message.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use wasmote_mqtt::broker::limits::MAX_FILTER_LEVELS;
use wasmote_mqtt::device_id::DeviceId;
use wasmote_mqtt::filter_tree::FilterTree;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::{Topic, TopicFilter};
use wasmote_sim::context::Effect;

use super::bitset::BitSet;
use super::time_buckets::TimeBuckets;

/// The account of a run.
#[derive(Debug)]
pub struct DeliveryTracker {
    buckets: TimeBuckets,
    devices: Vec<TrackedDevice>,
    positions: HashMap<DeviceId, u32>,
    /// At each filter, who wants it and since when.
    subscribers: FilterTree<BTreeMap<u32, Time>>,
}

#[derive(Debug)]
struct TrackedDevice {
    group: usize,
    /// The filters that it wants.
    subscriptions: BTreeSet<TopicFilter>,
    /// When each of its messages was published; their numbers begin with 1.
    published: Vec<Time>,
    /// The numbers of messages that it was given, by who published them.
    received: HashMap<u32, BitSet>,
}

impl DeliveryTracker {
    /// Of a run without devices.
    pub fn new(buckets: TimeBuckets) -> Self {
        Self { buckets, devices: Vec::new(), positions: HashMap::new(), subscribers: FilterTree::default() }
    }

    /// A device joins, in this column of the table.
    pub fn add(&mut self, id: DeviceId, group: usize) {
        self.positions.insert(id, self.devices.len() as u32);
        let (subscriptions, published, received) = (BTreeSet::new(), Vec::new(), HashMap::new());
        self.devices.push(TrackedDevice { group, subscriptions, published, received });
    }

    /// The position of a device.
    pub fn position(&self, id: &DeviceId) -> Option<u32> {
        self.positions.get(id).copied()
    }

    /// Messages that a device published.
    pub fn published(&self, device: u32) -> u64 {
        self.devices[device as usize].published.len() as u64
    }

    /// The table.
    pub fn buckets(&self) -> &TimeBuckets {
        &self.buckets
    }

    /// The table, for what is counted elsewhere.
    pub fn buckets_mut(&mut self) -> &mut TimeBuckets {
        &mut self.buckets
    }

    /// A behaviour asked for something.
    pub fn on_effect(&mut self, device: u32, effect: &Effect, now: Time) {
        match effect {
            Effect::Publish(message) => self.on_publish(device, &message.topic, now),
            Effect::Subscribe(filter, _) if is_individual(filter) => {
                self.subscribers.entry(filter.as_str()).entry(device).or_insert(now);
                self.devices[device as usize].subscriptions.insert(filter.clone());
            }
            Effect::Unsubscribe(filter) if self.devices[device as usize].subscriptions.remove(filter) => {
                self.remove_subscription(device, filter);
            }
            _ => {}
        }
    }

    /// A device was stopped in order: it wants nothing any more.
    pub fn on_stopped(&mut self, device: u32) {
        for filter in std::mem::take(&mut self.devices[device as usize].subscriptions) {
            self.remove_subscription(device, &filter);
        }
    }

    fn remove_subscription(&mut self, device: u32, filter: &TopicFilter) {
        self.subscribers.take(filter.as_str(), |since| since.remove(&device));
    }

    /// A message comes into being.
    pub fn on_publish(&mut self, device: u32, topic: &Topic, now: Time) {
        let expected = self.count_subscribers(topic);
        let tracked = &mut self.devices[device as usize];
        tracked.published.push(now);
        if now <= self.buckets.end() {
            self.buckets.record_published(now, tracked.group, expected);
        }
    }

    /// The run ends, or has ended. Devices in real time go on for a while, as they take their leave; what they
    /// publish then still has to be accounted for, but does not count.
    pub fn end(&mut self, at: Time) {
        self.buckets.truncate(at);
    }

    /// A message reaches a behaviour.
    pub fn on_receive(&mut self, device: u32, message: &Message, now: Time) {
        if now > self.buckets.end() {
            return;
        }
        let Some(origin) = message.origin.as_ref().filter(|_| !message.retain) else { return };
        let Some(from) = self.position(&origin.from) else { return };
        let sender = &self.devices[from as usize];
        let number = origin.sequence.saturating_sub(1) as usize;
        let (Some(&published), group) = (sender.published.get(number), sender.group) else { return };
        if self.subscribed_since(device, &message.topic, published)
            && self.devices[device as usize].received.entry(from).or_default().insert(number)
        {
            self.buckets.record_delivered(published, group, now.since(published));
        }
    }

    /// How many devices want a topic now. One counts once for all its filters.
    fn count_subscribers(&mut self, topic: &Topic) -> u64 {
        let (mut filters, mut entries) = (0, 0);
        self.subscribers.visit(topic, |since| {
            filters += u32::from(!since.is_empty());
            entries += since.len();
        });
        if filters < 2 {
            return entries as u64;
        }
        let mut devices = Vec::with_capacity(entries);
        self.subscribers.visit(topic, |since| devices.extend(since.keys().copied()));
        devices.sort_unstable();
        devices.dedup();
        devices.len() as u64
    }

    /// Whether a device has wanted a topic at least since then.
    fn subscribed_since(&mut self, device: u32, topic: &Topic, then: Time) -> bool {
        let mut found = false;
        self.subscribers.visit(topic, |since| found |= since.get(&device).is_some_and(|from| *from <= then));
        found
    }
}

/// Whether a filter is a device's own. What no broker takes is nobody's.
fn is_individual(filter: &TopicFilter) -> bool {
    !filter.as_str().starts_with("$share/") && filter.as_str().split('/').nth(MAX_FILTER_LEVELS).is_none()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wasmote_mqtt::message::{MessageOrigin, Qos};
    use wasmote_mqtt::time::WallTime;

    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn id(name: &str) -> DeviceId {
        DeviceId::new(name).unwrap()
    }

    /// A talker at position 0, listeners at 1 and 2.
    fn tracker() -> DeliveryTracker {
        let mut tracker = DeliveryTracker::new(TimeBuckets::new(vec![at(100)], 1));
        for name in ["talker", "one", "two"] {
            tracker.add(id(name), 0);
        }
        tracker
    }

    fn subscribe(filter: &str) -> Effect {
        Effect::Subscribe(TopicFilter::new(filter).unwrap(), Qos::AtMostOnce)
    }

    fn message(sequence: u64) -> Message {
        let origin = MessageOrigin { from: id("talker"), sequence, sent: WallTime::default() };
        Message { origin: Some(Box::new(origin)), ..Message::new(Topic::new("a/b").unwrap(), "") }
    }

    fn counts(tracker: &DeliveryTracker) -> (u64, u64) {
        let sum = tracker.buckets().sum(Time::ZERO, at(100), None);
        (sum.expected, sum.delivered)
    }

    #[test]
    fn a_device_counts_once_for_all_its_filters_and_all_copies() {
        let mut tracker = tracker();
        tracker.on_effect(1, &subscribe("a/b"), at(1));
        tracker.on_effect(1, &subscribe("a/#"), at(1));
        tracker.on_effect(0, &Effect::Publish(message(1)), at(2));
        tracker.on_receive(1, &message(1), at(3));
        tracker.on_receive(1, &message(1), at(4));
        assert_eq!(counts(&tracker), (1, 1));
        let mean = tracker.buckets().sum(Time::ZERO, at(100), None).latencies.mean();
        assert_eq!(mean, Some(1.0), "only the first copy has a latency");
    }

    #[test]
    fn only_subscribers_at_publish_time_are_expected() {
        let mut tracker = tracker();
        tracker.on_effect(1, &subscribe("a/+"), at(1));
        tracker.on_effect(0, &Effect::Publish(message(1)), at(2));
        tracker.on_effect(2, &subscribe("a/+"), at(3));
        tracker.on_receive(2, &message(1), at(4));
        assert_eq!(counts(&tracker), (1, 0));
        tracker.on_effect(1, &Effect::Unsubscribe(TopicFilter::new("a/+").unwrap()), at(5));
        tracker.on_stopped(2);
        tracker.on_effect(0, &Effect::Publish(message(2)), at(6));
        assert_eq!(counts(&tracker), (1, 0));
    }

    #[test]
    fn retained_and_unknown_messages_do_not_count() {
        let mut tracker = tracker();
        tracker.on_effect(1, &subscribe("#"), at(1));
        tracker.on_effect(0, &Effect::Publish(message(1)), at(2));
        tracker.on_receive(1, &message(1).with_retain(true), at(3));
        tracker.on_receive(1, &Message { origin: None, ..message(1) }, at(3));
        tracker.on_receive(1, &message(7), at(3));
        assert_eq!(counts(&tracker), (1, 0));
    }
}
