//! Test harness: a device with a closure as behaviour, driven manually.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::message::{Message, MessageOrigin, Qos};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::{Time, WallTime};
use wasmote_mqtt::topic::Topic;
use wasmote_sim::action::Action;
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, Trap};
use wasmote_sim::context::Context;
use wasmote_sim::device::{Blueprint, Device, Input, Now};
use wasmote_sim::event::Event;
use wasmote_sim::faults::document::{FaultDocument, FaultEntry};
use wasmote_sim::limits::Limits;
use wasmote_sim::notice::DeviceNotice;
use wasmote_sim::rng::Seed;

type Script = fn(Event, &mut Context) -> Result<(), Trap>;

struct Scripted(Script);

impl BehaviourFactory for Scripted {
    fn instantiate(&self, _identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        Ok(Box::new(self.0))
    }

    fn name(&self) -> &str {
        "scripted"
    }
}

/// Publishes its count at QoS 0 once a second.
pub fn ticker(event: Event, context: &mut Context) -> Result<(), Trap> {
    if matches!(event, Event::Started(_) | Event::Timer(_)) {
        let next = context.now() + Duration::from_secs(1);
        context.set_timer(1, next).expect("one timer fits");
    }
    if matches!(event, Event::Timer(_)) {
        context.publish(message("t/tick", "tick")).expect("one message a second is within the rate");
    }
    Ok(())
}

/// Does nothing.
pub fn idle(_event: Event, _context: &mut Context) -> Result<(), Trap> {
    Ok(())
}

pub struct Harness {
    pub device: Device,
    pub actions: Vec<Action>,
    pub now: Time,
    /// Whether connection attempts succeed at once.
    pub broker_up: bool,
}

impl Harness {
    pub fn new(script: Script, faults: FaultDocument) -> Self {
        Self::named("west-0", "west", script, faults, 1)
    }

    /// Creates a device with a behaviour factory instead of a closure.
    pub fn with_factory(factory: Arc<dyn BehaviourFactory>, faults: FaultDocument) -> Self {
        Self::build("west-0", "west", factory, faults, 1)
    }

    pub fn named(id: &str, group: &str, script: Script, faults: FaultDocument, seed: u64) -> Self {
        Self::build(id, group, Arc::new(Scripted(script)), faults, seed)
    }

    fn build(
        id: &str,
        group: &str,
        factory: Arc<dyn BehaviourFactory>,
        faults: FaultDocument,
        seed: u64,
    ) -> Self {
        let identity = Identity {
            id: DeviceId::new(id).expect("a name"),
            client_id: None,
            group: group.into(),
            index: 0,
            count: 1,
            topic_root: "wasmote".into(),
            peers: None,
        };
        let blueprint = Blueprint {
            identity: Arc::new(identity),
            factory,
            limits: Arc::new(Limits::default()),
            protocol: Protocol::V5,
            seed: Seed::new(seed),
            faults: faults.faults().expect("the faults are valid").into(),
        };
        let device = Device::new(blueprint, Time::ZERO);
        let mut harness = Self { device, actions: Vec::new(), now: Time::ZERO, broker_up: true };
        harness.put(Input::Start);
        harness
    }

    pub fn put(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let before = self.actions.len();
            self.device.handle(input, self.time(), &mut self.actions);
            for action in &self.actions[before..] {
                match action {
                    Action::Connect(_) if self.broker_up => {
                        inputs.push(Input::Connected { session_present: false })
                    }
                    Action::Connect(_) => inputs.push(Input::Disconnected("connection refused".into())),
                    Action::Resume if self.broker_up => inputs.push(Input::Resumed),
                    _ => {}
                }
            }
        }
    }

    fn time(&self) -> Now {
        Now { run: self.now, wall: WallTime::from_nanos(1_800_000_000_000_000_000) + self.now.elapsed() }
    }

    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.device.next_deadline().filter(|due| *due <= end) {
            assert!(due >= self.now || due.since(self.now).is_zero(), "deadlines are not in the past");
            self.now = due.max(self.now);
            self.put(Input::Wake);
        }
        self.now = end;
    }

    /// Delivers a message from another device.
    pub fn deliver_from(&mut self, from: &str) {
        let origin = MessageOrigin {
            from: DeviceId::new(from).expect("a name"),
            sequence: 1,
            sent: self.time().wall,
            late: Duration::ZERO,
            is_claimed: false,
        };
        self.put(Input::Delivered(Message {
            origin: Some(std::sync::Arc::new(origin)),
            ..message("t/other", "hello")
        }));
    }

    pub fn published(&self) -> usize {
        self.actions.iter().filter(|action| matches!(action, Action::Publish(_))).count()
    }

    pub fn notices<T>(&self, pick: impl Fn(&DeviceNotice) -> Option<T>) -> Vec<T> {
        let notices = self.actions.iter().filter_map(|action| match action {
            Action::Notice(notice) => Some(notice),
            _ => None,
        });
        notices.filter_map(pick).collect()
    }

    pub fn closes(&self) -> bool {
        let (out, inward) = self.device.waiting();
        self.device.ledger().closes(out, inward)
    }
}

pub fn message(topic: &str, payload: &'static str) -> Message {
    Message::new(Topic::new(topic).expect("a topic"), payload)
}

pub fn at_qos_1(topic: &str, payload: &'static str) -> Message {
    message(topic, payload).with_qos(Qos::AtLeastOnce)
}

/// Creates a fault from the fields of a document entry.
pub fn fault(fields: Value) -> FaultEntry {
    serde_json::from_value(fields).expect("it can be read")
}

/// A fault with additional fields; null removes a field.
pub fn with(entry: FaultEntry, fields: Value) -> FaultEntry {
    let mut changed = serde_json::to_value(entry).expect("it can be written");
    for (name, value) in fields.as_object().expect("fields") {
        changed[name] = value.clone();
    }
    fault(changed)
}

pub fn document(entries: impl IntoIterator<Item = FaultEntry>) -> FaultDocument {
    FaultDocument { faults: entries.into_iter().collect() }
}
