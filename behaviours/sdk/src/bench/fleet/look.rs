//! What a test sees of a fleet.

use super::Fleet;
use crate::bench::bus::Published;
use crate::bench::connection::Line;
use crate::topic;
use crate::{Behaviour, Request};

/// Looking at what was said and done.
impl<B: Behaviour> Fleet<B> {
    /// The behaviour of a device.
    ///
    /// # Panics
    ///
    /// If the device does not run.
    pub fn behaviour(&self, index: usize) -> &B {
        &self.places[index].running.as_ref().expect("the device runs").0
    }

    /// Everything published so far on topics that match a filter, whether or not anybody heard it.
    pub fn published(&self, filter: &str) -> Vec<Published> {
        self.bus
            .journal
            .iter()
            .filter(|entry| topic::matches(filter, &entry.message.topic))
            .cloned()
            .collect()
    }

    /// The last message on topics that match a filter.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn last(&self, filter: &str) -> Published {
        self.published(filter).pop().unwrap_or_else(|| panic!("nothing was published on {filter}"))
    }

    /// The lines a device has logged.
    pub fn log(&self, index: usize) -> Vec<Line> {
        self.hardware(index, |hardware| hardware.log.clone())
    }

    /// Whether a device has logged a line that contains this.
    pub fn logged(&self, index: usize, part: &str) -> bool {
        self.log(index).iter().any(|line| line.text.contains(part))
    }

    /// A counter, summed over the fleet.
    pub fn counter(&self, name: &str) -> f64 {
        (0..self.places.len())
            .map(|index| self.hardware(index, |hardware| hardware.counters.get(name).copied().unwrap_or(0.0)))
            .sum()
    }

    /// A gauge of a device, if it was set.
    pub fn gauge(&self, index: usize, name: &str) -> Option<f64> {
        self.hardware(index, |hardware| hardware.gauges.get(name).copied())
    }

    /// The observations of a histogram, device by device.
    pub fn observations(&self, name: &str) -> Vec<f64> {
        (0..self.places.len())
            .flat_map(|index| self.hardware(index, |hardware| hardware.histograms.get(name).cloned()))
            .flatten()
            .collect()
    }

    /// The HTTP requests a device has sent.
    pub fn requests(&self, index: usize) -> Vec<Request> {
        self.hardware(index, |hardware| hardware.requests.clone())
    }

    /// The filters a device is subscribed to.
    pub fn subscriptions(&self, index: usize) -> Vec<String> {
        self.hardware(index, |hardware| hardware.subscriptions.keys().cloned().collect())
    }
}
