//! Models that somebody brought.
//!
//! The model itself stands outside of this crate, in a sandbox. Here is the seam: a [`Library`] finds a model by
//! the name that a document gives it, the model's [`FaultModelFactory`] creates a [`FaultModelInstance`] for each device, and a judge answers
//! with the verdicts that all faults answer with. `runner` minds one judge: it counts its traps and sees to it
//! that a message never suffers from them.

pub(super) mod runner;

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Direction, Directions, Verdict};
use crate::behaviour::Trap;
use crate::context::LogLevel;
use crate::limits::{Limits, RateLimit};
use crate::rng::{Seed, Stream};
use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;

/// What a model is configured with: a JSON object.
pub type Config = Map<String, Value>;

/// Where documents find the models that they name.
pub trait Library {
    /// A model by what a document calls it, or in words why there is none.
    fn find(&self, name: &str) -> Result<Arc<dyn FaultModelFactory>, String>;
}

/// No models at all.
#[derive(Clone, Copy, Debug)]
pub struct NoLibrary;

impl Library for NoLibrary {
    fn find(&self, name: &str) -> Result<Arc<dyn FaultModelFactory>, String> {
        Err(format!("there are no fault models here, and none is called `{name}`"))
    }
}

/// Makes judges of one model, one for each device.
pub trait FaultModelFactory: Send + Sync {
    /// A fresh judge. It has no configuration yet.
    fn create(&self) -> Result<Box<dyn FaultModelInstance>, Trap>;

    /// What to call the model, such as `rain-fade`.
    fn name(&self) -> &str;

    /// SHA-256 of what it is made from, in lower-case hexadecimal.
    fn sha256(&self) -> &str;
}

/// A model at work on one device.
///
/// The desk is lent by value, because a sandboxed model has to move it to where its imports find it; it always
/// comes back, even from a trap. After a trap the judge is not called again.
pub trait FaultModelInstance: Send {
    /// Take this configuration; the first thing asked of a judge, and asked again when it changes. A
    /// configuration that cannot work is a trap of the kind `Refused`.
    fn configure(&mut self, config: &Config, context: ModelContext) -> (ModelContext, Result<(), Trap>);

    /// Judge a message.
    fn judge(
        &mut self,
        input: &ModelInput<'_>,
        context: ModelContext,
    ) -> (ModelContext, Result<Verdict, Trap>);
}

/// A closure is a judge that takes any configuration, which keeps test doubles to a line.
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

/// A message that is to be judged.
#[derive(Clone, Copy, Debug)]
pub struct ModelInput<'a> {
    /// Now, on the run's clock.
    pub now: Time,
    /// Which way it goes.
    pub direction: Direction,
    /// The message itself.
    pub message: &'a Message,
}

/// What a judge has in hand: whose link it judges, random numbers, and a voice.
#[derive(Debug)]
pub struct ModelContext(Box<Inner>);

#[derive(Debug)]
struct Inner {
    identity: Arc<Identity>,
    draw: Stream,
    now: Time,
    log_rate: RateLimit,
    longest_line: usize,
    lines: Vec<(LogLevel, String)>,
}

impl ModelContext {
    /// For the link of one device. A voice has the limits that a behaviour's has.
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

    /// The device whose link it is.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// The fault's own random numbers.
    pub fn rng(&mut self) -> &mut Stream {
        &mut self.0.draw
    }

    /// Now, on the run's clock.
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

    /// Write a line. It is cut to the limit, at a character's edge; beyond the rate it is not written.
    pub fn log(&mut self, level: LogLevel, mut text: String) {
        if self.0.log_rate.take(self.0.now) {
            text.truncate(text.floor_char_boundary(self.0.longest_line));
            self.0.lines.push((level, text));
        }
    }
}

/// A model that somebody brought, as a fault.
#[derive(Clone)]
pub struct Component {
    /// Which ways it works.
    pub direction: Directions,
    /// What it is configured with.
    pub config: Arc<Config>,
    model: Arc<dyn FaultModelFactory>,
}

impl Component {
    /// Check that a model takes a configuration. The device that it is tried for is called `check`.
    pub fn new(
        direction: Directions,
        config: Config,
        model: Arc<dyn FaultModelFactory>,
    ) -> Result<Self, Trap> {
        let identity = check_identity();
        let draw = Seed::new(0).stream(&identity.id, "check");
        let (_, outcome) = model.create()?.configure(&config, ModelContext::new(Arc::new(identity), draw));
        outcome?;
        Ok(Self { direction, config: Arc::new(config), model })
    }

    /// What to call the model.
    pub fn name(&self) -> &str {
        self.model.name()
    }

    /// What it is configured with, as JSON.
    pub fn config_text(&self) -> String {
        Value::Object((*self.config).clone()).to_string()
    }

    /// SHA-256 of the model.
    pub fn sha256(&self) -> &str {
        self.model.sha256()
    }
}

impl PartialEq for Component {
    fn eq(&self, other: &Self) -> bool {
        (self.direction, self.sha256(), &self.config) == (other.direction, other.sha256(), &other.config)
    }
}

/// All that a model is, and nothing of where it lies in memory.
impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component")
            .field("name", &self.name())
            .field("sha256", &self.sha256())
            .field("direction", &self.direction)
            .field("config", &self.config)
            .finish()
    }
}

fn check_identity() -> Identity {
    Identity {
        id: DeviceId::for_check(),
        group: "check".into(),
        index: 0,
        count: 1,
        topic_root: "check".into(),
        peers: None,
    }
}
