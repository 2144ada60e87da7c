//! Faults of the byte stream below MQTT, and their effects.

use std::time::Duration;

use serde_json::json;
use wasmote_mqtt::broker::packet::{Publish, Request};
use wasmote_mqtt::message::{Message, Qos};
use wasmote_mqtt::protocol::Protocol;
use wasmote_mqtt::time::Time;
use wasmote_sim::device::Input;
use wasmote_sim::faults::Directions;
use wasmote_sim::faults::document::{FaultDocument, FaultEntry, Kind};
use wasmote_sim::faults::span::Span;
use wasmote_sim::link::size;
use wasmote_sim::notice::DeviceNotice;
use wasmote_sim::virtual_time::observer::DeviceIndex;
use wasmote_sim::virtual_time::options::Options;

use super::world::{Script, World, add, assert_balanced, noticed, received, world};
use crate::harness::{at_qos_1, document, fault, message, with};

const SECOND: Duration = Duration::from_secs(1);
/// Period of the faults.
const EVERY: Duration = Duration::from_secs(300);

fn of(kind: Kind) -> FaultEntry {
    fault(json!({"kind": kind}))
}

fn instant(kind: Kind) -> FaultEntry {
    with(of(kind), json!({"every": Span(EVERY), "probability": 1.0}))
}

fn lasting_fault(kind: Kind, lasting: Duration) -> FaultEntry {
    with(instant(kind), json!({"for": Span(lasting)}))
}

fn throttle(bytes_per_second: u64, buffer_bytes: Option<u64>) -> FaultDocument {
    document([with(
        of(Kind::Throttle),
        json!({
            "bytes_per_second": bytes_per_second,
            "buffer_bytes": buffer_bytes,
            "direction": Directions::Out,
        }),
    )])
}

/// A witness of the topics `t` and `state`, and a device with a will, run until its fault occurs.
struct FaultedDevice {
    world: World,
    observer: DeviceIndex,
    device: DeviceIndex,
    faulted_at: Time,
}

impl FaultedDevice {
    fn new(script: Script, fault: FaultEntry, options: Options) -> Self {
        let mut world = world(options);
        let subscribes = Some(("#", Qos::AtLeastOnce));
        let none = FaultDocument::default();
        let observer = add(&mut world, "witness", Script { subscribes, ..Script::default() }, &none, 1);
        let script = Script { will: Some("state"), ..script };
        let device = add(&mut world, "device", script, &document([fault]), 1);
        while world.device(device).expect("it is there").ledger().fault_total().outages == 0 {
            world.run_for(SECOND / 100);
        }
        let began = |notice: &DeviceNotice| matches!(notice, DeviceNotice::FaultBegan(..)).then_some(());
        let faulted_at = noticed(&world, device, began)[0].0;
        Self { world, observer, device, faulted_at }
    }

    fn run_for(&mut self, span: Duration) {
        self.world.run_for(span);
        assert_balanced(&self.world);
    }

    /// Disconnects of the device, with their reasons.
    fn lost(&self) -> Vec<(Time, String)> {
        noticed(&self.world, self.device, |notice| match notice {
            DeviceNotice::Disconnected(end, _) => Some(end.reason.clone()),
            _ => None,
        })
    }

    /// Connects of the device after its fault.
    fn reconnects(&self) -> Vec<Time> {
        let connected = |notice: &DeviceNotice| matches!(notice, DeviceNotice::Connected(_)).then_some(());
        let all = noticed(&self.world, self.device, connected);
        all.into_iter().map(|(at, ())| at).filter(|at| *at > self.faulted_at).collect()
    }

    fn will(&self) -> Vec<Time> {
        let received = received(&self.world, self.observer);
        received.into_iter().filter(|(_, payload)| payload == "offline").map(|(at, _)| at).collect()
    }

    /// Time of the last packet from the device before this time.
    fn last_heard(&self, by: Time) -> Time {
        let requests = &self.world.observer().0.requests;
        let of_device = requests.iter().filter(|(at, device, _)| *device == self.device && *at <= by);
        of_device.last().expect("it connected").0
    }

    /// Messages dropped by the fault, outbound and inbound.
    fn dropped(&self) -> (u64, u64) {
        let ledger = self.world.device(self.device).expect("it is there").ledger();
        let total = ledger.fault_total();
        (total.dropped_out, total.dropped_in)
    }
}

fn payload(number: u64) -> Message {
    Message { payload: format!("{number:0100}").into(), ..message("t", "") }
}

/// Arrival time at the broker and length of each publication.
fn published(world: &World) -> Vec<(Time, u64)> {
    let requests = world.observer().0.requests.iter();
    let publishes = requests.filter(|(.., request)| matches!(request, Request::Publish(_)));
    publishes.map(|(at, _, request)| (*at, size::of_request(request, Protocol::V5))).collect()
}

#[test]
fn a_throttle_delays_each_packet_by_its_length() {
    let mut world = world(Options::default());
    let device = add(&mut world, "device", Script::default(), &throttle(1_000, None), 1);
    world.run_until(Time::ZERO + 5 * SECOND);
    for number in 0..50 {
        world.put(device, Input::Publish(payload(number)));
    }
    world.run_for(60 * SECOND);
    let published = published(&world);
    assert_eq!(published.len(), 50, "all are late, none is lost");
    let mut expected = Time::ZERO + 5 * SECOND;
    for (at, bytes) in published {
        assert!(bytes > 100);
        expected = expected + Duration::from_nanos(bytes * 1_000_000);
        assert_eq!(at, expected);
    }
    assert_balanced(&world);
}

#[test]
fn a_full_buffer_makes_the_client_refuse_messages() {
    let mut world = world(Options::default());
    let device = add(&mut world, "device", Script::default(), &throttle(1_000, Some(1_000)), 1);
    world.run_until(Time::ZERO + 5 * SECOND);
    for number in 0..500 {
        world.put(device, Input::Publish(payload(number)));
    }
    let refused = world.device(device).expect("it is there").ledger().refused.queue_full;
    assert!((380..=396).contains(&refused), "some fit into the buffer, 100 wait with the client: {refused}");
    world.run_for(60 * SECOND);
    assert_eq!(published(&world).len() as u64, 500 - refused);
    assert_balanced(&world);
}

#[test]
fn an_inbound_throttle_delays_deliveries() {
    let slow = with(of(Kind::Throttle), json!({"bytes_per_second": 1_000, "direction": Directions::In}));
    let mut world = world(Options::default());
    let subscribes = Some(("t", Qos::AtMostOnce));
    let device = add(&mut world, "device", Script { subscribes, ..Script::default() }, &document([slow]), 1);
    world.run_until(Time::ZERO + 5 * SECOND);
    world.publish(payload(1));
    world.publish(payload(2));
    world.run_for(5 * SECOND);
    let bytes = size::of_request(&Request::Publish(Publish::new(payload(1), None)), Protocol::V5);
    let at = |packets: u64| Time::ZERO + 5 * SECOND + Duration::from_millis(packets * bytes);
    let arrivals: Vec<Time> = received(&world, device).into_iter().map(|(at, _)| at).collect();
    assert_eq!(arrivals, [at(1), at(2)]);
}

#[test]
fn a_short_stall_only_adds_latency() {
    let publishes = Some(("t", Qos::AtMostOnce, SECOND / 10));
    let script = Script { publishes, ..Script::default() };
    let mut run = FaultedDevice::new(script, lasting_fault(Kind::Stall, 4 * SECOND), Options::default());
    let until = run.faulted_at + 4 * SECOND;
    run.run_for(20 * SECOND);
    let arrivals = received(&run.world, run.observer);
    assert!(!arrivals.iter().any(|(at, _)| *at > run.faulted_at && *at < until));
    let at_its_end = arrivals.iter().filter(|(at, _)| *at == until).count();
    assert!((39..=41).contains(&at_its_end), "{at_its_end}");
    let counts: Vec<u64> = arrivals.iter().map(|(_, payload)| payload.parse().expect("a count")).collect();
    assert!(counts.windows(2).all(|pair| pair[1] == pair[0] + 1), "none is lost, and they keep their order");
    assert!(run.lost().is_empty() && run.will().is_empty());
}

#[test]
fn a_long_stall_ends_in_timeouts_at_both_ends() {
    let mut run =
        FaultedDevice::new(Script::default(), lasting_fault(Kind::Stall, 60 * SECOND), Options::default());
    let last_heard = run.last_heard(run.faulted_at);
    run.run_for(100 * SECOND);
    assert_eq!(run.will(), [last_heard + 15 * SECOND], "one and a half keepalives [MQTT-3.1.2-22]");
    let lost = run.lost();
    // A ping after ten seconds without packets, and ten more for its answer.
    assert_eq!(lost[0], (last_heard + 20 * SECOND, "the broker did not answer the keepalive".to_owned()));
    assert!(lost.len() > 1, "connection attempts stall as well, and leave no packets: {lost:?}");
    let reconnects = run.reconnects();
    assert!(reconnects[0] >= run.faulted_at + 60 * SECOND, "{reconnects:?}");
    assert_eq!(reconnects.len(), 1);
}

#[test]
fn a_reset_ends_the_connection_at_both_ends() {
    let latency = SECOND / 50;
    let mut run = FaultedDevice::new(
        Script::default(),
        instant(Kind::Reset),
        Options { latency, ..Options::default() },
    );
    run.run_for(10 * SECOND);
    let reason = "fault `reset` reset the connection".to_owned();
    assert_eq!(run.lost(), [(run.faulted_at, reason)]);
    assert_eq!(run.will(), [run.faulted_at + latency + latency], "one way to the broker, one to the witness");
    let reconnects = run.reconnects();
    assert!(
        reconnects.len() == 1 && reconnects[0] < run.faulted_at + SECOND,
        "it reconnects at once: {reconnects:?}"
    );
}

/// With a slow link, messages are in flight at the reset. At QoS 0 they are lost and counted for the fault.
#[test]
fn messages_in_flight_at_a_reset_are_lost_or_sent_again() {
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
        let publishes = Some(("t", qos, SECOND / 20));
        let options = Options { latency: SECOND / 5, ..Options::default() };
        let script = Script { publishes, ..Script::default() };
        let mut run = FaultedDevice::new(script, instant(Kind::Reset), options);
        run.run_for(20 * SECOND);
        let ledger = run.world.device(run.device).expect("it is there").ledger();
        let lost = run.dropped().0;
        match qos {
            Qos::AtMostOnce => {
                assert_eq!(lost, 4, "the messages of the last 0.2 s");
                assert!(ledger.lost_offline >= 4, "nothing is sent until the reconnect");
            }
            _ => {
                assert_eq!((lost, ledger.lost_offline), (0, 0));
                let arrivals = received(&run.world, run.observer);
                let messages = arrivals.iter().filter(|(_, payload)| payload != "offline");
                let mut counts: Vec<u64> = messages.map(|(_, it)| it.parse().expect("a count")).collect();
                counts.sort_unstable();
                counts.dedup();
                assert!(counts.windows(2).all(|pair| pair[1] == pair[0] + 1), "none is missing");
            }
        }
    }
}

#[test]
fn a_half_open_connection_times_out_at_both_ends() {
    let publishes = Some(("t", Qos::AtMostOnce, SECOND));
    let script = Script { publishes, ..Script::default() };
    let mut run = FaultedDevice::new(script, instant(Kind::HalfOpen), Options::default());
    let last_heard = run.last_heard(run.faulted_at);
    run.world.put(run.device, Input::Publish(at_qos_1("t", "to be kept")));
    run.run_for(120 * SECOND);
    assert_eq!(run.will()[0], last_heard + 15 * SECOND);
    // The device sends a message each second, and still pings, as it receives nothing.
    let reasons: Vec<_> = run.lost().into_iter().map(|(_, reason)| reason).collect();
    assert_eq!(reasons, ["the broker did not answer the keepalive"]);
    assert!((10..=20).contains(&run.dropped().0), "{:?}", run.dropped());

    let mut run = FaultedDevice::new(Script::default(), instant(Kind::HalfOpen), Options::default());
    let last_heard = run.last_heard(run.faulted_at);
    run.world.put(run.device, Input::Publish(at_qos_1("t", "to be kept")));
    run.run_for(60 * SECOND);
    assert_eq!(run.will(), [last_heard + 15 * SECOND]);
    let no_answer = "the broker did not answer the keepalive".to_owned();
    assert_eq!(run.lost(), [(last_heard + 20 * SECOND, no_answer)]);
    let arrivals = received(&run.world, run.observer);
    let repeated: Vec<Time> =
        arrivals.iter().filter(|(_, payload)| payload == "to be kept").map(|(at, _)| *at).collect();
    assert_eq!(repeated, run.reconnects(), "it is sent again on the next connection, once");
    assert_eq!(run.dropped(), (0, 0), "no message was lost");
}

#[test]
fn a_connection_that_is_half_open_in_one_direction_works_in_the_other() {
    let one_way = |direction| with(instant(Kind::HalfOpen), json!({"direction": direction}));
    let subscribes = Some(("news", Qos::AtMostOnce));

    // The broker receives nothing from the device, which gets the broker's DISCONNECT.
    let script = Script { subscribes, ..Script::default() };
    let mut run = FaultedDevice::new(script, one_way(Directions::Out), Options::default());
    let last_heard = run.last_heard(run.faulted_at);
    run.world.publish(message("news", "x"));
    run.run_for(30 * SECOND);
    assert_eq!(received(&run.world, run.device).len(), 1);
    assert_eq!(run.lost()[0], (last_heard + 15 * SECOND, "keepalive timed out".to_owned()));

    // The device receives nothing from the broker and disconnects; the broker receives the DISCONNECT.
    let mut run = FaultedDevice::new(script, one_way(Directions::In), Options::default());
    run.world.publish(message("news", "x"));
    run.run_for(30 * SECOND);
    assert!(received(&run.world, run.device).is_empty());
    assert_eq!(run.dropped(), (0, 1), "the fault dropped the message");
    let lost = run.lost();
    assert_eq!(lost[0].1, "the broker did not answer the keepalive");
    assert_eq!(run.will(), [lost[0].0]);
}

/// Two hours with frequent link faults: every message between devices, broker and monitor is accounted for.
#[test]
fn every_message_over_faulty_links_is_accounted_for() {
    let often = |entry: FaultEntry| with(entry, json!({"every": Span(60 * SECOND), "probability": 0.5}));
    let faults = document([
        often(lasting_fault(Kind::Stall, 20 * SECOND)),
        often(instant(Kind::Reset)),
        often(instant(Kind::HalfOpen)),
        with(
            often(lasting_fault(Kind::Throttle, 25 * SECOND)),
            json!({"bytes_per_second": 200, "buffer_bytes": 500}),
        ),
    ]);
    let latency = SECOND / 20;
    let mut world = world(Options { latency, ..Options::default() });
    let subscribes = Some(("#", Qos::AtMostOnce));
    let monitor = add(&mut world, "monitor", Script { subscribes, ..Script::default() }, &faults, 3);
    let publishes = Some(("t", Qos::AtMostOnce, SECOND / 4));
    for name in ["a", "b", "c", "d"] {
        add(&mut world, name, Script { publishes, ..Script::default() }, &faults, 3);
    }
    world.run_until(Time::ZERO + 7_200 * SECOND);
    let all: Vec<DeviceIndex> = (0..5).map(DeviceIndex).collect();
    all.iter().for_each(|&device| world.put(device, Input::SetFaults(Vec::new().into())));
    // Half-open connections time out and messages in flight arrive while no device publishes.
    all[1..].iter().for_each(|&device| {
        world.put(device, Input::Stop(wasmote_sim::event::StopReason::Requested));
    });
    world.run_for(60 * SECOND);
    assert_balanced(&world);
    let (counts, counters) = (world.counts(), world.broker().counters().clone());
    let sum = |of: fn(&wasmote_sim::ledger::Ledger) -> u64| -> u64 {
        world.devices().map(|device| of(device.ledger())).sum()
    };
    assert_eq!(sum(|ledger| ledger.sent), counters.received + counts.lost_up);
    let monitor = world.device(monitor).expect("it is there").ledger();
    assert_eq!(monitor.arrived + counts.lost_down, counters.delivered);
    let dropped = sum(|ledger| ledger.fault_total().dropped_out);
    assert!(dropped > 1_000 && monitor.fault_total().dropped_in > 1_000, "{dropped} {monitor:?}");
    assert!(monitor.received > 10_000, "{monitor:?}");
}
