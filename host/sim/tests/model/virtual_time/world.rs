//! Devices with scripts, and a record of the run.

use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::broker::packet::Request;
use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::message::{Message, Qos, Will};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::TopicFilter;
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, Trap};
use wasmote_sim::context::Context;
use wasmote_sim::device::{Blueprint, Input, Now};
use wasmote_sim::event::Event;
use wasmote_sim::faults::document::FaultDocument;
use wasmote_sim::limits::Limits;
use wasmote_sim::notice::DeviceNotice;
use wasmote_sim::rng::Seed;
use wasmote_sim::virtual_time::VirtualTime;
use wasmote_sim::virtual_time::digest::Digest;
use wasmote_sim::virtual_time::observer::{DeviceIndex, Observer, TraceEvent};
use wasmote_sim::virtual_time::options::Options;

use crate::harness::message;

/// Script of a device.
#[derive(Clone, Copy, Debug, Default)]
pub struct Script {
    /// Topic, QoS and interval of its publications, with a count as payload.
    pub publishes: Option<(&'static str, Qos, Duration)>,
    /// Subscription at the start.
    pub subscribes: Option<(&'static str, Qos)>,
    /// Further subscriptions at QoS 0.
    pub also_subscribes: &'static [&'static str],
    /// Whether its publications are retained.
    pub retains: bool,
    /// Topic of its will `offline`.
    pub will: Option<&'static str>,
    /// Whether it sends an HTTP request at the start, and again after each failure.
    pub sends_http: bool,
}

impl Script {
    fn start(self, context: &mut Context) {
        if let Some((pattern, qos)) = self.subscribes {
            context.subscribe(TopicFilter::new(pattern).expect("a filter"), qos).expect("it fits");
        }
        for pattern in self.also_subscribes {
            context
                .subscribe(TopicFilter::new(*pattern).expect("a filter"), Qos::AtMostOnce)
                .expect("it fits");
        }
        if let Some(topic) = self.will {
            let message = message(topic, "offline").with_qos(Qos::AtLeastOnce);
            context.set_will(Some(Will { message, delay: 0 })).expect("it fits");
        }
        if let Some((.., interval)) = self.publishes {
            context.set_timer(1, context.now() + interval).expect("it fits");
        }
        if self.sends_http {
            send_http_request(context);
        }
    }

    fn tick(self, count: u64, context: &mut Context) {
        let Some((topic, qos, interval)) = self.publishes else { return };
        context.set_timer(1, context.now() + interval).expect("it fits");
        let counted =
            Message { payload: count.to_string().into(), retain: self.retains, ..message(topic, "") };
        context.publish(counted.with_qos(qos)).expect("within the rate");
    }
}

fn send_http_request(context: &mut Context) {
    let request = wasmote_sim::http::HttpRequest {
        method: "GET".into(),
        url: "http://127.0.0.1/".into(),
        headers: Vec::new(),
        body: Vec::new().into(),
    };
    context.http_send(request, Duration::from_secs(1)).expect("a single request");
}

impl BehaviourFactory for Script {
    fn instantiate(&self, _identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        let script = *self;
        let mut count = 0;
        Ok(Box::new(move |event: Event, context: &mut Context| {
            match event {
                Event::Started(_) => script.start(context),
                Event::Timer(_) => {
                    count += 1;
                    script.tick(count, context);
                }
                Event::HttpReply(..) => send_http_request(context),
                _ => {}
            }
            Ok(())
        }))
    }

    fn name(&self) -> &str {
        "script"
    }
}

/// Record of all notices and of all packets to the broker.
#[derive(Default)]
pub struct Record {
    pub notices: Vec<(Time, DeviceIndex, DeviceNotice)>,
    pub requests: Vec<(Time, DeviceIndex, Request)>,
}

impl Observer for Record {
    fn observe(&mut self, at: Now, event: &TraceEvent<'_>) {
        match event {
            TraceEvent::Notice(device, notice) => self.notices.push((at.run, *device, (*notice).clone())),
            TraceEvent::Up(link, request) => self.requests.push((at.run, link.device, (*request).clone())),
            _ => {}
        }
    }
}

pub type World = VirtualTime<(Record, Digest)>;

pub fn world(options: Options) -> World {
    VirtualTime::new(options, (Record::default(), Digest::default()))
}

/// Adds a device and starts it.
pub fn add(world: &mut World, name: &str, script: Script, faults: &FaultDocument, seed: u64) -> DeviceIndex {
    let identity = Identity {
        id: DeviceId::new(name).expect("a name"),
        client_id: None,
        group: "west".into(),
        index: 0,
        count: 1,
        topic_root: "wasmote".into(),
        peers: None,
    };
    let blueprint = Blueprint {
        identity: Arc::new(identity),
        factory: Arc::new(script),
        limits: Arc::new(Limits::default()),
        protocol: Protocol::V5,
        seed: Seed::new(seed),
        faults: faults.faults().expect("the faults are valid").into(),
    };
    let device = world.add(blueprint);
    world.put(device, Input::Start);
    device
}

/// Times and values of the notices of a device that `pick` accepts.
pub fn noticed<T>(
    world: &World,
    device: DeviceIndex,
    pick: impl Fn(&DeviceNotice) -> Option<T>,
) -> Vec<(Time, T)> {
    let notices = world.observer().0.notices.iter().filter(|(_, whose, _)| *whose == device);
    notices.filter_map(|(at, _, notice)| Some((*at, pick(notice)?))).collect()
}

/// Payloads that a device received, with their times.
pub fn received(world: &World, device: DeviceIndex) -> Vec<(Time, String)> {
    noticed(world, device, |notice| match notice {
        DeviceNotice::Received(_, payload, ..) => Some(String::from_utf8_lossy(payload).into_owned()),
        _ => None,
    })
}

/// Asserts that every message of every device and of the broker is accounted for.
pub fn assert_balanced(world: &World) {
    for device in world.devices() {
        let (out, inward) = device.waiting();
        assert!(device.ledger().closes(out, inward), "{}: {:?}", device.identity().id, device.ledger());
    }
    let counters = world.broker().counters();
    assert!(counters.closes(world.broker().stats().waiting), "{counters:?}");
}
