//! A behaviour with somebody looking over its shoulder.
//!
//! The account of a run needs to know of every message when it comes into being and when it reaches a
//! behaviour. Both happen between a device and its behaviour, so that is where this sits; neither notices.

use std::sync::{Arc, Mutex, PoisonError};

use wasmote_mqtt::device_id::Identity;
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, Trap, Version};
use wasmote_sim::context::{Context, Effect};
use wasmote_sim::event::{Event, StartCause, StopReason};

use super::delivery_tracker::DeliveryTracker;

/// An account that a run's devices share. A run is one thread, so nobody ever waits for it.
#[derive(Clone, Debug)]
pub struct SharedTracker(Arc<Mutex<DeliveryTracker>>);

impl SharedTracker {
    /// Share an account.
    pub fn new(tracker: DeliveryTracker) -> Self {
        Self(Arc::new(Mutex::new(tracker)))
    }

    /// Look into it, or write.
    pub fn with<T>(&self, access: impl FnOnce(&mut DeliveryTracker) -> T) -> T {
        access(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Makes watched instances of what can be replaced in mid-run by another behaviour or configuration.
pub struct InstrumentedFactory {
    name: String,
    inner: Mutex<Arc<dyn BehaviourFactory>>,
    tracker: SharedTracker,
}

impl InstrumentedFactory {
    /// Watch what this makes.
    pub fn new(inner: Arc<dyn BehaviourFactory>, tracker: SharedTracker) -> Self {
        Self { name: inner.name().to_owned(), inner: Mutex::new(inner), tracker }
    }

    /// Make instances of another from now on.
    pub fn replace(&self, inner: Arc<dyn BehaviourFactory>) {
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = inner;
    }
}

impl BehaviourFactory for InstrumentedFactory {
    fn instantiate(&self, identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        let factory = Arc::clone(&self.inner.lock().unwrap_or_else(PoisonError::into_inner));
        let inner = factory.instantiate(identity)?;
        let Some(device) = self.tracker.with(|tracker| tracker.position(&identity.id)) else {
            return Ok(inner);
        };
        Ok(Box::new(InstrumentedBehaviour { device, inner, tracker: self.tracker.clone() }))
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> Version {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).version()
    }
}

struct InstrumentedBehaviour {
    device: u32,
    inner: Box<dyn Behaviour>,
    tracker: SharedTracker,
}

impl InstrumentedBehaviour {
    /// Enter what is asked for and does happen.
    fn record_effects(&self, context: &Context, takes_effect: impl Fn(&Effect) -> bool) {
        if context.effects().is_empty() {
            return;
        }
        let (device, now) = (self.device, context.now());
        self.tracker.with(|tracker| {
            let effects = context.effects().iter().filter(|effect| takes_effect(effect));
            effects.for_each(|effect| tracker.on_effect(device, effect, now));
        });
    }
}

impl Behaviour for InstrumentedBehaviour {
    fn handle(&mut self, event: Event, context: Context) -> (Context, Result<(), Trap>) {
        let device = self.device;
        if let Event::Message(message) = &event {
            self.tracker.with(|tracker| tracker.on_receive(device, message, context.now()));
        }
        // What a new version asks for when it starts happens once it has restored. Of what an old one asks for as it
        // leaves, nothing happens but its messages.
        let is_swapped_in = event == Event::Started(StartCause::Swap);
        let is_stopping = event == Event::Stopping(StopReason::Swap);
        let (context, outcome) = self.inner.handle(event, context);
        // What a trapped instance asked for does not happen.
        if outcome.is_ok() && !is_swapped_in {
            self.record_effects(&context, |effect| !is_stopping || matches!(effect, Effect::Publish(_)));
        }
        (context, outcome)
    }

    fn snapshot(&mut self, context: Context) -> (Context, Result<Vec<u8>, Trap>) {
        let (context, outcome) = self.inner.snapshot(context);
        if outcome.is_ok() {
            self.record_effects(&context, |_| true);
        }
        (context, outcome)
    }

    fn restore(&mut self, saved: &[u8], context: Context) -> (Context, Result<(), Trap>) {
        let (context, outcome) = self.inner.restore(saved, context);
        if outcome.is_ok() {
            self.record_effects(&context, |_| true);
        }
        (context, outcome)
    }
}
