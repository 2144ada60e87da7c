//! One device's link with one fault model on it.

use super::journal::Line;
use super::native_host::NativeHost;
use crate::Qos;
use crate::fault::{Direction, FaultModel, Link, Origin, Passage, Verdict};
use crate::imports::level_to_wit;
use std::time::Duration;
use wasmote_mqtt::time::Time;

/// A link in virtual time whose messages pass through a fault model.
///
/// ```
/// use wasmote_sdk::bench::Lane;
/// use wasmote_sdk::fault::{FaultModel, Link, Passage, Verdict};
/// use std::time::Duration;
///
/// struct Slow;
///
/// impl FaultModel for Slow {
///     fn configure(_: &mut Link) -> Result<Self, String> {
///         Ok(Slow)
///     }
///     fn judge(&mut self, _: &mut Link, passage: &Passage) -> Verdict {
///         Verdict::delayed(Duration::from_millis(passage.payload.len() as u64))
///     }
/// }
///
/// let mut lane = Lane::<Slow>::new(1);
/// assert_eq!(lane.out("t", "abc"), Verdict::delayed(Duration::from_millis(3)));
/// ```
pub struct Lane<M> {
    model: M,
    link: Link,
    host: NativeHost,
    now: Time,
    sequence: u64,
}

impl<M: FaultModel> Lane<M> {
    /// A link whose model has the default configuration.
    pub fn new(seed: u64) -> Self {
        Lane::with(seed, "{}")
    }

    /// A link whose model has this configuration.
    ///
    /// # Panics
    ///
    /// If the model refuses it.
    pub fn with(seed: u64, config: &str) -> Self {
        let host = NativeHost::for_link(seed, config);
        let mut link = Link::new(host.clone());
        let model = M::configure(&mut link).expect("the model takes its configuration");
        Lane { model, link, host, now: Time::ZERO, sequence: 0 }
    }

    /// The error with which the model refuses a configuration.
    ///
    /// # Panics
    ///
    /// If the model accepts it.
    pub fn refusal(config: &str) -> String {
        match M::configure(&mut Link::new(NativeHost::for_link(1, config))) {
            Err(reason) => reason,
            Ok(_) => panic!("the model takes {config}"),
        }
    }

    /// Changes the configuration of the running model.
    pub fn reconfigure(&mut self, config: &str) -> Result<(), String> {
        self.host.set_config(config);
        self.model.reconfigure(&mut self.link)
    }

    /// Lets time pass.
    pub fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
        self.host.model(|model| model.set_now(self.now));
    }

    /// The verdict on a message that the device publishes now.
    pub fn out(&mut self, topic: &str, payload: impl Into<Vec<u8>>) -> Verdict {
        self.pass(Direction::Out, topic, payload.into())
    }

    /// The verdict on a message that is delivered to the device now.
    pub fn inward(&mut self, topic: &str, payload: impl Into<Vec<u8>>) -> Verdict {
        self.pass(Direction::In, topic, payload.into())
    }

    /// The model itself.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The lines that the model has logged.
    pub fn log(&self) -> Vec<Line> {
        let line = |(level, text): &(_, String)| Line { level: level_to_wit(*level), text: text.clone() };
        self.host.model(|model| model.lines().iter().map(line).collect())
    }

    fn pass(&mut self, direction: Direction, topic: &str, payload: Vec<u8>) -> Verdict {
        self.sequence += 1;
        let passage = Passage {
            now: self.now.as_nanos(),
            direction,
            topic: topic.into(),
            payload,
            qos: Qos::AtMostOnce,
            retain: false,
            origin: Some(Origin { device: self.link.device().into(), sequence: Some(self.sequence) }),
        };
        self.model.judge(&mut self.link, &passage)
    }
}
