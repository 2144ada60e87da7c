//! Process resources of many guests.

use std::time::Duration;

use crate::guests::{self, Guest};
use crate::harness::Harness;

/// Linux limits a process to about 65,000 mappings, so guests must share them.
#[cfg(target_os = "linux")]
#[test]
fn guests_share_the_mappings_of_their_memories() {
    use wasmote_mqtt::time::Time;
    use wasmote_sim::device::{Device, Input, Now};

    const GUESTS: usize = 3_000;
    let blueprint = Harness::new(&guests::well_behaved().component()).blueprint();
    let mut fleet: Vec<_> = (0..GUESTS).map(|_| Device::new(blueprint.clone(), Time::ZERO)).collect();
    let before = mappings();
    for device in &mut fleet {
        device.handle(Input::Start, Now::default(), &mut Vec::new());
    }
    assert!(fleet.iter().all(Device::is_running));
    let added = mappings().saturating_sub(before);
    assert!(added < GUESTS / 20, "{GUESTS} guests added {added} mappings");
}

#[cfg(target_os = "linux")]
fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").expect("a process knows its mappings").lines().count()
}

/// Ten more pages exceed the slot. The guest must find its old data afterwards, and zeros in the new pages up
/// to the last byte.
#[test]
fn a_guest_that_outgrows_its_slot_keeps_what_it_wrote() {
    let grower = Guest {
        start: "(call $set-timer-1s)",
        timer: "(i32.store (i32.const 60000) (i32.const 4711))
                (if (i32.eq (memory.grow (i32.const 10)) (i32.const -1)) (then unreachable))
                (if (i32.ne (i32.load (i32.const 60000)) (i32.const 4711)) (then unreachable))
                (if (i32.ne (i32.load (i32.const 720892)) (i32.const 0)) (then unreachable))
                (i32.store (i32.const 720892) (i32.const 1))",
        ..Guest::default()
    };
    let mut harness = Harness::new(&grower.component()).start();
    harness.run(Duration::from_secs(2));
    assert_eq!(harness.traps(), Vec::<String>::new());
}

/// Slots are adjacent, so an access beyond a memory would reach another guest.
#[test]
fn a_guest_that_reads_past_its_memory_traps() {
    for address in [65_536_u32, 262_144, 16 << 20, u32::MAX - 8] {
        let timer = format!("(drop (i32.load (i32.const {})))", address as i32);
        let peeker = Guest { start: "(call $set-timer-1s)", timer: &timer, ..Guest::default() };
        let mut harness = Harness::new(&peeker.component()).start();
        harness.run(Duration::from_secs(2));
        let traps = harness.traps();
        assert!(traps.first().is_some_and(|trap| trap.contains("out of bounds")), "{address}: {traps:?}");
    }
}
