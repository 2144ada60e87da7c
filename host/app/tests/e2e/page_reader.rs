//! What a reader who sees only the page can say about a fleet: who has a problem, since when, why, and what to do.
//!
//! `docs/page-trial.md` tells how these sentences were found.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::browser::Browser;
use crate::fleet::Fleet;
use crate::guests::{Guest, trapping};
use crate::mosquitto::{Mosquitto, free_port};
use crate::page::{check_clean, open, screenshots, wait_for_text};

/// Opens the page and waits until it has all of these sentences about what is wrong.
fn read(browser: &mut Browser, fleet: &Fleet, sentences: &[&str]) {
    open(browser, fleet, "fleet", 1400);
    await_sentences(browser, sentences);
    check_clean(browser, &fleet.http);
}

fn await_sentences(browser: &mut Browser, sentences: &[&str]) {
    let wanted = serde_json::to_string(sentences).expect("text");
    let condition =
        format!("{wanted}.every((it) => document.getElementById(\"problems\").textContent.includes(it))");
    browser.wait_until(&condition, Duration::from_secs(60));
}

/// A fleet of two groups that send heartbeats to each other.
fn two_groups(broker: &str) -> (tempfile::TempDir, Fleet) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("fleet.toml");
    let group = |name: &str| {
        format!(
            "[[group]]\nname = \"{name}\"\nbehaviour = \"heartbeat\"\ncount = 3\n\
             config = {{ interval = \"200ms\", peers = \"all\" }}\n"
        )
    };
    std::fs::write(&file, group("west") + &group("east")).expect("a file");
    let config = file.to_str().expect("text");
    (folder, Fleet::run(&["--config", config, "--broker", broker, "--faults", "none"]).ready())
}

#[test]
fn a_reader_learns_who_is_behind_a_partition() {
    let broker = Mosquitto::start();
    let (_folder, fleet) = two_groups(&broker.url());
    let mut browser = Browser::start_local();
    let set = |path: &str, fault: &str| {
        let (status, answer) = fleet.send("PUT", path, &format!("{{\"fault\": [{fault}]}}"));
        assert_eq!(status, 200, "{answer}");
    };
    set("/faults", r#"{"kind": "partition", "id": "west-cut", "group": "west"}"#);
    read(
        &mut browser,
        &fleet,
        &[
            "The partition “west-cut” cuts group west (3 devices) off from the broker.",
            "since 0:",
            "so these devices count as connected, and",
            "Remove “west-cut” under Faults to end it.",
        ],
    );
    browser.screenshot(&screenshots().join("problem-partition-1400-light.png"));
    // Of one device, in one direction, set for its group.
    set("/groups/east/faults", r#"{"kind": "partition", "device": "east-2", "direction": "out"}"#);
    await_sentences(
        &mut browser,
        &[
            "The partition “partition” cuts east-2 off from the broker.",
            "messages a second that they publish are dropped",
        ],
    );
    // Between two sides.
    set(
        "/faults",
        r#"{"kind": "partition", "id": "split", "device": "west-*", "peers": ["west-*"], "direction": "in"}"#,
    );
    await_sentences(
        &mut browser,
        &[
            "The partition “split” cuts 3 devices (west-*) off from west-*.",
            "between the two sides are dropped.",
        ],
    );
    // The link of the problem leads to its remedy.
    browser.click("#problems button[data-key*=\"partition “partition”\"][data-key$=\"Open Faults\"]");
    wait_for_text(&mut browser, "#faults-current", "Set for the group");
    wait_for_text(&mut browser, "#faults-current", "east-2");
}

#[test]
fn a_reader_learns_that_a_broker_is_silent() {
    let broker = Mosquitto::start();
    let keepalive = ["--broker", &broker.url(), "--faults", "none", "--keepalive", "5s"];
    let talking =
        ["heartbeat", "--devices", "3", "--device-config", "peers=all", "--device-config", "interval=200ms"];
    let talking = Fleet::run(&[&talking[..], &keepalive].concat()).ready();
    // These devices subscribe to nothing that is published, so only pings tell that the broker is silent.
    let publishing =
        ["sensor", "--devices", "2", "--topic-root", "lab", "--device-config", "report_interval=500ms"];
    let publishing = Fleet::run(&[&publishing[..], &keepalive].concat()).ready();
    let mut browser = Browser::start_local();
    open(&mut browser, &talking, "fleet", 1400);
    await_sentences(&mut browser, &["Nothing: 3 devices connected, and no message is lost."]);
    browser.wait_until(
        "document.getElementById(\"tiles\").textContent.includes(\"received\")",
        Duration::from_secs(20),
    );
    let samples = || talking.get("/recording")["samples"].as_array().map_or(0, Vec::len);
    talking.wait_until("some samples", Duration::from_secs(30), |_| samples() > 6);
    broker.freeze();
    let url = broker.url();
    let early = format!("The broker at {url} does not answer, although 3 devices count as connected.");
    await_sentences(&mut browser, &[&early, "Its process is stopped or overloaded", "since 0:"]);
    let late = format!("The broker at {url} does not answer: all 3 devices are offline.");
    await_sentences(
        &mut browser,
        &[&late, "its process is stopped or overloaded", "The devices try again by themselves."],
    );
    browser.screenshot(&screenshots().join("problem-silent-broker-1400-light.png"));
    read(
        &mut browser,
        &publishing,
        &[&format!("The broker at {url} does not answer: all 2 devices are offline.")],
    );
}

#[test]
fn a_reader_learns_that_a_broker_is_not_there_or_denies_access() {
    let port = free_port();
    let absent =
        Fleet::run(&["-n", "2", "--faults", "none", "--broker", &format!("mqtt://127.0.0.1:{port}")]);
    let mut browser = Browser::start_local();
    read(
        &mut browser,
        &absent,
        &[
            &format!("The broker at mqtt://127.0.0.1:{port} is not there: all 2 devices are offline."),
            "Start the broker, or check its host and port.",
        ],
    );
    let broker = Mosquitto::start_with("allow_anonymous false");
    let denied = Fleet::run(&["-n", "2", "--faults", "none", "--broker", &broker.url()]);
    read(
        &mut browser,
        &denied,
        &[
            &format!("The broker at {} denies access: all 2 devices are offline.", broker.url()),
            "Check the user, the password and the access rules",
        ],
    );
}

#[test]
fn a_reader_learns_which_behaviour_traps() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, guest: &Guest<'_>| {
        let file = folder.path().join(name);
        std::fs::write(&file, guest.component()).expect("a file");
        file
    };
    let bad = file("bad.wasm", &trapping());
    let greedy = file("greedy.wasm", &crate::guests::memory_eater());
    let config = folder.path().join("fleet.toml");
    let text = format!(
        "[[group]]\nname = \"mill\"\nbehaviour = {bad:?}\ncount = 3\n[[group]]\nbehaviour = {greedy:?}\ncount = 1\n\
         [[group]]\nbehaviour = \"heartbeat\"\ncount = 2\n"
    );
    std::fs::write(&config, text).expect("a file");
    let fleet = Fleet::run(&["--config", config.to_str().expect("text"), "--faults", "none"]);
    let mut browser = Browser::start_local();
    read(
        &mut browser,
        &fleet,
        &[
            "The behaviour bad traps on 3 of 3 devices of group mill: its code fails.",
            "The behaviour greedy traps on greedy-0: its code fails.",
            "since 0:0",
            "a panic or an explicit trap",
            "ran out of memory",
            "Each device starts again after a pause that grows.",
            "drop the new version under Behaviours",
        ],
    );
    browser.screenshot(&screenshots().join("problem-trap-1400-light.png"));
    browser.click("#problems button[data-key$=\"Open Behaviours\"]");
    wait_for_text(&mut browser, "#behaviours", "bad");
}

/// Another program with the client id of a device.
struct Intruder(Child);

impl Drop for Intruder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_reader_learns_which_client_id_is_doubled() {
    let broker = Mosquitto::start();
    let fleet = Fleet::run(&["-n", "4", "--faults", "none", "--broker", &broker.url()]).ready();
    let intruder = Command::new("mosquitto_sub")
        .args(["-h", "127.0.0.1", "-p", &broker.port.to_string(), "-i", "heartbeat-2", "-t", "none"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto_sub is installed");
    let intruder = Intruder(intruder);
    let mut browser = Browser::start_local();
    read(
        &mut browser,
        &fleet,
        &[
            "Another client uses the client id of heartbeat-2, and they throw each other out of the broker.",
            "since 0:",
            "a tool seems to use the same name",
            "Look in the log of the broker for two addresses with “heartbeat-2”.",
        ],
    );
    browser.screenshot(&screenshots().join("problem-client-id-1400-light.png"));
    drop(intruder);
    // A whole fleet with the same names.
    let _second = Fleet::run(&["-n", "4", "--faults", "none", "--broker", &broker.url()]);
    await_sentences(
        &mut browser,
        &[
            "Another client uses the client ids of heartbeat-",
            "A second fleet with the same names seems to run.",
        ],
    );
}
