//! Devices of one group that differ in their links.

use serde_json::{Value, json};
use wasmote_engine::{Component, DeviceSettings};
use wasmote_sim::behaviour::{Behaviour, Spawn, Trap};
use wasmote_sim::device_id::Identity;

use crate::config::Links;
use crate::experiment::topology::KEY;
use std::sync::Arc;

/// Gives each device the configuration of its group, and its own links.
pub(super) struct WiredSpawn {
    pub(super) component: Component,
    pub(super) settings: DeviceSettings,
    pub(super) links: Arc<Links>,
}

impl Spawn for WiredSpawn {
    fn spawn(&self, identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        let own = identity.id.as_str();
        let others = self.links.get(own).map(Vec::as_slice).unwrap_or_default();
        let links: Vec<Value> = others.iter().map(|other| json!([own, other])).collect();
        let mut settings = self.settings.clone();
        settings.config[KEY] = links.into();
        self.component.spawner(settings).spawn(identity)
    }

    fn name(&self) -> &str {
        self.component.name()
    }
}
