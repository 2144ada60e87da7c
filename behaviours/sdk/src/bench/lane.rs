//! One device's link with one fault model on it.

use super::{Connection, Line};
use crate::Qos;
use crate::fault::{Direction, FaultModel, Link, Origin, Passage, Verdict};
use std::time::Duration;

/// A link on which messages meet a model, in virtual time.
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
    connection: Connection,
    sequence: u64,
}

impl<M: FaultModel> Lane<M> {
    /// With the model as it comes.
    pub fn new(seed: u64) -> Self {
        Lane::with(seed, "{}")
    }

    /// With this configuration.
    ///
    /// # Panics
    ///
    /// If the model refuses it.
    pub fn with(seed: u64, config: &str) -> Self {
        let connection = Connection::alone(seed, config);
        let mut link = Link::new(connection.clone());
        let model = M::configure(&mut link).expect("the model takes its configuration");
        Lane { model, link, connection, sequence: 0 }
    }

    /// Why the model refuses a configuration.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn refusal(config: &str) -> String {
        match M::configure(&mut Link::new(Connection::alone(1, config))) {
            Err(reason) => reason,
            Ok(_) => panic!("the model takes {config}"),
        }
    }

    /// Another configuration from now on.
    pub fn reconfigure(&mut self, config: &str) -> Result<(), String> {
        self.connection.0.borrow_mut().config = config.into();
        self.model.reconfigure(&mut self.link)
    }

    /// Let time pass.
    pub fn wait(&mut self, span: Duration) {
        let hardware = self.connection.0.borrow();
        let nanoseconds = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        hardware.clock.now.set(hardware.clock.now.get().saturating_add(nanoseconds));
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

    /// What the model has written.
    pub fn log(&self) -> Vec<Line> {
        self.connection.0.borrow().log.clone()
    }

    fn pass(&mut self, direction: Direction, topic: &str, payload: Vec<u8>) -> Verdict {
        self.sequence += 1;
        let passage = Passage {
            now: self.connection.0.borrow().clock.now.get(),
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
