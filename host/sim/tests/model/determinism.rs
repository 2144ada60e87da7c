//! The same seed gives the same actions, and another seed gives others.

use std::time::Duration;

use wasmote_sim::device::Input;
use wasmote_sim::faults::document::FaultDocument;

use crate::bench::{Bench, ticker};
use crate::ledger::everything;

/// An hour of ticking and listening. Where a battery is empty, somebody brings another.
fn all_faults(seed: u64) -> String {
    let mut bench = Bench::named("west-0", "west", ticker, everything(), seed);
    for _ in 0..360 {
        bench.run(Duration::from_secs(10));
        bench.hear("east-0");
        bench.put(Input::Start);
    }
    format!("{:?}", bench.actions)
}

/// FNV-1a, 64 bits.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn realistic(seed: u64) -> String {
    let mut bench = Bench::named("west-0", "west", ticker, FaultDocument::realistic(), seed);
    bench.run(Duration::from_secs(3600));
    format!("{:?}", bench.actions)
}

#[test]
fn an_hour_of_faults_is_the_same_twice() {
    for history in [realistic, all_faults] {
        assert!(history(7) == history(7));
        assert!(history(7) != history(8));
    }
}

#[test]
fn an_hour_of_realistic_faults_is_the_same_in_every_release() {
    // Written down once: a change here means that published seeds tell another story now.
    assert_eq!(digest(&realistic(7)), 8_727_744_848_711_410_395);
}

#[test]
fn an_hour_of_all_faults_is_the_same_on_every_platform() {
    // What is reckoned in floating point may not differ in its last bit either. Other entries in the list of
    // all faults make another number.
    assert_eq!(digest(&all_faults(7)), 14_642_137_712_930_565_026);
}
