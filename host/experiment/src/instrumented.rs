//! Instrumented behaviours: wrappers that report published and received messages to the delivery tracker.
//!
//! The tracker needs the time at which each message is published and the times at which it reaches behaviours. Both
//! are visible between a device and its behaviour, so the wrapper sits there, transparent to both.

use std::sync::{Arc, Mutex, PoisonError};

use wasmote_mqtt::device_id::Identity;
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, Trap, Version};
use wasmote_sim::context::{Context, Effect};
use wasmote_sim::event::{Event, StartCause, StopReason};
use wasmote_sim::layout::Layout;

use super::delivery_tracker::DeliveryTracker;
use super::invariant::monitor::Monitor;

/// Delivery tracker that a run's devices share, and the monitor of the plan's invariants. In virtual time a run is one
/// thread, so the locks are never contended.
#[derive(Clone, Debug)]
pub struct SharedTracker {
    tracker: Arc<Mutex<DeliveryTracker>>,
    monitor: Option<Arc<Mutex<Monitor>>>,
    watches_metrics: bool,
}

impl SharedTracker {
    /// Shares a tracker.
    pub fn new(tracker: DeliveryTracker, monitor: Option<Monitor>) -> Self {
        Self {
            tracker: Arc::new(Mutex::new(tracker)),
            watches_metrics: monitor.as_ref().is_some_and(Monitor::uses_metrics),
            monitor: monitor.map(|monitor| Arc::new(Mutex::new(monitor))),
        }
    }

    /// Calls `access` with the locked tracker.
    pub fn with<T>(&self, access: impl FnOnce(&mut DeliveryTracker) -> T) -> T {
        access(&mut self.tracker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Calls `access` with the locked monitor, if the plan has invariants.
    pub fn with_monitor<T>(&self, access: impl FnOnce(&mut Monitor) -> T) -> Option<T> {
        let monitor = self.monitor.as_ref()?;
        Some(access(&mut monitor.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Factory of instrumented behaviours. Its inner factory can be replaced during a run by one with another behaviour
/// or configuration.
pub struct InstrumentedFactory {
    name: String,
    inner: Mutex<Arc<dyn BehaviourFactory>>,
    tracker: SharedTracker,
}

impl InstrumentedFactory {
    /// Instruments the instances of `inner`.
    pub fn new(inner: Arc<dyn BehaviourFactory>, tracker: SharedTracker) -> Self {
        Self { name: inner.name().to_owned(), inner: Mutex::new(inner), tracker }
    }

    /// Replaces the inner factory for later instances.
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

    fn layout(&self) -> Option<Arc<Layout>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).layout()
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
    /// Records the requested effects that take effect.
    fn record_effects(&self, context: &Context, takes_effect: impl Fn(&Effect) -> bool) {
        if context.effects().is_empty() {
            return;
        }
        let (device, now, late) = (self.device, context.now(), context.late());
        self.tracker.with(|tracker| {
            let effects = context.effects().iter().filter(|effect| takes_effect(effect));
            effects.for_each(|effect| tracker.on_effect(device, effect, now, late));
        });
        self.tracker.with_monitor(|monitor| {
            for effect in context.effects().iter().filter(|effect| takes_effect(effect)) {
                if let Effect::Publish(message) = effect {
                    monitor.on_publish(device, message, now);
                }
            }
        });
    }
}

impl Behaviour for InstrumentedBehaviour {
    fn handle(&mut self, event: Event, context: Context) -> (Context, Result<(), Trap>) {
        let device = self.device;
        if let Event::Message(message) = &event {
            self.tracker.with(|tracker| tracker.on_receive(device, message, context.now()));
            self.tracker.with_monitor(|monitor| monitor.on_receive(device, message, context.now()));
        }
        // A new version's effects at its start take effect only after it has restored its state. Of an old version's
        // effects when it stops, only its messages take effect.
        let is_swapped_in = event == Event::Started(StartCause::Swap);
        let is_stopping = event == Event::Stopping(StopReason::Swap);
        let (context, outcome) = self.inner.handle(event, context);
        // The effects of an instance that trapped are discarded.
        if outcome.is_ok() && !is_swapped_in {
            self.record_effects(&context, |effect| !is_stopping || matches!(effect, Effect::Publish(_)));
        }
        if self.tracker.watches_metrics {
            let now = context.now();
            self.tracker.with_monitor(|monitor| monitor.on_metrics(device, context.metrics(), now));
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
