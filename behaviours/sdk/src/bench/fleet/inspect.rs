//! Queries of a fleet for tests.

use super::Fleet;
use crate::bench::convert;
use crate::bench::journal::{Line, Published};
use crate::bench::native_host::lock;
use crate::{Behaviour, Message, Request};
use std::ops::Deref;
use wasmote_mqtt::topic::{Topic, TopicFilter};
use wasmote_sim::metrics::Metric;

/// Queries of messages and devices.
impl<B: Behaviour + Send + 'static> Fleet<B> {
    /// The behaviour of a device.
    ///
    /// # Panics
    ///
    /// If the device does not run.
    pub fn behaviour(&self, index: usize) -> impl Deref<Target = B> {
        self.instances[index].current()
    }

    /// All messages that have reached the broker on topics that match a filter, whether or not they were
    /// delivered. Wills are not included, because the broker publishes them.
    ///
    /// # Panics
    ///
    /// If the filter is invalid.
    pub fn published(&self, filter: &str) -> Vec<Published> {
        let filter = TopicFilter::new(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
        let matches = |entry: &&Published| {
            Topic::new(entry.message.topic.as_str()).is_ok_and(|topic| filter.matches(&topic))
        };
        self.simulation.observer().published.iter().filter(matches).cloned().collect()
    }

    /// The last message on topics that match a filter.
    ///
    /// # Panics
    ///
    /// If no message matches.
    pub fn last(&self, filter: &str) -> Published {
        self.published(filter).pop().unwrap_or_else(|| panic!("nothing was published on {filter}"))
    }

    /// The message that the broker retains on a topic.
    pub fn retained(&self, topic: &str) -> Option<Message> {
        self.simulation
            .broker()
            .retained(&Topic::new(topic).ok()?)
            .map(|message| convert::message_to_wit(message.clone()))
    }

    /// The lines a device has logged. The device's log rate bounds them, as in any run.
    pub fn log(&self, index: usize) -> Vec<Line> {
        self.simulation.observer().lines[index].clone()
    }

    /// Whether a device has logged a line that contains this.
    pub fn logged(&self, index: usize, part: &str) -> bool {
        self.simulation.observer().lines[index].iter().any(|line| line.text.contains(part))
    }

    /// A counter, summed over the fleet.
    pub fn counter(&self, name: &str) -> f64 {
        let counters = (0..self.instances.len()).map(|index| match self.metric(index, name) {
            Some(Metric::Counter { sum }) => *sum,
            _ => 0.0,
        });
        counters.sum()
    }

    /// A gauge of a device, if it was set.
    pub fn gauge(&self, index: usize, name: &str) -> Option<f64> {
        match self.metric(index, name)? {
            Metric::Gauge { sum } => Some(*sum),
            _ => None,
        }
    }

    fn metric(&self, index: usize, name: &str) -> Option<&Metric> {
        let metrics = self.device(index).metrics()?;
        metrics.iter().find(|(known, _)| *known == name).map(|(_, metric)| metric)
    }

    /// The observations of a histogram, device by device.
    pub fn observations(&self, name: &str) -> Vec<f64> {
        let of_each = self
            .instances
            .iter()
            .filter_map(|instances| lock(&instances.records).observations.get(name).cloned());
        of_each.flatten().collect()
    }

    /// The HTTP requests a device has sent.
    pub fn requests(&self, index: usize) -> Vec<Request> {
        lock(&self.instances[index].records).requests.clone()
    }

    /// The filters a device is subscribed to, in byte order.
    pub fn subscriptions(&self, index: usize) -> Vec<String> {
        self.device(index).subscriptions().map(|(filter, _)| filter.as_str().to_owned()).collect()
    }
}
