//! Hostile guests beside 200 honest devices in virtual time: nothing that an honest device does or hears changes.

use std::time::Duration;

use wasmote_engine::cache::Cache;
use wasmote_engine::{CompileMode, Component, Engine};
use wasmote_sim::device::{Input, Now};
use wasmote_sim::notice::DeviceNotice;
use wasmote_sim::virtual_time::VirtualTime;
use wasmote_sim::virtual_time::digest::Digest;
use wasmote_sim::virtual_time::observer::{DeviceIndex, Observer, TraceEvent};
use wasmote_sim::virtual_time::options::Options;

use crate::guests::hostile::{TRIALS, Trial};
use crate::guests::{self, Guest};
use crate::harness::{blueprint, default_settings};

/// Number of honest devices.
const HONEST: u32 = 200;
/// Devices with the hostile guest in each run.
const HOSTILE: u32 = 2;
const SPAN: Duration = Duration::from_millis(2_500);

/// Digest of every step of the honest devices, and the traps of the hostile ones.
#[derive(Default)]
struct Witness {
    honest: Digest,
    traps: Vec<String>,
}

impl Observer for Witness {
    fn observe(&mut self, at: Now, event: &TraceEvent<'_>) {
        match event {
            TraceEvent::Input(device, _) | TraceEvent::Notice(device, _) if is_honest(*device) => {
                self.honest.observe(at, event);
            }
            TraceEvent::Notice(_, DeviceNotice::Trapped(trap, _)) => self.traps.push(trap.to_string()),
            _ => {}
        }
    }
}

fn is_honest(device: DeviceIndex) -> bool {
    device.0 < HONEST
}

/// Runs the honest devices, beside two of a hostile guest if one is given.
fn run(engine: &Engine, honest: &Component, trial: Option<&Trial>) -> Witness {
    let mut run = VirtualTime::new(Options::default(), Witness::default());
    for index in 0..HONEST {
        let device = run.add(blueprint(honest, default_settings(), "honest", index, HONEST));
        run.put(device, Input::Start);
    }
    if let Some(trial) = trial {
        let component = engine.load(trial.name, &trial.guest.component()).expect("the guest is a behaviour");
        for index in 0..HOSTILE {
            let device = run.add(blueprint(&component, default_settings(), trial.name, index, HOSTILE));
            run.put(device, Input::Start);
        }
    }
    run.run_for(SPAN);
    let observer = run.observer();
    Witness { honest: observer.honest, traps: observer.traps.clone() }
}

#[test]
fn no_hostile_guest_changes_the_digest_of_honest_devices() {
    let engine =
        Engine::with_compile_mode(CompileMode::Full, Cache::default()).expect("WebAssembly runs here");
    // Honest devices listen to the topic of one another.
    let listener = Guest {
        imports: r#"(import "wasmote:device/mqtt@0.1.0" "subscribe" (func $subscribe (param i32 i32 i32 i32)))"#,
        functions: r##"(data (i32.const 256) "wasmote/h/#") (data (i32.const 270) "wasmote/h/x")"##,
        start: "(call $set-timer-1s)
                (call $subscribe (i32.const 256) (i32.const 11) (i32.const 0) (i32.const 2048))",
        timer: "(call $set-timer-1s)
                (call $publish (i32.const 270) (i32.const 11) (i32.const 96) (i32.const 10)
                  (i32.const 0) (i32.const 0) (i32.const 2048))",
        ..guests::well_behaved()
    };
    let honest = engine.load("honest", &listener.component()).expect("the guest is a behaviour");
    let alone = run(&engine, &honest, None);
    assert_eq!(alone.traps, Vec::<String>::new());
    let steps = alone.honest.steps();
    assert!(steps > u64::from(HONEST * HONEST * 2), "the honest devices hear each other: {steps}");
    let mut failures = Vec::new();
    for trial in TRIALS {
        let outcome = run(&engine, &honest, Some(trial));
        if outcome.honest != alone.honest {
            failures.push(format!("{}: the honest devices behave otherwise", trial.name));
        }
        match (trial.trap, outcome.traps.first()) {
            (None, None) => {}
            (Some(reason), Some(trap)) if trap.contains(reason) => {}
            (wanted, found) => failures.push(format!("{}: wanted {wanted:?}, found {found:?}", trial.name)),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
