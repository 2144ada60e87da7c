//! Fault models: the interface between faults and models that run in a sandbox outside of this crate.
//!
//! A [`Library`] finds a model by its name in a document, the model's [`FaultModelFactory`] creates a
//! [`FaultModelInstance`] for each device, and the instance returns the same verdicts as built-in faults.

use std::sync::Arc;

use serde_json::{Map, Value};
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;

use super::{Direction, Verdict};
use crate::behaviour::Trap;
use crate::context::LogLevel;
use crate::limits::{Limits, RateLimit};
use crate::rng::Stream;

/// Configuration of a model: a JSON object.
pub type Config = Map<String, Value>;

/// Collection of the models that documents can name.
pub trait Library {
    /// Finds a model by its name in a document; the error is a text.
    fn find(&self, name: &str) -> Result<Arc<dyn FaultModelFactory>, String>;
}

/// An empty library.
#[derive(Clone, Copy, Debug)]
pub struct NoLibrary;

impl Library for NoLibrary {
    fn find(&self, name: &str) -> Result<Arc<dyn FaultModelFactory>, String> {
        Err(format!("there are no fault models here, and none is called `{name}`"))
    }
}

/// Creates instances of one model, one for each device.
pub trait FaultModelFactory: Send + Sync {
    /// Creates an instance without configuration.
    fn create(&self) -> Result<Box<dyn FaultModelInstance>, Trap>;

    /// Name of the model, such as `rain-fade`.
    fn name(&self) -> &str;

    /// SHA-256 of the component, in lower-case hexadecimal.
    fn sha256(&self) -> &str;
}

/// A model instance for one device.
///
/// The context is passed by value, because a sandboxed model must move it into the store of its imports. It
/// is always returned, even after a trap. After a trap the instance is not called again.
pub trait FaultModelInstance: Send {
    /// Sets the configuration. This is the first call of an instance; it is repeated when the configuration
    /// changes. An invalid configuration is a trap of the kind `Refused`.
    fn configure(&mut self, config: &Config, context: ModelContext) -> (ModelContext, Result<(), Trap>);

    /// Judges a message.
    fn judge(
        &mut self,
        input: &ModelInput<'_>,
        context: ModelContext,
    ) -> (ModelContext, Result<Verdict, Trap>);
}

/// A closure is an instance that accepts any configuration, for short test doubles.
impl<F> FaultModelInstance for F
where
    F: FnMut(&ModelInput<'_>, &mut ModelContext) -> Result<Verdict, Trap> + Send,
{
    fn configure(&mut self, _config: &Config, context: ModelContext) -> (ModelContext, Result<(), Trap>) {
        (context, Ok(()))
    }

    fn judge(
        &mut self,
        input: &ModelInput<'_>,
        mut context: ModelContext,
    ) -> (ModelContext, Result<Verdict, Trap>) {
        let outcome = self(input, &mut context);
        (context, outcome)
    }
}

/// A message to judge.
#[derive(Clone, Copy, Debug)]
pub struct ModelInput<'a> {
    /// Current time of the run's clock.
    pub now: Time,
    /// Direction of the message.
    pub direction: Direction,
    /// The message.
    pub message: &'a Message,
}

/// Context of a model: identity of the device, random numbers and log.
#[derive(Debug)]
pub struct ModelContext(pub(super) Box<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) identity: Arc<Identity>,
    pub(super) draw: Stream,
    pub(super) now: Time,
    pub(super) log_rate: RateLimit,
    pub(super) longest_line: usize,
    pub(super) lines: Vec<(LogLevel, String)>,
}

impl ModelContext {
    /// Creates the context for one device. Log limits are those of a behaviour.
    pub fn new(identity: Arc<Identity>, draw: Stream) -> Self {
        let Limits { log_lines_per_second, log_line_bytes, .. } = Limits::default();
        Self(Box::new(Inner {
            identity,
            draw,
            now: Time::ZERO,
            log_rate: RateLimit::per_second(log_lines_per_second),
            longest_line: log_line_bytes as usize,
            lines: Vec::new(),
        }))
    }

    /// The affected device.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// Random numbers of the fault.
    pub fn rng(&mut self) -> &mut Stream {
        &mut self.0.draw
    }

    /// Current time of the run's clock.
    pub fn now(&self) -> Time {
        self.0.now
    }

    /// Sets the clock, before a message is judged.
    pub fn set_now(&mut self, now: Time) {
        self.0.now = now;
    }

    /// Log lines that the caller has not taken yet.
    pub fn lines(&self) -> &[(LogLevel, String)] {
        &self.0.lines
    }

    /// Writes a log line. It is truncated to the limit at a character boundary; lines beyond the rate are
    /// dropped.
    pub fn log(&mut self, level: LogLevel, mut text: String) {
        if self.0.log_rate.take(self.0.now) {
            text.truncate(text.floor_char_boundary(self.0.longest_line));
            self.0.lines.push((level, text));
        }
    }
}
