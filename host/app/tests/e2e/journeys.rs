//! Journeys of messages of running fleets: what each fault decided, when the broker took a message, who got it, and who
//! should have and did not. With the embedded broker and with Mosquitto, over the API and on the page.

use std::path::Path;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::Mosquitto;
use crate::page::{check_clean, open, screenshots, wait_for_text};

const FAULTS: &str = r#"
[[faults]]
kind = "loss"
probability = 1
device = "heartbeat-0"

[[faults]]
kind = "delay"
distribution = "constant"
mean = "300ms"
device = "heartbeat-1"

[[faults]]
kind = "duplicate"
probability = 1
copies = 2
device = "heartbeat-2"

[[faults]]
id = "deaf"
kind = "loss"
direction = "in"
probability = 1
device = "heartbeat-4"
"#;

/// Five devices, each subscribed to the messages of all, that publish nothing for themselves.
fn fleet(faults: &str, more: &[&str]) -> Fleet {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("faults.toml");
    std::fs::write(&file, faults).expect("a file");
    let file = file.to_str().expect("text");
    let arguments =
        ["heartbeat", "--devices", "5", "--device-config", "interval=1h", "--seed", "1", "--faults", file];
    Fleet::run(&[&arguments, more].concat()).ready()
}

/// Publishes as a device. Returns the id of the message.
fn publish(fleet: &Fleet, device: &str, qos: u8) -> String {
    let body = json!({"device": device, "message": format!("from {device}"), "qos": qos}).to_string();
    let (status, answer) = fleet.send("POST", "/publish", &body);
    assert_eq!(status, 200, "{answer}");
    answer["message_id"].as_str().expect("an id").to_owned()
}

/// The journey of a message as soon as it has this outcome.
fn journey(fleet: &Fleet, id: &str, outcome: &str) -> Value {
    let path = format!("/messages/{id}");
    fleet.wait_until(&format!("{id} is {outcome}: {}", fleet.get(&path)), DEFAULT_TIMEOUT, |fleet| {
        fleet.get(&path)["outcome"] == outcome
    });
    fleet.get(&path)
}

fn step<'a>(journey: &'a Value, name: &str) -> &'a Value {
    let steps = journey["steps"].as_array().expect("steps");
    steps.iter().find(|step| step["step"] == name).unwrap_or_else(|| panic!("no step {name}: {journey:#}"))
}

fn receiver<'a>(journey: &'a Value, device: &str) -> &'a Value {
    let receivers = journey["receivers"].as_array().expect("receivers");
    let found = receivers.iter().find(|receiver| receiver["device"] == device);
    found.unwrap_or_else(|| panic!("no receiver {device}: {journey:#}"))
}

fn reason<'a>(journey: &'a Value, device: &str) -> &'a str {
    receiver(journey, device)["reason"].as_str().unwrap_or_else(|| panic!("no reason: {journey:#}"))
}

/// Crashes a device and waits until the API shows it.
fn crash(fleet: &Fleet, device: &str) {
    assert_eq!(fleet.send("POST", &format!("/devices/{device}/crash"), "").0, 200);
    fleet.wait_until("the device is down", DEFAULT_TIMEOUT, |fleet| {
        fleet.get(&format!("/devices/{device}"))["state"] == "crashed"
    });
}

#[test]
fn every_decision_and_every_receiver_is_shown_with_the_embedded_broker() {
    let fleet = fleet(FAULTS, &[]);

    let dropped = journey(&fleet, &publish(&fleet, "heartbeat-0", 0), "lost");
    let judged = step(&dropped, "judged");
    assert_eq!((&judged["fault"], &judged["decision"]), (&json!("loss"), &json!("dropped")));
    assert_eq!(judged["why"], "it loses all of the messages");
    assert_eq!(dropped["receivers"].as_array().expect("receivers").len(), 5, "{dropped:#}");
    assert!(reason(&dropped, "heartbeat-3").contains("the fault `loss` dropped it"), "{dropped:#}");
    assert!(dropped["broker_s"].is_null() && dropped["broker"].as_str().expect("text").contains("not taken"));

    let delayed = journey(&fleet, &publish(&fleet, "heartbeat-1", 0), "partly");
    assert_eq!(step(&delayed, "judged")["delay_s"], 0.3, "{delayed:#}");
    let published_s = delayed["published_s"].as_f64().expect("a time");
    let taken_s = delayed["broker_s"].as_f64().expect("a time");
    assert!((0.29..5.0).contains(&(taken_s - published_s)), "{delayed:#}");
    assert_eq!(receiver(&delayed, "heartbeat-3")["outcome"], "received");
    assert!(receiver(&delayed, "heartbeat-3")["latency_s"].as_f64().expect("a latency") >= 0.3);
    assert!(reason(&delayed, "heartbeat-4").contains("the fault `deaf` dropped it"), "{delayed:#}");
    assert_eq!(delayed["summary"], "4 of 5 devices got it, 1 did not.");

    let copied = journey(&fleet, &publish(&fleet, "heartbeat-2", 1), "partly");
    assert_eq!(step(&copied, "judged")["number"], 2, "{copied:#}");
    fleet.wait_until("all copies have arrived", DEFAULT_TIMEOUT, |fleet| {
        let path = format!("/messages/{}", copied["id"].as_str().expect("an id"));
        receiver(&fleet.get(&path), "heartbeat-3")["copies"] == 3
    });
    step(&copied, "acknowledged");

    crash(&fleet, "heartbeat-3");
    let missed = journey(&fleet, &publish(&fleet, "heartbeat-2", 0), "partly");
    assert_eq!(receiver(&missed, "heartbeat-3")["outcome"], "lost");
    let why = reason(&missed, "heartbeat-3");
    assert!(
        why.starts_with("the broker had no subscription of it") && why.contains("heartbeat-3 was crashed"),
        "{why}"
    );

    let (status, unknown) = fleet.curl(&[], "/messages/heartbeat-1/999");
    assert!(status == 404 && unknown.contains("no journey of the message `heartbeat-1/999`"), "{unknown}");
    let (status, nonsense) = fleet.curl(&[], "/messages/a%20b/x");
    assert_eq!(status, 404, "{nonsense}");
    let stores = &fleet.get("/metrics")["stores"]["journeys"];
    assert!(stores["used_bytes"].as_u64().is_some_and(|used| used > 1_000), "{stores}");
}

#[test]
fn a_message_waits_at_the_broker_for_a_device_with_a_session() {
    let fleet = fleet("faults = []\n", &["--session-expiry", "1h"]);
    crash(&fleet, "heartbeat-3");
    let waits = journey(&fleet, &publish(&fleet, "heartbeat-1", 1), "waiting");
    assert!(reason(&waits, "heartbeat-3").contains("waits at the broker"), "{waits:#}");
    let id = waits["id"].as_str().expect("an id");
    let arrived = journey(&fleet, id, "received");
    assert!(receiver(&arrived, "heartbeat-3")["latency_s"].as_f64().expect("a latency") > 1.0, "{arrived:#}");
}

#[test]
fn what_mosquitto_does_is_said_to_be_unknown_unless_it_acknowledges() {
    let broker = Mosquitto::start();
    let fleet = fleet(FAULTS, &["--broker", &broker.url()]);
    let unacknowledged = journey(&fleet, &publish(&fleet, "heartbeat-1", 0), "partly");
    assert!(unacknowledged["broker_s"].is_null(), "{unacknowledged:#}");
    assert!(unacknowledged["broker"].as_str().expect("text").starts_with("unknown"), "{unacknowledged:#}");
    assert!(reason(&unacknowledged, "heartbeat-4").contains("`deaf`"), "{unacknowledged:#}");
    let unknown = unacknowledged["unknown"].to_string();
    assert!(unknown.contains("another program"), "{unknown}");
    let acknowledged = publish(&fleet, "heartbeat-1", 1);
    fleet.wait_until("the broker acknowledges", DEFAULT_TIMEOUT, |fleet| {
        fleet.get(&format!("/messages/{acknowledged}"))["broker_s"].is_f64()
    });
    crash(&fleet, "heartbeat-3");
    let missed = publish(&fleet, "heartbeat-2", 0);
    fleet.wait_until("it is missing", DEFAULT_TIMEOUT, |fleet| {
        let missed = fleet.get(&format!("/messages/{missed}"));
        receiver(&missed, "heartbeat-3")["outcome"] == "missing"
            && reason(&missed, "heartbeat-3").contains("heartbeat-3 was crashed")
    });
}

#[test]
fn receptions_without_identity_are_recognised_by_their_content() {
    let broker = Mosquitto::start();
    let fleet = fleet("faults = []\n", &["--broker", &broker.url(), "--mqtt", "3.1.1"]);
    let seen = journey(&fleet, &publish(&fleet, "heartbeat-1", 0), "received");
    assert_eq!(seen["receivers"].as_array().expect("receivers").len(), 5, "{seen:#}");
    assert!(seen["unknown"].to_string().contains("3.1.1 carries no identity"), "{seen:#}");
}

#[test]
fn a_refused_message_has_the_reason_code_of_the_broker() {
    let rules = "topic readwrite iot/#\ntopic readwrite wasmote/#\npattern readwrite +/%c/#\n";
    let broker = Mosquitto::with("allow_anonymous true", rules);
    let fleet = fleet("faults = []\n", &["--broker", &broker.url()]);
    let body =
        json!({"device": "heartbeat-0", "topic": "forbidden/topic", "message": "x", "qos": 1}).to_string();
    let (status, answer) = fleet.send("POST", "/publish", &body);
    assert_eq!(status, 200, "{answer}");
    let refused = journey(&fleet, answer["message_id"].as_str().expect("an id"), "lost");
    assert_eq!(step(&refused, "dropped")["code"], 0x87, "{refused:#}");
}

/// Clicks the journey of the latest message of a device in the tail.
fn choose(browser: &mut Browser, id: &str) {
    let link = format!("#messages a[href=\"#messages/{id}\"]");
    browser.wait_until(&format!("document.querySelector({})", Value::from(link.clone())), DEFAULT_TIMEOUT);
    browser.click(&link);
    browser.wait_until(
        &format!("document.getElementById(\"journey-id\").value === {}", Value::from(id)),
        DEFAULT_TIMEOUT,
    );
}

/// Pictures of the journey on wide and narrow screens, in light and dark.
fn pictures(browser: &mut Browser, address: &str, id: &str, name: &str) {
    for (width, dark) in [(1400, false), (1400, true), (390, false), (390, true)] {
        browser.set_dark(dark);
        let scheme = if dark { "dark" } else { "light" };
        browser.open_url(&format!("{address}/?{name}-{width}-{scheme}#messages/{id}"), width);
        browser.wait_until("document.getElementById(\"journey-summary\") !== null", DEFAULT_TIMEOUT);
        let overflow = browser.evaluate("document.documentElement.scrollWidth - innerWidth");
        browser.screenshot(&screenshots().join(format!("journey-{name}-{width}-{scheme}.png")));
        assert!(overflow.as_i64().is_some_and(|it| it <= 0), "{name} at {width}: {overflow} pixels too wide");
    }
    browser.set_dark(false);
}

#[test]
fn the_page_shows_what_became_of_a_message() {
    let fleet = fleet(FAULTS, &[]);
    let mut browser = Browser::start_local();
    open(&mut browser, &fleet, "messages", 1400);
    // The stream of events begins some time after the page asks for it.
    let mut dropped = publish(&fleet, "heartbeat-0", 0);
    for _ in 0..50 {
        if browser.evaluate("document.querySelector(\"#messages a\") !== null") == true {
            break;
        }
        dropped = publish(&fleet, "heartbeat-0", 0);
        browser.wait_until("new Promise(requestAnimationFrame)", DEFAULT_TIMEOUT);
    }
    choose(&mut browser, &dropped);
    wait_for_text(&mut browser, "#journey-summary", "✕ lost");
    wait_for_text(&mut browser, "#journey-steps", "the fault “loss” drops it on its way out of heartbeat-0");
    pictures(&mut browser, &fleet.http, &dropped, "dropped");

    open(&mut browser, &fleet, "messages", 1400);
    wait_for_text(&mut browser, "main", "No message matches so far");
    let delayed = publish(&fleet, "heartbeat-1", 0);
    browser.fill("#journey-id", &delayed);
    browser.click("#journey-show");
    // It is followed until it has arrived.
    wait_for_text(&mut browser, "#journey-summary", "4 of 5 devices got it, 1 did not.");
    wait_for_text(&mut browser, "#journey-steps", "the fault “delay” delays it by 300 ms");
    wait_for_text(&mut browser, "#journey", "the fault `deaf` dropped it");
    pictures(&mut browser, &fleet.http, &delayed, "delayed");

    let copied = publish(&fleet, "heartbeat-2", 1);
    pictures(&mut browser, &fleet.http, &copied, "duplicated");
    wait_for_text(&mut browser, "#journey", "3 copies");
    wait_for_text(&mut browser, "#journey-steps", "adds 2 copies");

    crash(&fleet, "heartbeat-3");
    let missed = publish(&fleet, "heartbeat-2", 0);
    pictures(&mut browser, &fleet.http, &missed, "offline");
    wait_for_text(&mut browser, "#journey", "heartbeat-3 was crashed");
    check_clean(&browser, &fleet.http);
}

/// The journeys of a finished run, in `experiment view` and in `replay.html`.
#[test]
fn a_finished_run_shows_journeys() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = folder.path().join("plan.toml");
    let text = r#"
name = "journeys"
duration = "20s"
seeds = [1]

[[group]]
behaviour = "heartbeat"
count = 3
config = { interval = "1s", peers = "all" }

[[faults.fault]]
kind = "loss"
probability = 0.3
device = "heartbeat-0"

[[faults.fault]]
kind = "delay"
distribution = "constant"
mean = "300ms"
device = "heartbeat-1"

[[timeline]]
at = "10s"
crash = { devices = ["heartbeat-2"] }

[[timeline]]
at = "12s"
request = { device = "heartbeat-*", path = "/peers" }

[[timeline]]
at = "13s"
publish = { device = "heartbeat-1", topic = "lab/long", payload = "LONG" }
"#;
    let long = format!("{}\\u0001 end", "0123456789".repeat(30));
    let text = text.replace("LONG", &long);
    std::fs::write(&plan, text).expect("a file");
    let out = folder.path().join("out");
    let arguments = ["experiment", "run", plan.to_str().expect("text"), "--out", out.to_str().expect("text")];
    let run = crate::program::wasmote(&arguments).output().expect("it runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let results =
        std::fs::read_dir(&out).expect("results").next().expect("a folder").expect("an entry").path();
    let lines = std::fs::read_to_string(results.join("journeys.ndjson")).expect("a file");
    let timeline = std::fs::read_to_string(results.join("timeline.csv")).expect("a file");
    let request = timeline.lines().find(|line| line.contains("GET /peers")).expect("a row");
    // The device that has crashed starts again at 15 s.
    assert!(request.ends_with(",200: 2; 503: 1"), "{request}");
    let losses = std::fs::read_to_string(results.join("losses.csv")).expect("a file");
    let lost: u64 = losses
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            assert_eq!(cells[1], "loss", "{losses}");
            cells[2].parse::<u64>().expect("a number")
        })
        .sum();
    let ledger = std::fs::read_to_string(results.join("ledger.json")).expect("a file");
    let ledger: Value = serde_json::from_str(&ledger).expect("JSON");
    assert_eq!(
        ledger["total"]["faults"]["loss"]["dropped_out"].as_u64(),
        Some(lost),
        "{:#}",
        ledger["total"]
    );
    let steps: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let dropped = steps.iter().find(|step| step["decision"] == "dropped").expect("a loss")["id"]
        .as_str()
        .expect("text");
    let delayed = steps.iter().find(|step| step["decision"] == "delayed").expect("a delay")["id"]
        .as_str()
        .expect("text");
    let missed = steps.iter().find(|step| {
        step["step"] == "published"
            && step["topic"] == "wasmote/heartbeat-1/heartbeat"
            && step["t_s"].as_f64().is_some_and(|t_s| (10.0..14.0).contains(&t_s))
    });
    let missed = missed.expect("a message")["id"].as_str().expect("text");

    let mut view = crate::program::wasmote(&["experiment", "view", "--http", "127.0.0.1:0"])
        .arg(&results)
        .spawn()
        .expect("it starts");
    let stdout = crate::lines::Lines::of(view.stdout.take().expect("a pipe"));
    let address = stdout.wait_for("http://").trim().to_owned();
    let mut browser = Browser::start_local();
    pictures(&mut browser, &address, dropped, "view-dropped");
    wait_for_text(&mut browser, "#journey-steps", "the fault “loss” drops it");
    browser.open_url(&format!("{address}/?2#messages/{delayed}"), 1400);
    wait_for_text(&mut browser, "#journey-steps", "the fault “delay” delays it by 300 ms");
    wait_for_text(&mut browser, "#journey-steps", "the broker takes it");
    browser.open_url(&format!("{address}/?3#messages/{missed}"), 1400);
    wait_for_text(&mut browser, "#journey", "heartbeat-2 was crashed");
    browser.fill("#topic-filter", "lab/#");
    wait_for_text(&mut browser, "#messages", "0123456789\\u0001 end");
    browser.choose("#payload-format", "hex");
    wait_for_text(&mut browser, "#messages", "01 20 65 6e");
    browser.open_url(&format!("{address}/?4#messages/heartbeat-0/99999"), 1400);
    wait_for_text(&mut browser, "#journey", "the run has no steps of the message");
    view.kill().expect("it runs");
    view.wait().expect("it ended");

    let mut browser = Browser::start();
    browser.open_url(&format!("file://{}#messages/{missed}", results.join("replay.html").display()), 1400);
    wait_for_text(&mut browser, "#journey", "heartbeat-2 was crashed");
    wait_for_text(&mut browser, "#journey-steps", "heartbeat-0 receives it");
    browser.screenshot(&screenshots().join("journey-replay-1400-light.png"));
    assert!(browser.errors().is_empty(), "{:?}", browser.errors());
    assert!(Path::new(&results).join("journeys.ndjson").exists());
}
