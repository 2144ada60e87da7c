//! Messages of a host that is late, and of peers whose clocks are wrong.

use std::sync::Arc;
use std::time::Duration;

use wasmote_mqtt::device_id::{DeviceId, Identity};
use wasmote_mqtt::message::{Message, MessageOrigin};
use wasmote_mqtt::time::{Time, WallTime};
use wasmote_sim::action::Action;
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, Trap};
use wasmote_sim::context::Context;
use wasmote_sim::device::Input;
use wasmote_sim::event::Event;
use wasmote_sim::faults::document::FaultDocument;
use wasmote_sim::metrics::Metric;

use crate::harness::{Harness, idle, message, ticker};

/// Publishes at each whole second of the run, whenever it is called.
struct Scheduled;

impl BehaviourFactory for Scheduled {
    fn instantiate(&self, _identity: &Identity) -> Result<Box<dyn Behaviour>, Trap> {
        let mut next = Time::ZERO;
        let script = move |event: Event, context: &mut Context| {
            match event {
                Event::Started(_) => {}
                Event::Timer(_) => context.publish(message("t", "x")).expect("it is within the rate"),
                _ => return Ok(()),
            }
            next = next + Duration::from_secs(1);
            context.set_timer(1, next).expect("one timer fits");
            Ok(())
        };
        Ok(Box::new(script))
    }

    fn name(&self) -> &str {
        "scheduled"
    }
}

/// Milliseconds by which each published message was late.
fn late(harness: &Harness) -> Vec<u128> {
    let published = harness.actions.iter().filter_map(|action| match action {
        Action::Publish(message) => message.origin.as_ref(),
        _ => None,
    });
    published.map(|origin| origin.late.as_millis()).collect()
}

#[test]
fn a_schedule_that_falls_behind_keeps_its_intended_times() {
    let mut harness = Harness::with_factory(Arc::new(Scheduled), FaultDocument::default());
    // The host is busy and wakes the device 3.5 s late.
    harness.now = Time::ZERO + Duration::from_millis(4_500);
    harness.put(Input::Wake);
    harness.run(Duration::from_secs(2));
    assert_eq!(late(&harness), [3_500, 2_500, 1_500, 500, 0, 0]);
}

#[test]
fn a_driver_that_catches_up_makes_up_for_a_schedule_at_once() {
    let published_at_once = |catches_up: bool| {
        let mut harness = Harness::with_factory(Arc::new(Scheduled), FaultDocument::default());
        harness.device.catch_up(catches_up);
        harness.now = Time::ZERO + Duration::from_millis(4_500);
        harness.put(Input::Wake);
        late(&harness).len()
    };
    assert_eq!(published_at_once(true), 4, "at 1, 2, 3 and 4 s");
    assert_eq!(published_at_once(false), 1, "the others follow after the shortest delay of a timer");
    // A timer at a time before the present one means the shortest delay, so no behaviour runs without end.
    fn at_once(event: Event, context: &mut Context) -> Result<(), Trap> {
        if matches!(event, Event::Started(_) | Event::Timer(_)) {
            context.set_timer(1, Time::ZERO).expect("one timer fits");
            context.count("calls", 1.0).expect("one metric fits");
        }
        Ok(())
    }
    let mut harness = Harness::new(at_once, FaultDocument::default());
    harness.device.catch_up(true);
    let calls = |harness: &Harness| {
        let metrics = harness.device.metrics().expect("it has a context").iter();
        metrics.map(|(_, metric)| metric.clone()).collect::<Vec<_>>()
    };
    assert_eq!(calls(&harness), [Metric::Counter { sum: 1.0 }]);
    harness.now = harness.now + Duration::from_secs(10);
    harness.put(Input::Wake);
    assert_eq!(calls(&harness), [Metric::Counter { sum: 2.0 }]);
}

#[test]
fn a_timer_in_the_distant_past_only_means_at_once() {
    let mut harness = Harness::new(ticker, FaultDocument::default());
    harness.run(Duration::from_secs(3));
    assert_eq!(late(&harness), [0, 0, 0]);
    fn at_once(event: Event, context: &mut Context) -> Result<(), Trap> {
        if matches!(event, Event::Message(_)) {
            context.set_timer(1, Time::ZERO).expect("one timer fits");
        } else if matches!(event, Event::Timer(_)) {
            context.publish(message("t", "x")).expect("it is within the rate");
        }
        Ok(())
    }
    let mut harness = Harness::new(at_once, FaultDocument::default());
    harness.run(Duration::from_secs(100));
    harness.put(Input::Delivered(message("t/other", "now")));
    harness.run(Duration::from_secs(1));
    assert_eq!(late(&harness), [0]);
}

/// Delivers a message that was sent at this offset from now, in nanoseconds, and was published late.
fn deliver(harness: &mut Harness, offset: i64, late: Duration) {
    let now = 1_800_000_000_000_000_000 + harness.now.as_nanos();
    let sent = WallTime::from_nanos(now.saturating_add_signed(offset));
    let origin = MessageOrigin {
        from: DeviceId::new("peer").expect("a name"),
        sequence: 1,
        sent,
        late,
        is_claimed: false,
    };
    harness.put(Input::Delivered(Message {
        origin: Some(std::sync::Arc::new(origin)),
        ..message("t/other", "hello")
    }));
}

#[test]
fn latencies_of_a_peer_with_a_wrong_clock_are_counted_apart() {
    let mut harness = Harness::new(idle, FaultDocument::default());
    deliver(&mut harness, -500_000_000, Duration::from_millis(1_500));
    for _ in 0..20 {
        deliver(&mut harness, 5_000_000_000, Duration::ZERO);
    }
    deliver(&mut harness, i64::MIN, Duration::ZERO);
    let (latency, intended) = (harness.device.latency(), harness.device.intended_latency());
    assert_eq!((latency.count(), latency.mean()), (1, Some(0.5)));
    assert_eq!((intended.count(), intended.mean()), (1, Some(2.0)));
    let counts = harness.device.implausible_latencies();
    assert_eq!((counts.negative, counts.too_large), (20, 1));
    let example = harness.device.implausible_latency().expect("the first one is kept");
    assert_eq!((example.from.as_str(), example.age), ("peer", Err(Duration::from_secs(5))));
    assert_eq!(harness.device.ledger().received, 22, "the messages themselves are received");
    assert_eq!(harness.device.latency_samples().iter().count(), 1);
}
