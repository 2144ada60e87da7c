//! Adapter by which the simulator calls a natively compiled behaviour.

use super::convert;
use super::native_host::{NativeHost, Records, lock};
use crate::{Behaviour, Device};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard};
use wasmote_mqtt::device_id::Identity;
use wasmote_sim::behaviour::{Behaviour as SimBehaviour, BehaviourFactory, Trap, TrapKind};
use wasmote_sim::config::DeviceConfig;
use wasmote_sim::context::Context;
use wasmote_sim::event::Event;
use wasmote_sim::layout::Layout;

/// The instances of a behaviour on one device. During a swap there are two.
pub(super) struct Instances<B> {
    config: DeviceConfig,
    layout: Option<Arc<Layout>>,
    pub records: Arc<Mutex<Records>>,
    running: Mutex<Running<B>>,
}

struct Running<B> {
    created: u64,
    instances: Vec<(u64, B, Device)>,
}

impl<B> Instances<B> {
    pub fn new(config: DeviceConfig, layout: Option<Arc<Layout>>) -> Self {
        let running = Running { created: 0, instances: Vec::new() };
        Instances { config, layout, records: Arc::default(), running: Mutex::new(running) }
    }

    /// The instance that was started last, locked while the caller uses it.
    pub fn current(&self) -> impl Deref<Target = B> {
        let running = lock(&self.running);
        assert!(!running.instances.is_empty(), "the device does not run");
        Current(running)
    }
}

struct Current<'i, B>(MutexGuard<'i, Running<B>>);

impl<B> Deref for Current<'_, B> {
    type Target = B;

    fn deref(&self) -> &B {
        let (_, behaviour, _) = self.0.instances.last().expect("an instance runs");
        behaviour
    }
}

/// Creates the instances of one device.
pub(super) struct Factory<B>(pub Arc<Instances<B>>);

impl<B: Behaviour + Send + 'static> BehaviourFactory for Factory<B> {
    fn instantiate(&self, _identity: &Identity) -> Result<Box<dyn SimBehaviour>, Trap> {
        let mut running = lock(&self.0.running);
        running.created += 1;
        let host = NativeHost::new(self.0.config.clone(), Arc::clone(&self.0.records));
        Ok(Box::new(Instance { number: running.created, host, all: Arc::clone(&self.0) }))
    }

    fn name(&self) -> &str {
        "native"
    }

    fn layout(&self) -> Option<Arc<Layout>> {
        self.0.layout.clone()
    }
}

struct Instance<B> {
    number: u64,
    host: NativeHost,
    all: Arc<Instances<B>>,
}

impl<B> Drop for Instance<B> {
    fn drop(&mut self) {
        lock(&self.all.running).instances.retain(|(number, ..)| *number != self.number);
    }
}

impl<B: Behaviour> Instance<B> {
    fn call<R>(
        &self,
        context: Context,
        call: impl FnOnce(&mut B, &mut Device) -> Result<R, String>,
    ) -> (Context, Result<R, Trap>) {
        self.lend(context, || {
            let mut running = lock(&self.all.running);
            let own = running.instances.iter_mut().find(|(number, ..)| *number == self.number);
            let (_, behaviour, device) = own.expect("the instance has started");
            call(behaviour, device)
        })
    }

    fn start(&self, context: Context, cause: crate::StartCause) -> (Context, Result<(), Trap>) {
        self.lend(context, || {
            let mut device = Device::new(self.host.clone());
            let behaviour = B::start(&mut device, cause)?;
            lock(&self.all.running).instances.push((self.number, behaviour, device));
            Ok(())
        })
    }

    fn lend<R>(
        &self,
        context: Context,
        call: impl FnOnce() -> Result<R, String>,
    ) -> (Context, Result<R, Trap>) {
        self.host.lend(context);
        let outcome = call().map_err(|reason| Trap::new(TrapKind::Refused, reason));
        (self.host.take_back(), outcome)
    }
}

impl<B: Behaviour + Send + 'static> SimBehaviour for Instance<B> {
    fn handle(&mut self, event: Event, context: Context) -> (Context, Result<(), Trap>) {
        if let Event::Started(cause) = event {
            return self.start(context, convert::cause_to_wit(cause));
        }
        let event = context.event_of_behaviour(event);
        let limit = context.limits().host_call_bytes as usize;
        let mut answer = None;
        let (mut context, outcome) = self.call(context, |behaviour, device| {
            match event {
                Event::Started(_) => {}
                Event::Message(message) => behaviour.on_message(device, convert::message_to_wit(message)),
                Event::Timer(token) => behaviour.on_timer(device, token),
                Event::Connection(change) => behaviour.on_connection(device, convert::change_to_wit(change)),
                Event::HttpRequest(ticket, request) => {
                    let response = behaviour.on_http_request(device, convert::request_to_wit(request));
                    answer = Some((ticket, response));
                }
                Event::HttpReply(id, reply) => {
                    behaviour.on_http_reply(device, id, convert::reply_to_wit(reply));
                }
                Event::Stopping(reason) => behaviour.stop(device, convert::reason_to_wit(reason)),
            }
            Ok(())
        });
        if let Some((ticket, response)) = answer {
            context.http_respond(ticket, convert::response_from_wit(response, limit));
        }
        (context, outcome)
    }

    fn snapshot(&mut self, context: Context) -> (Context, Result<Vec<u8>, Trap>) {
        self.call(context, |behaviour, device| behaviour.snapshot(device))
    }

    fn restore(&mut self, saved: &[u8], context: Context) -> (Context, Result<(), Trap>) {
        self.call(context, |behaviour, device| behaviour.restore(device, saved))
    }
}
