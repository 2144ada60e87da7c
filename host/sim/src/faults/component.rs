//! Fault models provided by users as components.
//!
//! The model runs in a sandbox outside of this crate. This module is the interface: a [`Library`] finds a
//! model by its name in a document, the model's [`FaultModelFactory`] creates a [`FaultModelInstance`] for
//! each device, and the instance returns the same verdicts as built-in faults. `runner` runs one instance and
//! handles its traps, so that messages are not affected by them.

pub(super) mod runner;

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;

use super::checks::{CheckContext, FieldError};
use super::kind::{KindModel, KindSpec};
use super::{Direction, Directions, Verdict};
use crate::behaviour::{Trap, TrapKind};
use crate::context::LogLevel;
use crate::digest::{Digest, Encode};
use crate::limits::{Limits, RateLimit};
use crate::rng::{Seed, Stream};

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

/// A fault model of the user's own, which is a WebAssembly component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"kind": "component", "file": "rain-fade", "config": {"margin_db": 12}}]))]
#[serde(deny_unknown_fields)]
pub struct ComponentSpec {
    /// Affected directions: `out` is what devices send, `in` what is delivered to them.
    #[schemars(extend("default" = "out"))]
    pub direction: Option<Directions>,
    /// Name of a fault model that the host knows, or a file relative to the document.
    #[schemars(required, extend("examples" = ["rain-fade", "models/mine.wasm"]))]
    pub file: Option<String>,
    /// Configuration of the model.
    pub config: Option<Config>,
}

impl KindSpec for ComponentSpec {
    type Model = Component;

    fn check(&self, context: &CheckContext<'_>) -> Result<Component, FieldError> {
        let file = context.require("file", self.file.as_deref())?;
        let model = context.library.find(file).map_err(|problem| FieldError::new("file", problem))?;
        let config = self.config.clone().unwrap_or_default();
        let component = Component::new(self.direction.unwrap_or_default(), config, model);
        component.map_err(|trap| match trap.kind {
            TrapKind::Refused => FieldError::new("config", trap.message),
            _ => FieldError::new("file", format!("`{file}` cannot be used as a model: {trap}")),
        })
    }
}

impl KindModel for Component {
    fn direction(&self) -> Option<Directions> {
        Some(self.direction)
    }
}

impl Encode for Component {
    fn encode(&self, into: &mut Digest) {
        into.write_variant(0, &[&self.direction, &self.name(), &self.sha256(), &self.config_text()]);
    }
}

/// A model provided by a user, as a fault.
#[derive(Clone)]
pub struct Component {
    /// Affected directions.
    pub direction: Directions,
    /// Configuration of the model.
    pub config: Arc<Config>,
    model: Arc<dyn FaultModelFactory>,
}

impl Component {
    /// Creates the fault and validates the configuration with an instance for a device called `check`.
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

    /// Name of the model.
    pub fn name(&self) -> &str {
        self.model.name()
    }

    /// Configuration as JSON.
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

/// Formats all properties of the model, without its address in memory.
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
