//! Fault models provided by users as components.
//!
//! The model runs in a sandbox outside of this crate, behind the interface of [`fault_model`](super::fault_model).
//! `runner` runs one instance and handles its traps, so that messages are not affected by them.

pub(super) mod runner;

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wasmote_mqtt::device_id::{DeviceId, Identity};

use super::Directions;
use super::checks::{CheckContext, FieldError};
pub use super::fault_model::{
    Config, FaultModelFactory, FaultModelInstance, Library, ModelContext, ModelInput, NoLibrary,
};
use super::kind::{KindModel, KindSpec};
use crate::behaviour::{Trap, TrapKind};
use crate::digest::{Digest, Encode};
use crate::rng::Seed;

/// Fault model of the user, a WebAssembly component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("examples" = [{"kind": "component", "file": "rain-fade", "config": {"margin_db": 12}}]))]
#[serde(deny_unknown_fields)]
pub struct ComponentSpec {
    /// Affected directions: `out` is from devices to the broker, `in` from the broker to devices.
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
        client_id: None,
        group: "check".into(),
        index: 0,
        count: 1,
        topic_root: "check".into(),
        peers: None,
    }
}
