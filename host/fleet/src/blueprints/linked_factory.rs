//! Behaviour factory of a group whose devices have links.

use std::sync::Arc;

use serde_json::{Value, json};
use wasmote_engine::{Component, DeviceSettings};
use wasmote_mqtt::device_id::Identity;
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, Trap, Version};

use crate::topology::{CONFIG_KEY, Links};

/// Creates instances with the configuration of the group and the links of the device.
pub(super) struct LinkedFactory {
    pub(super) component: Component,
    pub(super) settings: DeviceSettings,
    pub(super) links: Arc<Links>,
}

impl BehaviourFactory for LinkedFactory {
    fn instantiate(&self, identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        let own = identity.id.as_str();
        let neighbours = self.links.get(own).map(Vec::as_slice).unwrap_or_default();
        let links: Vec<Value> = neighbours.iter().map(|neighbour| json!([own, neighbour])).collect();
        let mut settings = self.settings.clone();
        settings.config[CONFIG_KEY] = links.into();
        self.component.behaviour_factory(settings).instantiate(identity)
    }

    fn name(&self) -> &str {
        self.component.name()
    }

    fn version(&self) -> Version {
        self.component.version()
    }
}
