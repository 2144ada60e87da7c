//! Behaviour factory of a group whose configuration has a layout.

use std::sync::Arc;

use wasmote_mqtt::device_id::Identity;
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, Trap, TrapKind, Version};
use wasmote_sim::layout::{Layout, LayoutError};

/// Creates instances whose messages have a layout. With an invalid layout they refuse to start.
pub(super) struct LaidOutFactory {
    pub(super) inner: Arc<dyn BehaviourFactory>,
    pub(super) layout: Result<Arc<Layout>, LayoutError>,
}

impl BehaviourFactory for LaidOutFactory {
    fn instantiate(&self, identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        match &self.layout {
            Ok(_) => self.inner.instantiate(identity),
            Err(error) => Err(Trap::new(TrapKind::Refused, format!("configuration: {error}"))),
        }
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn layout(&self) -> Option<Arc<Layout>> {
        self.layout.as_ref().ok().map(Arc::clone)
    }

    fn version(&self) -> Version {
        self.inner.version()
    }
}
