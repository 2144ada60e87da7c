//! What lies between the devices: topics, retained messages, and everything that can go wrong.

use super::rng::Rng;
use crate::json::{self, Value};
use crate::topic;
use crate::{Outgoing, Qos};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A message that reached the bus.
#[derive(Clone, Debug)]
pub struct Published {
    /// When, since the start.
    pub at: Duration,
    /// The device that published it; None for the outside, and for a will.
    pub from: Option<usize>,
    /// The message.
    pub message: Outgoing,
}

impl Published {
    /// The payload as text.
    ///
    /// # Panics
    ///
    /// If it is no UTF-8.
    pub fn text(&self) -> &str {
        str::from_utf8(&self.message.payload).expect("the payload is UTF-8")
    }

    /// The payload as JSON.
    ///
    /// # Panics
    ///
    /// If it is none.
    pub fn json(&self) -> Value {
        json::parse(&self.message.payload).expect("the payload is JSON")
    }

    /// A number in the payload.
    ///
    /// # Panics
    ///
    /// If it is not there.
    pub fn number(&self, name: &str) -> f64 {
        self.json().get(name).and_then(Value::number).expect(name)
    }
}

/// The medium: who hears whom, how late and how surely.
pub struct Bus {
    rng: Rng,
    delay: (Duration, Duration),
    loss: f64,
    cuts: BTreeSet<(usize, usize)>,
    retained: BTreeMap<String, Published>,
    pub(super) journal: Vec<Published>,
}

impl Bus {
    pub(super) fn new(seed: u64) -> Self {
        Bus {
            rng: Rng::new(seed, u64::MAX),
            delay: (Duration::from_millis(1), Duration::from_millis(1)),
            loss: 0.0,
            cuts: BTreeSet::new(),
            retained: BTreeMap::new(),
            journal: Vec::new(),
        }
    }

    /// Delay every delivery by a time drawn evenly from this range. 1 ms unless set.
    pub fn delay(&mut self, least: Duration, most: Duration) {
        self.delay = (least, most);
    }

    /// Lose every delivery with this probability, whatever its QoS.
    pub fn lose(&mut self, probability: f64) {
        self.loss = probability;
    }

    /// Nothing that `from` publishes reaches `to` any more.
    pub fn cut(&mut self, from: usize, to: usize) {
        self.cuts.insert((from, to));
    }

    /// Undo [`cut`](Bus::cut).
    pub fn mend(&mut self, from: usize, to: usize) {
        self.cuts.remove(&(from, to));
    }

    /// The retained message on a topic.
    pub fn retained(&self, topic: &str) -> Option<&Published> {
        self.retained.get(topic)
    }

    pub(super) fn retained_for(&self, filter: &str) -> Vec<Outgoing> {
        let wanted = self.retained.iter().filter(|(name, _)| topic::matches(filter, name));
        wanted.map(|(_, kept)| kept.message.clone()).collect()
    }

    /// Enter a message into the journal, and keep it if it asks for that [MQTT-3.3.1-5], [MQTT-3.3.1-6].
    pub(super) fn enter(&mut self, published: Published) {
        if published.message.retain {
            let name = published.message.topic.clone();
            if published.message.payload.is_empty() {
                self.retained.remove(&name);
            } else {
                self.retained.insert(name, published.clone());
            }
        }
        self.journal.push(published);
    }

    /// How long a delivery takes; None if it gets lost.
    pub(super) fn judge(&mut self, from: Option<usize>, to: usize) -> Option<Duration> {
        let lost = from.is_some_and(|from| self.cuts.contains(&(from, to))) || self.rng.uniform() < self.loss;
        let (least, most) = self.delay;
        let delay = least + (most - least).mul_f64(self.rng.uniform());
        (!lost).then_some(delay)
    }
}

/// The QoS of a delivery, which is the lower of the two.
pub(super) fn lower(published: Qos, subscribed: Qos) -> Qos {
    if (published as u8) < (subscribed as u8) { published } else { subscribed }
}
