//! Signals at random moments.

use std::time::{Duration, Instant};

use crate::live_run::{LiveRun, Setup, assert_readable};
use crate::rounds;

/// Rounds in CI.
const ROUNDS: u32 = 3;

/// Pseudo-random milliseconds below a bound, the same in every run.
fn moments(below: u64) -> impl Iterator<Item = Duration> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Duration::from_millis(state % below)
    })
}

#[test]
fn a_process_that_is_stopped_and_continued() {
    let run = LiveRun::start(&Setup::default());
    run.wait_for_messages();
    let before = run.usage();
    // Longer than one and a half keepalives once, and short stops.
    let stops = std::iter::once(Duration::from_secs(9)).chain(moments(700)).take(2 + rounds(ROUNDS) as usize);
    for stop in stops {
        run.signal("STOP");
        std::thread::sleep(stop);
        run.signal("CONT");
        run.wait_until_connected();
    }
    run.wait_for_messages();
    run.assert_recovered(before);
    run.stop();
}

/// A signal during the start ends the program, too.
#[test]
fn sigterm_at_any_moment_ends_the_program_in_time() {
    for moment in moments(2_500).take(rounds(ROUNDS) as usize) {
        let mut run = LiveRun::spawn(&Setup::default());
        std::thread::sleep(moment);
        run.signal("TERM");
        let began = Instant::now();
        let code = run.end();
        let stderr = run.stderr.all().join("\n");
        // 143 before the program has a handler.
        assert!(matches!(code, Some(130) | None), "after {moment:?}: {code:?}: {stderr}");
        assert!(began.elapsed() < Duration::from_secs(20), "after {moment:?}: it took {:?}", began.elapsed());
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
}

#[test]
fn results_of_a_process_that_is_killed_at_any_moment_can_be_read() {
    for moment in moments(3_000).take(rounds(ROUNDS) as usize) {
        let mut run = LiveRun::start(&Setup::default());
        run.wait_for_messages();
        std::thread::sleep(moment);
        run.signal("KILL");
        assert_eq!(run.end(), None);
        let folder = run.results();
        let manifest = std::fs::read_to_string(folder.join("manifest.json")).expect("a manifest");
        assert!(manifest.contains("\"complete\": false"), "{manifest}");
        assert_readable(&folder);
    }
}
