//! The same seed gives the same actions, and another seed gives others.
//!
//! Equal results in one process may still depend on the process, its environment or its build. So one test
//! prints the histories as digests, line by line. Another process compares them here; `.ci/determinism`
//! compares them with another build profile and with builds that are broken on purpose.

use std::process::Command;
use std::time::Duration;

use wasmote_sim::action::Action;
use wasmote_sim::device::Input;
use wasmote_sim::faults::document::FaultDocument;

use crate::harness::{Harness, ticker};
use crate::ledger::every_fault;
use crate::virtual_time::history::{crowd, twenty_minutes};

/// One hour with a ticker and received messages. Dead devices are started again.
fn all_faults(seed: u64) -> String {
    let mut harness = Harness::named("west-0", "west", ticker, every_fault(), seed);
    for _ in 0..360 {
        harness.run(Duration::from_secs(10));
        harness.deliver_from("east-0");
        harness.put(Input::Start);
    }
    recorded(&harness.actions)
}

/// The actions in the notation of the recorded digests below, so that a rename in the source does not change
/// them.
fn recorded(actions: &[Action]) -> String {
    const RENAMED: [(&str, &str); 11] = [
        ("SetLinkConditions(LinkConditions { outbound: ", "Weather(Weather { out: "),
        (", inbound: ", ", inward: "),
        ("DirectionConditions", "Flow"),
        (", rate: ", ", pace: "),
        ("ThrottleRate", "Pace"),
        ("BreakLink(", "Strike("),
        ("Disconnect(Abort)", "Disconnect(Cut)"),
        ("origin: ", "stamp: "),
        ("MessageOrigin", "Stamp"),
        ("Disconnection { reason: ", ""),
        (", answer: None, is_unexplained: false }", ""),
    ];
    let renamed = RENAMED.iter().fold(format!("{actions:?}"), |text, (now, then)| text.replace(now, then));
    without_refs(&without_late(&renamed))
}

/// The text without the references of notices to their messages, which are younger than the recorded digests.
fn without_refs(text: &str) -> String {
    let mut parts = text.split(", MessageRef(");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept += part.split_once(')').map_or(part, |(_, rest)| rest);
    }
    kept
}

/// The text without the field `late` of origins, which is younger than the recorded digests.
fn without_late(text: &str) -> String {
    let mut parts = text.split(", late: ");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept += part.find(" }").map_or(part, |end| &part[end..]);
    }
    kept
}

/// FNV-1a hash, 64 bits.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn realistic(seed: u64) -> String {
    let mut harness = Harness::named("west-0", "west", ticker, FaultDocument::realistic(), seed);
    harness.run(Duration::from_secs(3600));
    recorded(&harness.actions)
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
    // Recorded value: a change breaks every published seed.
    assert_eq!(digest(&realistic(7)), 8_727_744_848_711_410_395);
}

#[test]
fn an_hour_of_all_faults_is_the_same_on_every_platform() {
    // Recorded value: floating-point results must be equal in every bit. The value depends on the list of all
    // faults.
    assert_eq!(digest(&all_faults(7)), 14_642_137_712_930_565_026);
}

/// One line for each history, with its name and digest.
fn digest_lines() -> String {
    let histories = [
        ("an hour of realistic faults", format!("{:016x}", digest(&realistic(7)))),
        ("an hour of all faults", format!("{:016x}", digest(&all_faults(7)))),
        ("twenty minutes of fifty devices", twenty_minutes(7).observer().1.to_string()),
        ("a crowd", crowd(7).observer().1.to_string()),
    ];
    histories.into_iter().map(|(name, digest)| format!("history: {name}: {digest}\n")).collect()
}

#[test]
#[ignore = "prints the digests that other processes and builds compare with theirs"]
fn the_histories_as_digests() {
    print!("\n{}", digest_lines());
}

#[test]
fn another_process_with_another_folder_locale_and_time_zone_gives_the_same_digests() {
    let this = std::env::current_exe().expect("a test is a program");
    let output = Command::new(this)
        .args(["--ignored", "--exact", "determinism::the_histories_as_digests", "--nocapture"])
        .current_dir(std::env::temp_dir())
        .env_clear()
        .envs([("LC_ALL", "tr_TR.UTF-8"), ("TZ", "Pacific/Chatham"), ("HOME", "/")])
        .output()
        .expect("this program can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = String::from_utf8(output.stdout).expect("it is text");
    let theirs: Vec<&str> = output.lines().filter(|line| line.starts_with("history: ")).collect();
    assert_eq!(theirs, digest_lines().lines().collect::<Vec<_>>());
}
