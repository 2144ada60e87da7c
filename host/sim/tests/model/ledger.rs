//! Whatever happens to a device, every message of it is accounted for.

use std::time::Duration;

use wasmote_sim::device::Input;
use wasmote_sim::device_id::DeviceId;
use wasmote_sim::event::StopReason;
use wasmote_sim::faults::Directions;
use wasmote_sim::faults::document::{FaultDocument, FaultEntry, Kind};
use wasmote_sim::faults::span::Span;
use wasmote_sim::rng::{Seed, Stream};

use crate::bench::{Bench, at_qos_1, document, message, ticker};

/// All faults at once, each way.
fn everything() -> FaultDocument {
    let seconds = |n| Some(Span(Duration::from_secs(n)));
    let both = Some(Directions::Both);
    let of = |kind, probability| FaultEntry { kind, probability: Some(probability), ..FaultEntry::default() };
    let outage =
        |kind, probability| FaultEntry { every: seconds(20), lasting: seconds(7), ..of(kind, probability) };
    document([
        FaultEntry { direction: both, copies: Some(2), ..of(Kind::Duplicate, 0.3) },
        FaultEntry { direction: both, max: seconds(3), ..of(Kind::Delay, 0.7) },
        FaultEntry { direction: both, ..of(Kind::Loss, 0.2) },
        FaultEntry { direction: both, ..of(Kind::Corrupt, 0.2) },
        outage(Kind::Partition, 0.2),
        outage(Kind::Silence, 0.2),
        outage(Kind::Crash, 0.1),
        outage(Kind::Disconnect, 0.2),
    ])
}

fn something(draw: &mut Stream) -> Input {
    match draw.below(20) {
        0 => Input::Crash,
        1 => Input::Stop(StopReason::Requested),
        2 | 3 => Input::Start,
        4 => Input::Disconnected("reset by peer".into()),
        5 => Input::Connected { session_present: draw.chance(0.5) },
        6 => Input::SetFaults(everything().faults().expect("valid").into()),
        7 => Input::Resumed,
        8..=11 => Input::Publish(message("t", "x")),
        12..=15 => Input::Publish(at_qos_1("t", "x")),
        _ => Input::Delivered(message("t", "x")),
    }
}

#[test]
fn the_ledger_closes_after_every_step_of_a_storm() {
    for seed in 0..20 {
        let mut draw = Seed::new(seed).stream(&DeviceId::new("storm").unwrap(), "test");
        let mut bench = Bench::named("west-0", "west", ticker, everything(), seed);
        for step in 0..2_000 {
            bench.broker_up = draw.chance(0.7);
            let input = something(&mut draw);
            bench.put(input);
            bench.run(Duration::from_millis(draw.below(900)));
            assert!(
                bench.closes(),
                "seed {seed}, step {step}: {:?} {:?}",
                bench.device.ledger(),
                bench.device.waiting()
            );
        }
        assert!(bench.device.ledger().generated > 500, "the storm had messages in it");
    }
}
