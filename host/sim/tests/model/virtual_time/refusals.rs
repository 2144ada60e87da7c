//! Negative answers of the broker model, and the counts of messages that come back.

use std::time::Duration;

use wasmote_mqtt::message::Qos;
use wasmote_mqtt::time::Time;
use wasmote_sim::device::Input;
use wasmote_sim::faults::document::FaultDocument;
use wasmote_sim::ledger::Ledger;
use wasmote_sim::notice::{DeviceNotice, DropCause};
use wasmote_sim::virtual_time::observer::DeviceIndex;
use wasmote_sim::virtual_time::options::Options;

use super::world::{Script, World, add, assert_balanced, noticed, world};

const SECOND: Duration = Duration::from_secs(1);

fn ledger(world: &World, device: DeviceIndex) -> &Ledger {
    world.device(device).expect("it is there").ledger()
}

fn answers(world: &World, device: DeviceIndex) -> Vec<(String, u64)> {
    let answers = ledger(world, device).negative_answers.iter();
    answers.map(|(answer, count)| (answer.to_string(), *count)).collect()
}

/// The broker model refuses messages on its reserved topics, as Mosquitto does.
#[test]
fn a_message_that_the_model_refuses_is_not_sent() {
    for (qos, packet) in [(Qos::AtLeastOnce, "PUBACK"), (Qos::ExactlyOnce, "PUBREC")] {
        let mut world = world(Options::default());
        let publishes = Some(("$SYS/mine", qos, SECOND));
        let script = Script { publishes, ..Script::default() };
        let device = add(&mut world, "device", script, &FaultDocument::default(), 1);
        world.run_until(Time::ZERO + 10 * SECOND + SECOND / 2);
        let counts = ledger(&world, device);
        assert_eq!((counts.generated, counts.sent, counts.refused.broker), (10, 0, 10));
        assert_eq!(answers(&world, device), [(format!("{packet} 0x87 not authorized"), 10)]);
        let noticed = noticed(&world, device, |notice| match notice {
            DeviceNotice::Dropped(_, DropCause::Answer(answer), _) => Some(answer.to_string()),
            _ => None,
        });
        assert_eq!(noticed.len(), 10);
        assert_balanced(&world);
    }
}

#[test]
fn a_subscription_that_the_model_refuses_is_counted() {
    let mut world = world(Options::default());
    let subscribes = Some(("$share/group", Qos::AtLeastOnce));
    let script = Script { subscribes, ..Script::default() };
    let device = add(&mut world, "device", script, &FaultDocument::default(), 1);
    world.run_for(SECOND);
    assert_eq!(answers(&world, device), [("SUBACK 0x8F topic filter invalid".to_owned(), 1)]);
    let noticed = noticed(&world, device, |notice| match notice {
        DeviceNotice::RequestRefused(request, answer) => Some(format!("{request:?} {answer}")),
        _ => None,
    });
    assert!(noticed[0].1.contains("$share/group"), "{noticed:?}");
}

/// Two devices with one client identifier end each other's connections.
#[test]
fn the_code_of_a_disconnect_is_counted() {
    let mut world = world(Options::default());
    let pair = [1, 2].map(|seed| add(&mut world, "same", Script::default(), &FaultDocument::default(), seed));
    world.run_for(20 * SECOND);
    for device in pair {
        let answers = answers(&world, device);
        assert!(
            matches!(&answers[..], [(text, 2..)] if text == "DISCONNECT 0x8E session taken over"),
            "{answers:?}"
        );
    }
}

/// A message counts as sent when it has left for good, and once, however often it was sent.
#[test]
fn repeated_messages_count_once_as_sent() {
    let mut world = world(Options { latency: SECOND / 10, ..Options::default() });
    let publishes = Some(("t", Qos::AtLeastOnce, SECOND));
    let script = Script { publishes, ..Script::default() };
    let device = add(&mut world, "device", script, &FaultDocument::default(), 1);
    world.run_until(Time::ZERO + SECOND + SECOND / 20);
    let in_flight = world.device(device).expect("it is there").in_flight();
    assert_eq!((ledger(&world, device).generated, ledger(&world, device).sent, in_flight), (1, 0, 1));
    let twin = add(&mut world, "device", Script::default(), &FaultDocument::default(), 2);
    world.run_for(30 * SECOND);
    world.put(twin, Input::Stop(wasmote_sim::event::StopReason::Requested));
    world.run_for(60 * SECOND);
    assert_balanced(&world);
    let counts = ledger(&world, device);
    assert!(counts.returned > 0, "the connection broke with messages in flight: {counts:?}");
    assert!(counts.generated - counts.sent <= 1, "{counts:?}");
}
