//! Speed of virtual time on one core: devices publish once a second and receive nothing, with the digest
//! enabled. The devices are closures, which measures the model alone, and Wasm behaviours: a load of 256 B,
//! and a heartbeat with JSON.
//!
//! The program prints the events per second of real time, the events per second of simulated time, and their
//! ratio, the speed-up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::json;
use wasmote_bench::fleet::Fleet;
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::{Message, Qos};
use wasmote_mqtt::topic::Topic;
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, Trap, TrapKind};
use wasmote_sim::context::Context;
use wasmote_sim::device::Input;
use wasmote_sim::event::Event;
use wasmote_sim::virtual_time::VirtualTime;
use wasmote_sim::virtual_time::digest::Digest;
use wasmote_sim::virtual_time::options::Options;

/// Measure how fast virtual time runs.
#[derive(Parser)]
struct Args {
    /// The folder with the behaviours
    #[arg(long, value_name = "DIR", default_value = "behaviours/built")]
    built: PathBuf,
    /// Only fleets of this many devices
    #[arg(long)]
    devices: Option<u32>,
    /// Messages that a fleet publishes in all
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// Only closures, or only one behaviour
    #[arg(long, value_parser = ["closures", "publisher", "heartbeat"])]
    only: Option<String>,
    /// Print JSON, a line each
    #[arg(long)]
    json: bool,
}

/// Publishes once a second, as a closure.
struct HeartbeatClosure;

impl BehaviourFactory for HeartbeatClosure {
    fn instantiate(&self, identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        let topic = Topic::new(format!("{}/{}/heartbeat", identity.topic_root, identity.id));
        let topic = topic.map_err(|error| Trap::new(TrapKind::Host, error.to_string()))?;
        let beat = Message::new(topic, "alive").with_qos(Qos::AtMostOnce);
        // Random phase, so that devices do not publish at the same instant.
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
        "beat"
    }
}

fn measure(args: &Args, label: &str, fleet: &Fleet, devices: u32) {
    let seconds = (args.messages / u64::from(devices)).max(1);
    let mut simulation = VirtualTime::new(Options::default(), Digest::default());
    for index in 0..devices {
        let device = simulation.add(fleet.blueprint(index, devices));
        simulation.put(device, Input::Start);
    }
    // Connections and first calls are not part of the measurement.
    simulation.run_for(Duration::from_secs(2));
    let before = simulation.counts().events();
    let began = Instant::now();
    simulation.run_for(Duration::from_secs(seconds));
    let took = began.elapsed().as_secs_f64();
    let events = (simulation.counts().events() - before) as f64;
    let (rate, fleet_rate) = (events / took, events / seconds as f64);
    let digest = simulation.observer();
    if args.json {
        let line = json!({
            "through": label, "devices": devices, "events": events, "real_seconds": took,
            "events_per_second": rate, "fleet_events_per_second": fleet_rate,
            "speed_up": seconds as f64 / took, "digest": digest.to_string(),
        });
        return println!("{line}");
    }
    println!(
        "{label:>15} {devices:>7} devices: {:.2} million events/s; the fleet makes {fleet_rate:.0} a second: \
         {:.0} times real time; digest {digest}",
        rate / 1e6,
        seconds as f64 / took,
    );
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let sizes = args.devices.map_or(vec![10, 1_000, 10_000, 100_000], |one| vec![one]);
    let wanted = |label: &str| args.only.as_deref().is_none_or(|only| only == label);
    if wanted("closures") {
        let fleet = Fleet::new(Arc::new(HeartbeatClosure));
        sizes.iter().for_each(|devices| measure(&args, "closures", &fleet, *devices));
    }
    for (name, config) in [
        ("publisher", json!({"interval": "1s", "size": 256})),
        ("heartbeat", json!({"interval": "1s", "peers": 0})),
    ] {
        if wanted(name) {
            let fleet = Fleet::from_file(&args.built.join(name).with_extension("wasm"), config)?;
            let label = format!("wasm, {name}");
            sizes.iter().for_each(|devices| measure(&args, &label, &fleet, *devices));
        }
    }
    Ok(())
}
