//! Delivery tracker: for each published message, the devices that are expected to receive it and those that do.
//!
//! A device is subscribed to a topic from the moment its behaviour subscribes to a matching filter until it
//! unsubscribes or is stopped cleanly. A device that is disconnected, silent or crashed stays subscribed, so that the
//! experiment shows its losses. Shared subscriptions do not count, because the broker chooses the receiver.
//!
//! When a device publishes a message, the message is *expected* at every device that is subscribed at that time, the
//! publisher included. The first copy that reaches the behaviour of such a device is *delivered*. Further copies,
//! retained copies, and copies for devices that subscribed later do not count, so `delivered <= expected` for each
//! message.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use wasmote_mqtt::broker::limits::MAX_FILTER_LEVELS;
use wasmote_mqtt::device_id::DeviceId;
use wasmote_mqtt::filter_tree::FilterTree;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::{Topic, TopicFilter};
use wasmote_sim::context::Effect;

use super::bitset::BitSet;
use super::time_buckets::TimeBuckets;

/// Expected and actual deliveries of a run.
#[derive(Debug)]
pub struct DeliveryTracker {
    buckets: TimeBuckets,
    devices: Vec<TrackedDevice>,
    positions: HashMap<DeviceId, u32>,
    /// For each filter, the subscribed devices and the times of their subscriptions.
    subscribers: FilterTree<BTreeMap<u32, Time>>,
}

#[derive(Debug)]
struct TrackedDevice {
    group: usize,
    /// The device's subscriptions.
    subscriptions: BTreeSet<TopicFilter>,
    /// Publish times of its messages; sequence numbers start at 1.
    published: Vec<Time>,
    /// For each message that was published late, its position in `published` and by how much; ascending.
    late: Vec<(usize, Duration)>,
    /// Sequence numbers of the messages that it received, by publisher.
    received: HashMap<u32, BitSet>,
}

impl DeliveryTracker {
    /// Tracker without devices.
    pub fn new(buckets: TimeBuckets) -> Self {
        Self { buckets, devices: Vec::new(), positions: HashMap::new(), subscribers: FilterTree::default() }
    }

    /// Adds a device, whose messages count in the column of this group.
    pub fn add(&mut self, id: DeviceId, group: usize) {
        self.positions.insert(id, self.devices.len() as u32);
        let (subscriptions, published, late) = (BTreeSet::new(), Vec::new(), Vec::new());
        let received = HashMap::new();
        self.devices.push(TrackedDevice { group, subscriptions, published, late, received });
    }

    /// Position of a device.
    pub fn position(&self, id: &DeviceId) -> Option<u32> {
        self.positions.get(id).copied()
    }

    /// Number of messages that a device published.
    pub fn published(&self, device: u32) -> u64 {
        self.devices[device as usize].published.len() as u64
    }

    /// The time buckets.
    pub fn buckets(&self) -> &TimeBuckets {
        &self.buckets
    }

    /// Mutable access to the time buckets, for counts from other sources.
    pub fn buckets_mut(&mut self) -> &mut TimeBuckets {
        &mut self.buckets
    }

    /// Records an effect that a behaviour requests, while it handles a timer `late` by this much.
    pub fn on_effect(&mut self, device: u32, effect: &Effect, now: Time, late: Duration) {
        match effect {
            Effect::Publish(message) => self.on_publish(device, &message.topic, now, late),
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

    /// Removes the subscriptions of a device that was stopped cleanly.
    pub fn on_stopped(&mut self, device: u32) {
        for filter in std::mem::take(&mut self.devices[device as usize].subscriptions) {
            self.remove_subscription(device, &filter);
        }
    }

    fn remove_subscription(&mut self, device: u32, filter: &TopicFilter) {
        self.subscribers.take(filter.as_str(), |since| since.remove(&device));
    }

    /// Records that a device publishes a message, this much later than intended.
    pub fn on_publish(&mut self, device: u32, topic: &Topic, now: Time, late: Duration) {
        let expected = self.count_subscribers(topic);
        let tracked = &mut self.devices[device as usize];
        if !late.is_zero() {
            tracked.late.push((tracked.published.len(), late));
        }
        tracked.published.push(now);
        if now <= self.buckets.end() {
            self.buckets.record_published(now, tracked.group, expected);
        }
    }

    /// Ends the measurement. Devices in real time keep running while they disconnect; their messages still appear in
    /// the ledger, but not in the time buckets.
    pub fn end(&mut self, at: Time) {
        self.buckets.truncate(at);
    }

    /// Records that a message reaches a behaviour.
    pub fn on_receive(&mut self, device: u32, message: &Message, now: Time) {
        if now > self.buckets.end() {
            return;
        }
        let Some(origin) = message.origin.as_ref().filter(|_| !message.retain) else { return };
        let Some(from) = self.position(&origin.from) else { return };
        let sender = &self.devices[from as usize];
        let number = origin.sequence.saturating_sub(1) as usize;
        let late = sender.late.binary_search_by_key(&number, |&(number, _)| number);
        let late = late.map_or(Duration::ZERO, |at| sender.late[at].1);
        let (Some(&published), group) = (sender.published.get(number), sender.group) else { return };
        if self.subscribed_since(device, &message.topic, published)
            && self.devices[device as usize].received.entry(from).or_default().insert(number)
        {
            self.buckets.record_delivered(published, group, now.since(published), late);
        }
    }

    /// Number of devices that are subscribed to a topic. A device with several matching filters counts once.
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

    /// Whether a device has been subscribed to a topic since `then` or earlier.
    fn subscribed_since(&mut self, device: u32, topic: &Topic, then: Time) -> bool {
        let mut found = false;
        self.subscribers.visit(topic, |since| found |= since.get(&device).is_some_and(|from| *from <= then));
        found
    }
}

/// Whether a filter counts as a subscription of one device. Shared filters, and filters with more levels than brokers
/// accept, do not.
fn is_individual(filter: &TopicFilter) -> bool {
    !filter.as_str().starts_with("$share/") && filter.as_str().split('/').nth(MAX_FILTER_LEVELS).is_none()
}

#[cfg(test)]
mod tests {
    use wasmote_mqtt::message::{MessageOrigin, Qos};
    use wasmote_mqtt::time::WallTime;

    use super::*;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn id(name: &str) -> DeviceId {
        DeviceId::new(name).unwrap()
    }

    /// Tracker with a publisher at position 0 and subscribers at 1 and 2.
    fn tracker() -> DeliveryTracker {
        let mut tracker = DeliveryTracker::new(TimeBuckets::new(vec![at(100)], 1));
        for name in ["publisher", "one", "two"] {
            tracker.add(id(name), 0);
        }
        tracker
    }

    fn subscribe(filter: &str) -> Effect {
        Effect::Subscribe(TopicFilter::new(filter).unwrap(), Qos::AtMostOnce)
    }

    fn message(sequence: u64) -> Message {
        let origin = MessageOrigin {
            from: id("publisher"),
            sequence,
            sent: WallTime::default(),
            late: Duration::ZERO,
            is_claimed: false,
        };
        Message { origin: Some(std::sync::Arc::new(origin)), ..Message::new(Topic::new("a/b").unwrap(), "") }
    }

    fn counts(tracker: &DeliveryTracker) -> (u64, u64) {
        let sum = tracker.buckets().sum(Time::ZERO, at(100), None);
        (sum.expected, sum.delivered)
    }

    #[test]
    fn a_device_counts_once_for_all_its_filters_and_all_copies() {
        let mut tracker = tracker();
        tracker.on_effect(1, &subscribe("a/b"), at(1), Duration::ZERO);
        tracker.on_effect(1, &subscribe("a/#"), at(1), Duration::ZERO);
        tracker.on_effect(0, &Effect::Publish(message(1)), at(2), Duration::ZERO);
        tracker.on_receive(1, &message(1), at(3));
        tracker.on_receive(1, &message(1), at(4));
        assert_eq!(counts(&tracker), (1, 1));
        let mean = tracker.buckets().sum(Time::ZERO, at(100), None).latencies.mean();
        assert_eq!(mean, Some(1.0), "only the first copy has a latency");
        let traffic = tracker.buckets().sum(Time::ZERO, at(100), None).traffic();
        assert_eq!(traffic.intended_latency_seconds, None, "no message was late");
    }

    #[test]
    fn the_intended_latency_includes_the_wait_for_the_host() {
        let mut tracker = tracker();
        tracker.on_effect(1, &subscribe("a/b"), at(1), Duration::ZERO);
        tracker.on_effect(0, &Effect::Publish(message(1)), at(2), Duration::ZERO);
        tracker.on_effect(0, &Effect::Publish(message(2)), at(5), Duration::from_secs(3));
        tracker.on_receive(1, &message(1), at(3));
        tracker.on_receive(1, &message(2), at(6));
        let sum = tracker.buckets().sum(Time::ZERO, at(100), None);
        assert_eq!(
            (sum.latencies.mean(), sum.intended.mean(), sum.intended.max()),
            (Some(1.0), Some(2.5), Some(4.0))
        );
        let traffic = sum.traffic();
        assert_eq!(traffic.latency_seconds.max, Some(1.0));
        assert_eq!(traffic.intended_latency_seconds.unwrap().max, Some(4.0));
    }

    #[test]
    fn only_subscribers_at_publish_time_are_expected() {
        let mut tracker = tracker();
        tracker.on_effect(1, &subscribe("a/+"), at(1), Duration::ZERO);
        tracker.on_effect(0, &Effect::Publish(message(1)), at(2), Duration::ZERO);
        tracker.on_effect(2, &subscribe("a/+"), at(3), Duration::ZERO);
        tracker.on_receive(2, &message(1), at(4));
        assert_eq!(counts(&tracker), (1, 0));
        tracker.on_effect(1, &Effect::Unsubscribe(TopicFilter::new("a/+").unwrap()), at(5), Duration::ZERO);
        tracker.on_stopped(2);
        tracker.on_effect(0, &Effect::Publish(message(2)), at(6), Duration::ZERO);
        assert_eq!(counts(&tracker), (1, 0));
    }

    #[test]
    fn retained_and_unknown_messages_do_not_count() {
        let mut tracker = tracker();
        tracker.on_effect(1, &subscribe("#"), at(1), Duration::ZERO);
        tracker.on_effect(0, &Effect::Publish(message(1)), at(2), Duration::ZERO);
        tracker.on_receive(1, &message(1).with_retain(true), at(3));
        tracker.on_receive(1, &Message { origin: None, ..message(1) }, at(3));
        tracker.on_receive(1, &message(7), at(3));
        assert_eq!(counts(&tracker), (1, 0));
    }
}
