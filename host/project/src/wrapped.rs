//! A behaviour factory whose instances are wrapped, to observe their calls.

use std::sync::Arc;

use wasmote_mqtt::device_id::Identity;
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, Trap, Version};
use wasmote_sim::layout::Layout;

/// A factory that passes each new instance of another factory to a function, which wraps it.
pub(crate) struct WrappedFactory<F> {
    /// The other factory; name, layout and version are those of it.
    pub inner: Arc<dyn BehaviourFactory>,
    /// Wraps an instance for a device.
    pub wrap: F,
}

impl<F> BehaviourFactory for WrappedFactory<F>
where
    F: Fn(Box<dyn Behaviour>, &Identity) -> Box<dyn Behaviour> + Send + Sync,
{
    fn instantiate(&self, identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        Ok((self.wrap)(self.inner.instantiate(identity)?, identity))
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn layout(&self) -> Option<Arc<Layout>> {
        self.inner.layout()
    }

    fn version(&self) -> Version {
        self.inner.version()
    }
}
