//! Cost of a call into a guest, including the work of the host around it.

#[path = "../tests/guests/mod.rs"]
mod guests;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use wasmote_engine::cache::Cache;
use wasmote_engine::{CompileMode, DeviceSettings, Engine};
use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::{Time, WallTime};
use wasmote_sim::action::Action;
use wasmote_sim::device::{Blueprint, Device, Input, Now};
use wasmote_sim::limits::Limits;
use wasmote_sim::rng::Seed;

/// A connected device, driven from deadline to deadline.
struct BenchDevice {
    device: Device,
    actions: Vec<Action>,
    published: u64,
}

impl BenchDevice {
    fn new(engine: &Engine, component: &[u8], config: Value) -> Self {
        let component = engine.load("bench", component).expect("it is a behaviour");
        let limits = Arc::new(Limits { publishes_per_second: 0, ..Limits::default() });
        let settings = DeviceSettings { config, limits: Arc::clone(&limits), allow_hosts: Vec::new().into() };
        let identity = Identity {
            id: DeviceId::new("bench-0").expect("it is a name"),
            client_id: None,
            group: "bench".into(),
            index: 0,
            count: 1,
            topic_root: "wasmote".into(),
            peers: None,
        };
        let blueprint = Blueprint {
            identity: Arc::new(identity),
            factory: component.behaviour_factory(settings),
            limits,
            protocol: Protocol::V5,
            seed: Seed::new(1),
            faults: Vec::new().into(),
        };
        let device = Device::new(blueprint, Time::ZERO);
        let mut bench = Self { device, actions: Vec::new(), published: 0 };
        bench.put(Input::Start, Time::ZERO);
        bench.put(Input::Connected { session_present: false }, Time::ZERO);
        bench
    }

    fn put(&mut self, input: Input, now: Time) {
        let now = Now { run: now, wall: WallTime::from_nanos(1_767_225_600_000_000_000) + now.elapsed() };
        self.device.handle(input, now, &mut self.actions);
        self.published +=
            self.actions.iter().filter(|action| matches!(action, Action::Publish(_))).count() as u64;
        black_box(&self.actions);
        self.actions.clear();
    }

    fn tick(&mut self) {
        let due = self.device.next_deadline().expect("it always has a timer");
        self.put(Input::Wake, due);
    }
}

fn built(name: &str) -> Vec<u8> {
    let file = guests::repository().join("behaviours/built").join(Path::new(name));
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}; run `make behaviours`", file.display()))
}

fn guest(criterion: &mut Criterion) {
    let engine = Engine::new().expect("this machine runs WebAssembly");
    let quick = Engine::with_compile_mode(CompileMode::Quick, Cache::default())
        .expect("this machine runs WebAssembly");
    let idle = guests::Guest {
        start: "(call $set-timer-1s)",
        timer: "(call $set-timer-1s)",
        ..guests::Guest::default()
    };
    let second = json!({"interval": "1s", "peers": 0});
    let cases = [
        ("guest/call that sets a timer", &engine, idle.component(), json!({}), false),
        (
            "guest/tick with publish, smallest guest",
            &engine,
            guests::well_behaved().component(),
            json!({}),
            true,
        ),
        ("guest/tick with publish of 256 B, publisher", &engine, built("publisher.wasm"), json!({}), true),
        (
            "guest/tick with publish of JSON, heartbeat",
            &engine,
            built("heartbeat.wasm"),
            second.clone(),
            true,
        ),
        ("guest/the same heartbeat, compiled quickly", &quick, built("heartbeat.wasm"), second, true),
    ];
    for (name, engine, component, config, publishes) in cases {
        let mut bench = BenchDevice::new(engine, &component, config);
        let (before, mut ticks) = (bench.published, 0);
        criterion.bench_function(name, |timer| {
            timer.iter(|| {
                bench.tick();
                ticks += 1;
            });
        });
        let expected = if publishes { ticks } else { 0 };
        assert_eq!(bench.published - before, expected, "{name}: every tick did what it says");
    }

    let component = engine.load("bench", &built("publisher.wasm")).expect("it is a behaviour");
    let limits = Arc::new(Limits::default());
    let settings = DeviceSettings { config: json!({}), limits, allow_hosts: Vec::new().into() };
    let factory = component.behaviour_factory(settings);
    let identity = Identity {
        id: DeviceId::new("bench-0").expect("it is a name"),
        client_id: None,
        group: "bench".into(),
        index: 0,
        count: 1,
        topic_root: "wasmote".into(),
        peers: None,
    };
    criterion.bench_function("guest/make an instance", |timer| {
        timer.iter(|| black_box(factory.instantiate(&identity)).expect("it can be made"));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(3));
    targets = guest
}
criterion_main!(benches);
