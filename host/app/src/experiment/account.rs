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

use wasmote_sim::broker::limits::DEEPEST_FILTER;
use wasmote_sim::context::Effect;
use wasmote_sim::device_id::DeviceId;
use wasmote_sim::filter_tree::FilterTree;
use wasmote_sim::message::Message;
use wasmote_sim::time::Time;
use wasmote_sim::topic::{Topic, TopicFilter};

use super::bits::Bits;
use super::cells::Cells;

/// The account of a run.
#[derive(Debug)]
pub struct Account {
    cells: Cells,
    devices: Vec<Member>,
    by_name: HashMap<DeviceId, u32>,
    /// At each filter, who wants it and since when.
    wanted: FilterTree<BTreeMap<u32, Time>>,
}

#[derive(Debug)]
struct Member {
    group: usize,
    /// The filters that it wants.
    wants: BTreeSet<TopicFilter>,
    /// When each of its messages was published; their numbers begin with 1.
    published: Vec<Time>,
    /// The numbers of messages that it was given, by who published them.
    heard: HashMap<u32, Bits>,
}

impl Account {
    /// Of a run without devices.
    pub fn new(cells: Cells) -> Self {
        Self { cells, devices: Vec::new(), by_name: HashMap::new(), wanted: FilterTree::default() }
    }

    /// A device joins, in this column of the table.
    pub fn add(&mut self, id: DeviceId, group: usize) {
        self.by_name.insert(id, self.devices.len() as u32);
        let (wants, published, heard) = (BTreeSet::new(), Vec::new(), HashMap::new());
        self.devices.push(Member { group, wants, published, heard });
    }

    /// The position of a device.
    pub fn position(&self, id: &DeviceId) -> Option<u32> {
        self.by_name.get(id).copied()
    }

    /// Messages that a device published.
    pub fn published(&self, device: u32) -> u64 {
        self.devices[device as usize].published.len() as u64
    }

    /// The table.
    pub fn cells(&self) -> &Cells {
        &self.cells
    }

    /// The table, for what is counted elsewhere.
    pub fn cells_mut(&mut self) -> &mut Cells {
        &mut self.cells
    }

    /// A behaviour asked for something.
    pub fn asked(&mut self, device: u32, effect: &Effect, now: Time) {
        match effect {
            Effect::Publish(message) => self.publishes(device, &message.topic, now),
            Effect::Subscribe(filter, _) if is_for_one(filter) => {
                self.wanted.entry(filter.as_str()).entry(device).or_insert(now);
                self.devices[device as usize].wants.insert(filter.clone());
            }
            Effect::Unsubscribe(filter) if self.devices[device as usize].wants.remove(filter) => {
                self.wants_no_more(device, filter);
            }
            _ => {}
        }
    }

    /// A device was stopped in order: it wants nothing any more.
    pub fn stopped(&mut self, device: u32) {
        for filter in std::mem::take(&mut self.devices[device as usize].wants) {
            self.wants_no_more(device, &filter);
        }
    }

    fn wants_no_more(&mut self, device: u32, filter: &TopicFilter) {
        self.wanted.take(filter.as_str(), |since| since.remove(&device));
    }

    /// A message comes into being.
    pub fn publishes(&mut self, device: u32, topic: &Topic, now: Time) {
        let expected = self.audience(topic);
        let member = &mut self.devices[device as usize];
        member.published.push(now);
        if now <= self.cells.end() {
            self.cells.published(now, member.group, expected);
        }
    }

    /// The run ends, or has ended. Devices in real time go on for a while, as they take their leave; what they
    /// publish then still has to be accounted for, but does not count.
    pub fn end(&mut self, at: Time) {
        self.cells.cut(at);
    }

    /// A message reaches a behaviour.
    pub fn receives(&mut self, device: u32, message: &Message, now: Time) {
        if now > self.cells.end() {
            return;
        }
        let Some(stamp) = message.stamp.as_ref().filter(|_| !message.retain) else { return };
        let Some(from) = self.position(&stamp.from) else { return };
        let sender = &self.devices[from as usize];
        let number = stamp.sequence.saturating_sub(1) as usize;
        let (Some(&published), group) = (sender.published.get(number), sender.group) else { return };
        if self.wants_since(device, &message.topic, published)
            && self.devices[device as usize].heard.entry(from).or_default().insert(number)
        {
            self.cells.delivered(published, group, now.since(published));
        }
    }

    /// How many devices want a topic now. One counts once for all its filters.
    fn audience(&mut self, topic: &Topic) -> u64 {
        let (mut filters, mut wishes) = (0, 0);
        self.wanted.visit(topic, |since| {
            filters += u32::from(!since.is_empty());
            wishes += since.len();
        });
        if filters < 2 {
            return wishes as u64;
        }
        let mut members = Vec::with_capacity(wishes);
        self.wanted.visit(topic, |since| members.extend(since.keys().copied()));
        members.sort_unstable();
        members.dedup();
        members.len() as u64
    }

    /// Whether a device has wanted a topic at least since then.
    fn wants_since(&mut self, device: u32, topic: &Topic, then: Time) -> bool {
        let mut wants = false;
        self.wanted.visit(topic, |since| wants |= since.get(&device).is_some_and(|from| *from <= then));
        wants
    }
}

/// Whether a filter is a device's own. What no broker takes is nobody's.
fn is_for_one(filter: &TopicFilter) -> bool {
    !filter.as_str().starts_with("$share/") && filter.as_str().split('/').nth(DEEPEST_FILTER).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use wasmote_sim::message::{Qos, Stamp};
    use wasmote_sim::time::WallTime;

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn id(name: &str) -> DeviceId {
        DeviceId::new(name).unwrap()
    }

    /// A talker at position 0, listeners at 1 and 2.
    fn account() -> Account {
        let mut account = Account::new(Cells::new(vec![at(100)], 1));
        for name in ["talker", "one", "two"] {
            account.add(id(name), 0);
        }
        account
    }

    fn subscribe(filter: &str) -> Effect {
        Effect::Subscribe(TopicFilter::new(filter).unwrap(), Qos::AtMostOnce)
    }

    fn message(sequence: u64) -> Message {
        let stamp = Stamp { from: id("talker"), sequence, sent: WallTime::default() };
        Message { stamp: Some(Box::new(stamp)), ..Message::new(Topic::new("a/b").unwrap(), "") }
    }

    fn counts(account: &Account) -> (u64, u64) {
        let sum = account.cells().sum(Time::ZERO, at(100), None);
        (sum.expected, sum.delivered)
    }

    #[test]
    fn a_device_counts_once_for_all_its_filters_and_all_copies() {
        let mut account = account();
        account.asked(1, &subscribe("a/b"), at(1));
        account.asked(1, &subscribe("a/#"), at(1));
        account.asked(0, &Effect::Publish(message(1)), at(2));
        account.receives(1, &message(1), at(3));
        account.receives(1, &message(1), at(4));
        assert_eq!(counts(&account), (1, 1));
        let mean = account.cells().sum(Time::ZERO, at(100), None).latencies.mean();
        assert_eq!(mean, Some(1.0), "only the first copy has a latency");
    }

    #[test]
    fn who_asks_later_was_not_expected_and_who_takes_it_back_is_not() {
        let mut account = account();
        account.asked(1, &subscribe("a/+"), at(1));
        account.asked(0, &Effect::Publish(message(1)), at(2));
        account.asked(2, &subscribe("a/+"), at(3));
        account.receives(2, &message(1), at(4));
        assert_eq!(counts(&account), (1, 0));
        account.asked(1, &Effect::Unsubscribe(TopicFilter::new("a/+").unwrap()), at(5));
        account.stopped(2);
        account.asked(0, &Effect::Publish(message(2)), at(6));
        assert_eq!(counts(&account), (1, 0));
    }

    #[test]
    fn what_the_broker_kept_and_what_strangers_say_does_not_count() {
        let mut account = account();
        account.asked(1, &subscribe("#"), at(1));
        account.asked(0, &Effect::Publish(message(1)), at(2));
        account.receives(1, &message(1).with_retain(true), at(3));
        account.receives(1, &Message { stamp: None, ..message(1) }, at(3));
        account.receives(1, &message(7), at(3));
        assert_eq!(counts(&account), (1, 0));
    }
}
