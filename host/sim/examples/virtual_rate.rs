//! How fast virtual time runs: devices that publish once a second each and hear nothing.
//!
//!     cargo run --release -p wasmote-sim --example virtual_rate

// This program is no part of the model, and measuring is all it does.
#![allow(clippy::disallowed_types)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmote_sim::behaviour::{Behaviour, Spawn, Trap};
use wasmote_sim::context::{Context, Protocol};
use wasmote_sim::device::{Blueprint, Input};
use wasmote_sim::device_id::{DeviceId, Identity};
use wasmote_sim::event::Event;
use wasmote_sim::limits::Limits;
use wasmote_sim::message::{Message, Qos};
use wasmote_sim::rng::Seed;
use wasmote_sim::topic::Topic;
use wasmote_sim::virtual_time::VirtualTime;
use wasmote_sim::virtual_time::digest::Digest;
use wasmote_sim::virtual_time::options::Options;

struct Heartbeat(Qos);

impl Spawn for Heartbeat {
    fn spawn(&self, identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        let topic = Topic::new(format!("{}/{}/heartbeat", identity.topic_root, identity.id));
        let topic =
            topic.map_err(|error| Trap::new(wasmote_sim::behaviour::TrapKind::Host, error.to_string()))?;
        let beat = Message::new(topic, "alive").with_qos(self.0);
        // Devices do not beat in one instant.
        let offset = Duration::from_micros(u64::from(identity.index) * 997 % 1_000_000);
        Ok(Box::new(move |event: Event, context: &mut Context| {
            let next = match event {
                Event::Started(_) => context.now() + offset,
                Event::Timer(_) => {
                    let _ = context.publish(beat.clone());
                    context.now() + Duration::from_secs(1)
                }
                _ => return Ok(()),
            };
            let _ = context.set_timer(1, next);
            Ok(())
        }))
    }

    fn name(&self) -> &str {
        "heartbeat"
    }
}

fn blueprint(index: u32, count: u32, spawn: &Arc<Heartbeat>, limits: &Arc<Limits>) -> Blueprint {
    let identity = Identity {
        id: DeviceId::new(&format!("heartbeat-{index}")).expect("a name"),
        group: "heartbeat".into(),
        index,
        count,
        topic_root: "wasmote".into(),
        peers: None,
    };
    Blueprint {
        identity: Arc::new(identity),
        spawn: Arc::<Heartbeat>::clone(spawn),
        limits: Arc::clone(limits),
        protocol: Protocol::V5,
        seed: Seed::new(1),
        faults: Vec::new().into(),
    }
}

fn measure(devices: u32, seconds: u64, qos: Qos) {
    let (spawn, limits) = (Arc::new(Heartbeat(qos)), Arc::new(Limits::default()));
    let mut world = VirtualTime::new(Options::default(), Digest::default());
    for index in 0..devices {
        let device = world.add(blueprint(index, devices, &spawn, &limits));
        world.put(device, Input::Start);
    }
    let began = Instant::now();
    world.run_for(Duration::from_secs(seconds));
    let took = began.elapsed().as_secs_f64();
    let counts = world.counts();
    println!(
        "{devices:>6} devices, {qos}: {:>10} events in {took:.2} s = {:.2} million/s \
         ({:.2} million device inputs/s), {:.0} times real time, digest {}",
        counts.events(),
        counts.events() as f64 / took / 1e6,
        counts.inputs as f64 / took / 1e6,
        seconds as f64 / took,
        world.observer(),
    );
}

fn main() {
    measure(10, 300_000, Qos::AtMostOnce);
    measure(1_000, 3_000, Qos::AtMostOnce);
    measure(1_000, 3_000, Qos::AtLeastOnce);
    measure(10_000, 300, Qos::AtMostOnce);
    measure(100_000, 30, Qos::AtMostOnce);
}
