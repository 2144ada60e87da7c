//! Memory of a device without a connection: sandbox, state machine and accounting of the host.
//!
//! The program creates devices, starts them and drives them until each has published a few times; it discards
//! the messages. It prints the resident memory of the process after each stage as JSON, in bytes per device.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use serde_json::json;
use wasmote_bench::fleet::{Fleet, resident_bytes};
use wasmote_mqtt::time::{Time, WallTime};
use wasmote_sim::action::Action;
use wasmote_sim::device::{Device, Input, Now};

/// Measure the memory of devices that have no connection.
#[derive(Parser)]
struct Args {
    /// A behaviour
    #[arg(default_value = "behaviours/built/publisher.wasm")]
    component: PathBuf,
    /// Number of devices
    #[arg(long, default_value_t = 10_000)]
    devices: u32,
    /// Seconds of the devices' time
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

fn at(run: Time) -> Now {
    Now { run, wall: WallTime::from_nanos(1_767_225_600_000_000_000) + run.elapsed() }
}

fn handle(device: &mut Device, input: Input, now: Time, actions: &mut Vec<Action>) -> u64 {
    device.handle(input, at(now), actions);
    let connects = actions.iter().any(|action| matches!(action, Action::Connect(_)));
    if connects {
        device.handle(Input::Connected { session_present: false }, at(now), actions);
    }
    actions.drain(..).filter(|action| matches!(action, Action::Publish(_))).count() as u64
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let fleet = Fleet::from_file(&args.component, json!({"interval": "1s"}))?;
    let mut actions = Vec::new();
    // The first device allocates everything that devices share.
    let mut first = Device::new(fleet.blueprint(0, 1), Time::ZERO);
    handle(&mut first, Input::Start, Time::ZERO, &mut actions);
    let empty = resident_bytes();
    let each = |now: u64| (now - empty) as f64 / f64::from(args.devices);

    let mut devices: Vec<Device> =
        (0..args.devices).map(|n| Device::new(fleet.blueprint(n, args.devices), Time::ZERO)).collect();
    let made = each(resident_bytes());
    for device in &mut devices {
        handle(device, Input::Start, Time::ZERO, &mut actions);
    }
    let started = each(resident_bytes());
    let end = Time::ZERO + Duration::from_secs(args.seconds);
    let mut published = 0;
    for device in &mut devices {
        while let Some(due) = device.next_deadline().filter(|due| *due <= end) {
            published += handle(device, Input::Wake, due, &mut actions);
        }
    }
    let published_bytes = each(resident_bytes());
    println!(
        "{}",
        json!({
            "devices": args.devices,
            "made_bytes": made.round(),
            "started_bytes": started.round(),
            "after_publishing_bytes": published_bytes.round(),
            "published": published,
        })
    );
    Ok(())
}
