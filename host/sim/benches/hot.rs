//! Benchmarks of the code that every message passes through.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use wasmote_mqtt::broker::limits::BrokerLimits;
use wasmote_mqtt::broker::packet::{Connect, PacketId, Publish, Reply, Request, Subscribe, SubscribeOptions};
use wasmote_mqtt::broker::{Broker, Replies};
use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::message::{Message, Qos};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::{Time, WallTime};
use wasmote_mqtt::topic::{Topic, TopicFilter};
use wasmote_sim::action::Action;
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, Trap};
use wasmote_sim::context::Context;
use wasmote_sim::device::{Blueprint, Device, Input, Now};
use wasmote_sim::event::Event;
use wasmote_sim::faults::document::{FaultDocument, FaultEntry, Kind};
use wasmote_sim::faults::span::Span;
use wasmote_sim::limits::Limits;
use wasmote_sim::rng::Seed;
use wasmote_sim::schedule::Schedule;

const SECOND: Duration = Duration::from_secs(1);

fn message(topic: &str) -> Message {
    Message::new(Topic::new(topic).expect("a valid topic"), vec![b'.'; 256])
}

/// Publishes once a second.
struct Beat;

impl BehaviourFactory for Beat {
    fn instantiate(&self, _identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        let beat = message("wasmote/bench-0/load");
        Ok(Box::new(move |event: Event, context: &mut Context| {
            if matches!(event, Event::Started(_) | Event::Timer(_)) {
                let _ = context.set_timer(1, context.now() + SECOND);
                let _ = context.publish(beat.clone());
            }
            Ok(())
        }))
    }

    fn name(&self) -> &str {
        "beat"
    }
}

/// A connected device and its clock.
struct Bench {
    device: Device,
    now: Time,
    actions: Vec<Action>,
}

impl Bench {
    fn new(faults: Vec<FaultEntry>) -> Self {
        let identity = Identity {
            id: DeviceId::new("bench-0").expect("a valid name"),
            client_id: None,
            group: "bench".into(),
            index: 0,
            count: 1,
            topic_root: "wasmote".into(),
            peers: None,
        };
        let blueprint = Blueprint {
            identity: Arc::new(identity),
            factory: Arc::new(Beat),
            limits: Arc::new(Limits::default()),
            protocol: Protocol::V5,
            seed: Seed::new(1),
            faults: FaultDocument { faults }.faults().expect("valid faults").into(),
        };
        let device = Device::new(blueprint, Time::ZERO);
        let mut bench = Self { device, now: Time::ZERO, actions: Vec::new() };
        bench.put(Input::Start);
        bench.put(Input::Connected { session_present: false });
        bench
    }

    /// Advances the clock by one second and handles an input.
    fn put(&mut self, input: Input) {
        self.now = self.now + SECOND;
        let now = Now { run: self.now, wall: WallTime::default() + self.now.elapsed() };
        self.device.handle(input, now, &mut self.actions);
        black_box(&self.actions);
        self.actions.clear();
    }
}

fn fault(fields: Value) -> FaultEntry {
    serde_json::from_value(fields).expect("it can be read")
}

fn late_and_lost() -> Vec<FaultEntry> {
    let entry = |kind, probability| fault(json!({"kind": kind, "probability": probability}));
    vec![
        fault(json!({"kind": "delay", "probability": 1.0, "max": Span(SECOND / 2)})),
        entry(Kind::Loss, 0.1),
        entry(Kind::Duplicate, 0.1),
        entry(Kind::Corrupt, 0.1),
    ]
}

fn devices(criterion: &mut Criterion) {
    let mut bench = Bench::new(Vec::new());
    criterion.bench_function("device/tick with publish, as a closure", |timer| {
        timer.iter(|| bench.put(Input::Wake))
    });
    for (name, faults) in [("no faults", Vec::new()), ("delay, loss, duplicate and corrupt", late_and_lost())]
    {
        let mut bench = Bench::new(faults);
        let published = message("wasmote/bench-0/load");
        criterion.bench_function(&format!("device/publish through {name}"), |timer| {
            timer.iter(|| bench.put(Input::Publish(published.clone())));
        });
    }
}

/// The same with the steps of messages, which a host collects while somebody follows messages.
fn followed(criterion: &mut Criterion) {
    for (name, faults) in [("no faults", Vec::new()), ("delay, loss, duplicate and corrupt", late_and_lost())]
    {
        let mut bench = Bench::new(faults);
        bench.device.follow_messages(true);
        let published = message("wasmote/bench-0/load");
        criterion.bench_function(&format!("device/publish through {name}, followed"), |timer| {
            timer.iter(|| {
                bench.put(Input::Publish(published.clone()));
                black_box(bench.device.take_steps())
            });
        });
    }
}

fn schedule(criterion: &mut Criterion) {
    let mut draw = Seed::new(1).stream(&DeviceId::new("bench").expect("a valid name"), "bench");
    let mut schedule = Schedule::default();
    (0..1_000).for_each(|item| schedule.push(Time::from_nanos(draw.below(1_000_000)), item));
    let mut now = 0;
    criterion.bench_function("schedule/take one and put one, of 1,000", |timer| {
        timer.iter(|| {
            now += 1_000;
            let item = schedule.take().expect("never empty");
            schedule.push(Time::from_nanos(now + draw.below(1_000_000)), black_box(item));
        });
    });
}

fn topics(criterion: &mut Criterion) {
    let topic = Topic::new("wasmote/bench-0/telemetry/temperature").expect("a valid topic");
    for pattern in ["wasmote/bench-0/telemetry/temperature", "wasmote/+/telemetry/+", "wasmote/#"] {
        let filter = TopicFilter::new(pattern).expect("a valid filter");
        criterion.bench_function(&format!("topic/match {pattern}"), |timer| {
            timer.iter(|| black_box(&filter).matches(black_box(&topic)));
        });
    }
}

/// A broker with this many clients. Each has its own subscription; `also` adds a shared topic for some.
fn broker(clients: u32, also: impl Fn(u32) -> Option<(&'static str, Qos)>) -> (Broker<u32>, Replies<u32>) {
    let (mut broker, mut replies) = (Broker::new(BrokerLimits::default()), Vec::new());
    let one = PacketId::new(1).expect("not zero");
    for client in 0..clients {
        let connect = Request::Connect(Box::new(Connect::new(format!("client-{client}"))));
        broker.handle(client, connect, Time::ZERO, &mut replies);
        let own = (format!("wasmote/client-{client}/cmd"), Qos::AtMostOnce);
        let filters = [Some(own), also(client).map(|(pattern, qos)| (pattern.to_owned(), qos))];
        let filters = filters.into_iter().flatten().map(|(pattern, qos)| {
            (TopicFilter::new(&*pattern).expect("a valid filter"), SubscribeOptions::at(qos))
        });
        let subscribe = Subscribe { packet_id: one, identifier: None, filters: filters.collect() };
        broker.handle(client, Request::Subscribe(subscribe), Time::ZERO, &mut replies);
    }
    replies.clear();
    (broker, replies)
}

fn brokers(criterion: &mut Criterion) {
    let (mut quiet, mut replies) = broker(10_000, |_| None);
    let publish = |topic: &str| Request::Publish(Publish::new(message(topic), None));
    let (one, nobody) = (publish("wasmote/client-7777/cmd"), publish("wasmote/nobody/listens"));
    criterion.bench_function("broker/publish to one of 10,000 subscribers", |timer| {
        timer.iter(|| {
            quiet.handle(0, one.clone(), Time::ZERO, &mut replies);
            black_box(&replies);
            replies.clear();
        });
    });
    criterion.bench_function("broker/publish to nobody", |timer| {
        timer.iter(|| quiet.handle(0, nobody.clone(), Time::ZERO, &mut replies));
    });

    let (mut crowd, mut replies) = broker(100, |_| Some(("wasmote/all/message", Qos::AtMostOnce)));
    let all = publish("wasmote/all/message");
    criterion.bench_function("broker/publish to 100 subscribers", |timer| {
        timer.iter(|| {
            crowd.handle(0, all.clone(), Time::ZERO, &mut replies);
            black_box(&replies);
            replies.clear();
        });
    });

    let (mut sure, mut replies) = broker(2, |client| (client == 1).then_some(("sure", Qos::AtLeastOnce)));
    let sent = message("sure").with_qos(Qos::AtLeastOnce);
    criterion.bench_function("broker/publish at QoS 1 to one, until all is acknowledged", |timer| {
        timer.iter(|| {
            let publish = Publish::new(sent.clone(), PacketId::new(1));
            sure.handle(0, Request::Publish(publish), Time::ZERO, &mut replies);
            let acks: Vec<_> =
                replies.drain(..).filter_map(|(to, reply)| acknowledgement(to, reply)).collect();
            for (from, ack) in acks {
                sure.handle(from, ack, Time::ZERO, &mut replies);
            }
            replies.clear();
        });
    });
    assert!(
        sure.counters().closes(sure.stats().waiting) && sure.stats().waiting == 0,
        "all was acknowledged"
    );
}

fn acknowledgement(to: u32, reply: Reply) -> Option<(u32, Request)> {
    use wasmote_mqtt::broker::packet::{Ack, AckStep};
    let Reply::Publish(publish) = reply else { return None };
    Some((to, Request::Ack(Ack::new(AckStep::PubAck, publish.packet_id?))))
}

criterion_group!(benches, devices, followed, schedule, topics, brokers);
criterion_main!(benches);
