//! Distribution of clock errors.

use std::time::Duration;

use serde_json::json;
use wasmote_sim::behaviour::Trap;
use wasmote_sim::context::Context;
use wasmote_sim::event::Event;
use wasmote_sim::faults::document::Kind;
use wasmote_sim::faults::span::{SignedSpan, Span};

use super::{KS, ks_distance};
use crate::harness::{Harness, document, fault};

/// Records its clock reading as a gauge at the start.
fn reads_its_clock(event: Event, context: &mut Context) -> Result<(), Trap> {
    if let Event::Started(_) = event {
        context.gauge("wall", context.wall().as_nanos() as f64).expect("it fits");
    }
    Ok(())
}

#[test]
fn the_clocks_of_a_fleet_are_spread_evenly() {
    const DEVICES: usize = 50_000;
    let faults = document([fault(json!({
        "kind": Kind::Clock,
        "offset": SignedSpan { negative: true, by: Duration::from_secs(60) },
        "offset_spread": Span(Duration::from_secs(10)),
    }))]);
    let offsets = (0..DEVICES).map(|n| {
        let harness = Harness::named(&format!("d-{n}"), "d", reads_its_clock, faults.clone(), 9);
        let metrics = harness.device.metrics().expect("it runs").iter();
        let shown: f64 = metrics
            .map(|(_, metric)| match metric {
                wasmote_sim::metrics::Metric::Gauge { sum } => *sum,
                _ => 0.0,
            })
            .sum();
        (shown - 1.8e18) / 1e9
    });
    // From 70 to 50 seconds behind.
    let shares: Vec<f64> = offsets.map(|offset| (offset + 70.0) / 20.0).collect();
    assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
    let distance = ks_distance(shares);
    assert!(distance < KS / (DEVICES as f64).sqrt(), "Kolmogorov-Smirnov distance {distance}");
}
