//! The page in a real browser, with real clicks on real fleets.
//!
//! The screenshots of the views are in `target/screenshots`.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::browser::Browser;
use crate::fleet::Fleet;
use crate::lines::{DEFAULT_TIMEOUT, Lines};
use crate::mosquitto::Mosquitto;
use crate::program::wasmote;

const VIEWS: [&str; 6] = ["fleet", "map", "device", "messages", "faults", "behaviours"];

pub fn screenshots() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a folder").join("screenshots")
}

/// Opens the page of a fleet and waits until it follows the run.
pub fn open(browser: &mut Browser, fleet: &Fleet, view: &str, width: u32) {
    // With another query, it is another document, which is loaded anew.
    static OPENED: AtomicU32 = AtomicU32::new(0);
    let number = OPENED.fetch_add(1, Ordering::Relaxed);
    browser.open_url(&format!("{}/?{number}#{view}", fleet.http), width);
    browser.wait_until("document.getElementById(\"run\").textContent.includes(\"live\")", DEFAULT_TIMEOUT);
}

/// Waits until a view's text has these words.
pub fn wait_for_text(browser: &mut Browser, selector: &str, text: &str) {
    let condition = format!(
        "document.querySelector({}).textContent.includes({})",
        Value::from(selector),
        Value::from(text)
    );
    browser.wait_until(&condition, Duration::from_secs(30));
}

/// The page showed no error, and asked nobody but its host.
pub fn check_clean(browser: &Browser, address: &str) {
    assert!(browser.errors().is_empty(), "{:?}", browser.errors());
    let is_own =
        |url: &&str| url.starts_with(address) || url.starts_with("data:") || url.starts_with("blob:");
    let others: Vec<&str> = browser.requests().into_iter().filter(|url| !is_own(url)).collect();
    assert!(others.is_empty(), "{others:?}");
}

/// A condition that holds once a view has loaded what it shows.
fn content_of(view: &str) -> &'static str {
    match view {
        "fleet" => "document.querySelectorAll(\".u-legend\").length > 3",
        "map" => "document.querySelector(\"main canvas\").width > 300",
        "device" => "document.querySelector(\"#device-session table\")",
        "messages" => "document.getElementById(\"messages\").textContent.length > 100",
        "faults" => "document.querySelector(\"#fault-form input\")",
        _ => "document.querySelector(\"#behaviours table\")",
    }
}

#[test]
fn every_view_fits_on_wide_and_narrow_screens_in_light_and_dark() {
    let fleet = Fleet::run(&[
        "routing",
        "--devices",
        "9",
        "--device-config",
        "topology=grid",
        "--seed",
        "3",
        "--faults",
        "realistic",
    ])
    .ready();
    let mut browser = Browser::start_local();
    for (width, dark) in [(1400, false), (1400, true), (390, false), (390, true)] {
        browser.set_dark(dark);
        open(&mut browser, &fleet, "fleet", width);
        for view in VIEWS {
            browser.click(&format!("#tab-{view}"));
            browser.wait_until(&format!("Boolean({})", content_of(view)), Duration::from_secs(30));
            let overflow = browser.evaluate("document.documentElement.scrollWidth - innerWidth");
            let scheme = if dark { "dark" } else { "light" };
            browser.screenshot(&screenshots().join(format!("{view}-{width}-{scheme}.png")));
            assert!(
                overflow.as_i64().is_some_and(|it| it <= 0),
                "{view} at {width}: {overflow} pixels too wide"
            );
        }
        check_clean(&browser, &fleet.http);
    }
}

#[test]
fn a_fault_by_form_drops_messages_and_is_taken_back() {
    let broker = Mosquitto::start();
    let fleet = Fleet::run(&[
        "heartbeat",
        "--devices",
        "2",
        "--device-config",
        "interval=200ms",
        "--broker",
        &broker.url(),
        "--faults",
        "none",
    ])
    .ready();
    let mut browser = Browser::start_local();
    open(&mut browser, &fleet, "faults", 1400);
    browser.wait_until("document.getElementById(\"fault-kind\").options.length > 10", DEFAULT_TIMEOUT);
    browser.choose("#fault-kind", "loss");
    browser.fill("input[id^=field-probability]", "1");
    browser.click("#fault-add");
    wait_for_text(&mut browser, "#faults-current", "probability = 1");
    // From now on no message arrives.
    browser.click("#tab-fleet");
    wait_for_text(&mut browser, "#problems", "The fault “loss” drops");
    wait_for_text(&mut browser, "main .u-legend", "published");
    wait_for_text(&mut browser, "main", "fault loss");
    wait_for_text(&mut browser, "main", "faults");
    let quiet = broker.subscribe("#");
    browser.click("#tab-faults");
    browser.wait_until(
        "document.getElementById(\"faults-current\").textContent.includes(\"probability = 1\")",
        DEFAULT_TIMEOUT,
    );
    browser.click("[data-remove=loss]");
    wait_for_text(&mut browser, "#faults-current", "No faults.");
    assert!(!quiet.wait(3, "/heartbeat", DEFAULT_TIMEOUT).is_empty(), "messages arrive again");
    // The removal is taken back: the fault is there again.
    browser.click("#fault-undo");
    wait_for_text(&mut browser, "#faults-current", "probability = 1");
    check_clean(&browser, &fleet.http);
    // What was done by hand is a plan that runs.
    let (status, plan) = fleet.curl(&[], "/plan");
    assert_eq!(status, 200, "{plan}");
    assert_eq!(plan.matches("[[timeline]]").count(), 3, "{plan}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("by-hand.toml");
    std::fs::write(&file, plan).expect("a file");
    let out = folder.path().join("out");
    let run =
        wasmote(&["experiment", "run", file.to_str().expect("text"), "--out", out.to_str().expect("text")])
            .output()
            .expect("it runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn buttons_of_a_device_act_on_it() {
    let broker = Mosquitto::start();
    let fleet =
        Fleet::run(&["heartbeat", "--devices", "3", "--broker", &broker.url(), "--faults", "none"]).ready();
    let mut browser = Browser::start_local();
    open(&mut browser, &fleet, "device/heartbeat-1", 1400);
    wait_for_text(&mut browser, "#device-state", "heartbeat-1 in group heartbeat is ● connected");
    browser.click("[data-order=stop]");
    wait_for_text(&mut browser, "#device-state", "■ stopped");
    browser.click("[data-order=start]");
    wait_for_text(&mut browser, "#device-state", "● connected");
    let subscriber = broker.subscribe("lab/#");
    browser.fill("#publish-topic", "lab/door");
    browser.click("#publish-message");
    browser.evaluate("document.getElementById(\"publish-message\").value = \"open\"");
    browser.click("#publish-send");
    let seen = subscriber.wait(1, "lab/door", DEFAULT_TIMEOUT);
    assert_eq!(seen[0], ("lab/door".to_owned(), "open".to_owned()));
    browser.click("#ask-send");
    wait_for_text(&mut browser, "#device-answer", "Status ");
    browser.click("[data-order=crash]");
    wait_for_text(&mut browser, "#device-state", "✕ crashed");
    wait_for_text(&mut browser, "#device-log", "crashed");
    check_clean(&browser, &fleet.http);
}

#[test]
fn messages_are_filtered_as_mqtt_does_and_shown_as_text() {
    let fleet = Fleet::run(&["heartbeat", "--devices", "2", "--faults", "none"]).ready();
    let mut browser = Browser::start_local();
    open(&mut browser, &fleet, "messages", 1400);
    browser.fill("#topic-filter", "lab/+/x");
    let hostile = r#"{"topic": "lab/1/x", "message": "<script>window.hacked = 1</script>\u001b[31mred\u202e", "device": "heartbeat-0"}"#;
    // The stream of the new filter begins some time after the page asks for it.
    fleet.wait_until("the page shows the message", DEFAULT_TIMEOUT, |fleet| {
        assert_eq!(fleet.send("POST", "/publish", hostile).0, 200);
        assert_eq!(fleet.send("POST", "/publish", r#"{"topic": "lab/2/y", "message": "other"}"#).0, 200);
        true
    });
    for _ in 0..50 {
        if browser.evaluate("document.getElementById(\"messages\").textContent.includes(\"lab/1/x\")") == true
        {
            break;
        }
        assert_eq!(fleet.send("POST", "/publish", hostile).0, 200);
        browser.wait_until("new Promise(requestAnimationFrame)", DEFAULT_TIMEOUT);
    }
    wait_for_text(&mut browser, "#messages", "<script>window.hacked = 1</script>\\u001b[31mred\\u202e");
    assert_eq!(
        browser.evaluate("document.getElementById(\"messages\").textContent.includes(\"lab/2/y\")"),
        false
    );
    assert_eq!(browser.evaluate("typeof window.hacked"), "undefined");
    browser.choose("#payload-format", "hex");
    wait_for_text(&mut browser, "#messages", "3c 73 63 72 69 70 74 3e");
    check_clean(&browser, &fleet.http);
}

#[test]
fn a_dropped_component_is_rolled_out() {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../behaviours/built/heartbeat.wasm");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("next.wasm");
    // The same behaviour as another version: a custom section of three bytes, with the name `v2`.
    let mut component = std::fs::read(&built).expect("it is built");
    component.extend([0, 3, 2, b'v', b'2']);
    std::fs::write(&file, component).expect("a file");
    let fleet = Fleet::run(&["heartbeat", "--devices", "3", "--canary", "100ms", "--faults", "none"]).ready();
    let mut browser = Browser::start_local();
    open(&mut browser, &fleet, "behaviours", 1400);
    wait_for_text(&mut browser, "#behaviours", "heartbeat");
    browser.drop_file("#drop", &file);
    wait_for_text(&mut browser, "#rollout-progress", "next.wasm: 3 devices run it");
    wait_for_text(&mut browser, "#behaviours", "1 done, 0 refused");
    // No component at all: the old version stays, and the page says why.
    browser.drop_file("#drop", &Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    wait_for_text(&mut browser, "#rollout-progress", "The old version keeps running: this is no WebAssembly");
}

#[test]
fn the_slider_shows_earlier_moments() {
    let fleet = Fleet::run(&["heartbeat", "--devices", "3", "--faults", "none"]).ready();
    let mut browser = Browser::start_local();
    open(&mut browser, &fleet, "fleet", 1400);
    wait_for_text(&mut browser, "#tiles", "3● connected");
    assert_eq!(fleet.send("POST", "/devices/heartbeat-2/stop", "").0, 200);
    wait_for_text(&mut browser, "#tiles", "2● connected");
    wait_for_text(&mut browser, "#problems", "heartbeat-2 is stopped");
    let marks = "document.querySelectorAll(\"main table button.link\").length > 0";
    browser.wait_until(marks, DEFAULT_TIMEOUT);
    // At the time of the mark the device was still connected.
    browser.click("main table button.link");
    wait_for_text(&mut browser, "#tiles", "3● connected");
    browser.click("#time-next");
    wait_for_text(&mut browser, "#tiles", "2● connected");
    browser.click("#time-play");
    browser.wait_until("document.getElementById(\"time-play\").textContent === \"Stop\"", DEFAULT_TIMEOUT);
    browser.click("#time-live");
    browser.wait_until(
        "document.getElementById(\"time-live\").getAttribute(\"aria-pressed\") === \"true\"",
        DEFAULT_TIMEOUT,
    );
    wait_for_text(&mut browser, "#tiles", "2● connected");
    check_clean(&browser, &fleet.http);
}

#[test]
fn changes_ask_for_the_token() {
    let fleet = Fleet::run(&[
        "heartbeat",
        "--devices",
        "1",
        "--faults",
        "none",
        "--http-token",
        "0123456789abcdef-token",
    ])
    .ready();
    let mut browser = Browser::start_local();
    open(&mut browser, &fleet, "device/heartbeat-0", 1400);
    wait_for_text(&mut browser, "#device-state", "connected");
    browser.click("[data-order=stop]");
    browser.wait_until("document.getElementById(\"token\") !== null", DEFAULT_TIMEOUT);
    browser.fill("#token", "0123456789abcdef-token");
    browser.click("#notices button[type=submit]");
    wait_for_text(&mut browser, "#device-state", "■ stopped");
}

/// Runs a small plan with two seeds. Returns the folder of the results.
pub fn run_experiment(folder: &Path) -> PathBuf {
    let plan = folder.join("plan.toml");
    let text = "name = \"small\"\nduration = \"30s\"\nseeds = [1, 2]\nfaults = \"realistic\"\n\n[[group]]\nbehaviour = \"heartbeat\"\n\
                count = 6\nconfig = { interval = \"1s\", peers = \"all\" }\n\n[[timeline]]\nat = \"10s\"\ncrash = { devices = [\"heartbeat-2\"] }\n";
    std::fs::write(&plan, text).expect("a file");
    let out = folder.join("out");
    let arguments = ["experiment", "run", plan.to_str().expect("text"), "--out", out.to_str().expect("text")];
    let run = wasmote(&arguments).output().expect("it runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let results = std::fs::read_dir(&out).expect("results").next().expect("a folder").expect("an entry");
    results.path()
}

/// A server of finished runs, which ends with the test.
pub struct Viewer {
    child: Child,
    _stdout: Lines,
    pub address: String,
}

impl Viewer {
    pub fn of(results: &Path) -> Self {
        let mut program = wasmote(&["experiment", "view", "--http", "127.0.0.1:0"]);
        let mut child = program.arg(results).spawn().expect("it starts");
        let stdout = Lines::of(child.stdout.take().expect("a pipe"));
        let address = stdout.wait_for("http://").trim().to_owned();
        Self { child, _stdout: stdout, address }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_finished_run_is_replayed_from_a_file_and_two_runs_are_compared() {
    let folder = tempfile::tempdir().expect("a folder");
    let results = run_experiment(folder.path());
    let mut browser = Browser::start();
    browser.open(&results.join("replay.html"), 1400);
    wait_for_text(&mut browser, "#run", "small · recording");
    wait_for_text(&mut browser, "main", "heartbeat");
    browser.click("#tab-map");
    browser.click("#tab-device");
    browser.screenshot(&screenshots().join("replay-1400-light.png"));
    // Both runs of the plan are in the file.
    browser.choose("#run-choice", "1");
    wait_for_text(&mut browser, "#run", "seed 2");
    browser.choose("#run-choice", "0");
    wait_for_text(&mut browser, "#run", "seed 1");
    browser.click("#tab-compare");
    wait_for_text(&mut browser, "#difference", "Equal until ");
    assert!(browser.errors().is_empty(), "{:?}", browser.errors());
    assert!(browser.requests().iter().all(|url| url.starts_with("file:") || url.starts_with("data:")));

    let viewer = Viewer::of(&results);
    let address = viewer.address.clone();
    let mut browser = Browser::start_local();
    browser.open_url(&format!("{address}/#compare"), 1400);
    wait_for_text(&mut browser, "#difference", "Equal until ");
    browser.click("#to-difference");
    browser.wait_until(
        "document.getElementById(\"time-live\").getAttribute(\"aria-pressed\") === \"false\"",
        DEFAULT_TIMEOUT,
    );
    for (width, dark) in [(1400, false), (1400, true), (390, false), (390, true)] {
        browser.set_dark(dark);
        browser.open_url(&format!("{address}/?{width}{dark}#compare"), width);
        wait_for_text(&mut browser, "#difference", "Equal until ");
        let scheme = if dark { "dark" } else { "light" };
        browser.screenshot(&screenshots().join(format!("compare-{width}-{scheme}.png")));
        let overflow = browser.evaluate("document.documentElement.scrollWidth - innerWidth");
        assert!(
            overflow.as_i64().is_some_and(|it| it <= 0),
            "compare at {width}: {overflow} pixels too wide"
        );
    }
    check_clean(&browser, &address);
}
