//! Reordering, and copies with a delay.

use std::time::Duration;

use serde_json::json;
use wasmote_mqtt::message::Message;
use wasmote_sim::device::Input;
use wasmote_sim::faults::document::{FaultDocument, Kind};
use wasmote_sim::faults::span::Span;
use wasmote_sim::faults::{Direction, Directions};
use wasmote_sim::notice::DeviceNotice;

use super::{DRAWS, World, assert_proportion};
use crate::harness::{Harness, document, fault, idle, message};

fn reorder(probability: f64, gap: u32) -> FaultDocument {
    document([fault(json!({
        "kind": Kind::Reorder,
        "probability": probability,
        "gap": gap,
        "max": Span(Duration::from_secs(5)),
        "direction": Directions::Both,
    }))])
}

fn numbered(number: usize) -> Message {
    Message { payload: number.to_string().into(), ..message("t", "") }
}

fn numbers(passed: &[(Message, Duration)]) -> Vec<usize> {
    passed.iter().map(|(message, _)| String::from_utf8_lossy(&message.payload).parse().unwrap()).collect()
}

#[test]
fn held_messages_have_the_configured_share_and_gap() {
    let mut world = World::new(reorder(0.1, 3), "a");
    let mut passed = Vec::new();
    let mut held = 0;
    for number in 0..DRAWS {
        let before = world.injector.held(Direction::Out);
        let out = numbers(&world.pass(&numbered(number)));
        held += usize::from(out.is_empty());
        assert!(!out.is_empty() || world.injector.held(Direction::Out) == before + 1);
        passed.extend(out);
    }
    assert_proportion(held, 0.1);
    assert_eq!(passed.len() + world.injector.held(Direction::Out), DRAWS, "none is lost");
    let mut place = vec![usize::MAX; DRAWS];
    for (at, &number) in passed.iter().enumerate() {
        place[number] = at;
    }
    // A message that was not held back precedes all later messages. A held message has been overtaken by
    // three of those, and by no message that was held back after it.
    let mut overtaken_by = [0_usize; 5];
    for number in 0..DRAWS - 100 {
        let later = place[number + 1..number + 60].iter().filter(|&&other| other < place[number]).count();
        overtaken_by[later.min(4)] += 1;
    }
    assert_eq!(overtaken_by[1] + overtaken_by[2] + overtaken_by[4], 0, "{overtaken_by:?}");
    assert!(overtaken_by[3] > 0 && overtaken_by[0] > 0);
}

#[test]
fn a_held_message_is_released_at_the_timeout() {
    let mut world = World::new(reorder(1.0, 1), "a");
    assert!(world.pass(&numbered(1)).is_empty());
    let due = world.injector.next_release().unwrap();
    assert_eq!(due.elapsed(), Duration::from_secs(5));
    let mut passed = Vec::new();
    assert!(world.injector.release(world.now, &mut world.ledger, &mut passed).is_none(), "not before");
    let released = world.injector.release(due, &mut world.ledger, &mut passed).unwrap();
    assert_eq!((released.direction, released.dropped_by), (Direction::Out, None));
    assert_eq!(numbers(&passed), [1]);
    assert_eq!(world.injector.held(Direction::Out), 0);
}

#[test]
fn a_released_message_passes_the_following_faults() {
    let mut faults = reorder(1.0, 1);
    let loss = fault(json!({"kind": "loss", "probability": 1.0, "direction": Directions::Both}));
    faults.faults.push(loss);
    let mut world = World::new(faults, "a");
    assert!(world.pass(&numbered(1)).is_empty());
    let dropped = |world: &World| world.ledger.fault_total().dropped_out;
    assert_eq!(dropped(&world), 0, "the next fault has not seen it yet");
    let due = world.injector.next_release().unwrap();
    let mut passed = Vec::new();
    let released = world.injector.release(due, &mut world.ledger, &mut passed).unwrap();
    assert_eq!((released.dropped_by.as_deref(), passed.len(), dropped(&world)), (Some("loss"), 0, 1));
}

#[test]
fn the_number_of_held_messages_is_bounded() {
    let mut world = World::new(reorder(1.0, 1_000), "a");
    let through = (0..1_999).filter(|&n| !world.pass(&numbered(n)).is_empty()).count();
    assert_eq!((through, world.injector.held(Direction::Out)), (999, 1_000));
    assert_eq!(
        world.pass(&numbered(1_999)).len(),
        1_001,
        "the thousandth later message releases all of them"
    );
}

#[test]
fn copies_follow_at_the_configured_interval() {
    let entry = fault(json!({
        "kind": Kind::Duplicate,
        "probability": 1.0,
        "copies": 2,
        "apart": Span(Duration::from_millis(30)),
    }));
    let mut world = World::new(document([entry]), "a");
    let delays: Vec<_> = world.pass(&numbered(1)).iter().map(|(_, delay)| delay.as_millis()).collect();
    assert_eq!(delays, [0, 30, 60]);
}

#[test]
fn a_held_message_that_is_then_lost_has_a_notice() {
    let mut faults = reorder(0.5, 1);
    faults.faults.push(fault(json!({"kind": "loss", "probability": 0.5})));
    let mut harness = Harness::new(idle, faults);
    for _ in 0..1_000 {
        harness.put(Input::Publish(message("t", "x")));
    }
    let notices = harness.notices(|notice| matches!(notice, DeviceNotice::Dropped(..)).then_some(())).len();
    let counts = harness.device.ledger().fault_total();
    assert_eq!(notices as u64, counts.dropped_out);
    assert!(notices > 300 && counts.delayed > 300, "{counts:?}");
    assert!(harness.closes());
}
