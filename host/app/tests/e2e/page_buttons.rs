//! Buttons, keys and gestures of the page: each of them is used, and its effect on a real fleet is seen.

use std::time::Duration;

use serde_json::Value;

use crate::browser::Browser;
use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::Mosquitto;
use crate::page::{check_clean, open, wait_for_text};
use crate::page_api::other_heartbeat;

const SHIFT: u32 = 8;

fn text_of(browser: &mut Browser, selector: &str) -> String {
    let text = browser.evaluate(&format!("document.querySelector({}).textContent", Value::from(selector)));
    text.as_str().unwrap_or_default().to_owned()
}

/// What the canvas of the map shows, as text.
fn picture(browser: &mut Browser) -> String {
    browser.resolve("new Promise(requestAnimationFrame)");
    let data = browser.evaluate("document.querySelector(\"main canvas\").toDataURL()");
    data.as_str().unwrap_or_default().to_owned()
}

#[test]
fn devices_are_found_selected_and_switched_on_the_map() {
    let broker = Mosquitto::start();
    let arguments = ["heartbeat", "--devices", "6", "--broker", &broker.url(), "--faults", "none"];
    let fleet = Fleet::run(&arguments).ready();
    let mut browser = Browser::start_local();
    open(&mut browser, &fleet, "map", 1400);
    wait_for_text(&mut browser, ".legend", "6 connected");
    // With Shift, a drag selects what is within.
    browser.drag("main canvas", (0.01, 0.01), (0.99, 0.99), SHIFT);
    wait_for_text(&mut browser, ".selected", "6 selected");
    browser.click("[data-many=stop]");
    wait_for_text(&mut browser, ".legend", "6 stopped");
    browser.click("[data-many=start]");
    wait_for_text(&mut browser, ".legend", "6 connected");
    browser.click("[data-map=select-none]");
    browser.wait_until("document.querySelector(\".selected\") === null", DEFAULT_TIMEOUT);
    // One that is searched for.
    browser.fill("main input[type=search]", "heartbeat-3");
    wait_for_text(&mut browser, "main", "1 device matches.");
    browser.click("[data-map=select-found]");
    wait_for_text(&mut browser, ".selected", "1 selected");
    browser.click("[data-many=crash]");
    wait_for_text(&mut browser, ".legend", "1 crashed");
    wait_for_text(&mut browser, ".legend", "6 connected");
    browser.click("[data-many=disconnect]");
    wait_for_text(&mut browser, ".legend", "1 offline");
    assert_eq!(fleet.get("/devices/heartbeat-2")["state"], "connected");
    // A drag without Shift moves the map, and the buttons zoom.
    browser.click("[data-map=fit]");
    let whole = picture(&mut browser);
    browser.drag("main canvas", (0.5, 0.5), (0.7, 0.6), 0);
    let moved = picture(&mut browser);
    assert_ne!(moved, whole);
    for zoom in ["in", "out"] {
        let before = picture(&mut browser);
        browser.click(&format!("[data-map={zoom}]"));
        assert_ne!(picture(&mut browser), before, "{zoom}");
    }
    check_clean(&browser, &fleet.http);
}

#[test]
fn the_map_is_used_with_the_keyboard_alone() {
    let fleet = Fleet::run(&["--devices", "4", "--faults", "none"]).ready();
    let mut browser = Browser::start_local();
    open(&mut browser, &fleet, "map", 1400);
    wait_for_text(&mut browser, ".legend", "4 connected");
    // The canvas is reached by Tab.
    browser.evaluate("document.querySelector(\"main input[type=search]\").focus()");
    for _ in 0..40 {
        if browser.evaluate("document.activeElement.tagName") == "CANVAS" {
            break;
        }
        browser.press("Tab");
    }
    assert_eq!(browser.evaluate("document.activeElement.tagName"), "CANVAS");
    for key in ["ArrowLeft", "+", "-"] {
        let before = picture(&mut browser);
        browser.press(key);
        assert_ne!(picture(&mut browser), before, "{key}");
    }
    browser.press("n");
    wait_for_text(&mut browser, "main", "heartbeat-0 · connected");
    browser.press("n");
    wait_for_text(&mut browser, "main", "heartbeat-1 · connected");
    browser.press(" ");
    wait_for_text(&mut browser, ".selected", "1 selected");
    browser.press("p");
    browser.press("Enter");
    wait_for_text(&mut browser, "#device-state", "heartbeat-0 in group heartbeat");
    check_clean(&browser, &fleet.http);
}

#[test]
fn the_map_has_colours_with_a_legend_and_messages_that_travel() {
    let broker = Mosquitto::start();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("fleet.toml");
    let text = "[[group]]\nbehaviour = \"routing\"\ncount = 9\nconfig = { topology = \"grid\" }\n\
        [[group]]\nbehaviour = \"sensor\"\ncount = 3\nconfig = { report_interval = \"300ms\" }\n\
        [faults]\nfault = [{ kind = \"battery\", group = \"sensor\", capacity_joules = 900, idle_watts = 1, send_joules = 3 }]\n";
    std::fs::write(&file, text).expect("a file");
    let url = broker.url();
    let fleet = Fleet::run(&["--config", file.to_str().expect("text"), "--broker", &url]).ready();
    let mut browser = Browser::start_local();
    open(&mut browser, &fleet, "map", 1400);
    browser.wait_until("document.querySelector(\"main select\").options.length > 8", Duration::from_secs(20));
    // A message on its way has the accent colour, which nothing else on the map has.
    let travels = "(() => { const canvas = document.querySelector(\"main canvas\"); \
        const wanted = parseInt(getComputedStyle(document.documentElement).getPropertyValue(\"--accent\").trim().slice(1), 16); \
        const copy = document.createElement(\"canvas\"); [copy.width, copy.height] = [canvas.width, canvas.height]; \
        const context = copy.getContext(\"2d\", { willReadFrequently: true }); context.drawImage(canvas, 0, 0); \
        const { data } = context.getImageData(0, 0, canvas.width, canvas.height); let seen = 0; \
        for (let at = 0; at < data.length; at += 4) \
        seen += data[at + 3] === 255 && data[at] * 65536 + data[at + 1] * 256 + data[at + 2] === wanted; return seen > 20; })()";
    browser.wait_until(travels, Duration::from_secs(20));
    browser.evaluate("document.querySelector(\"main input[type=checkbox]\").click()");
    browser.wait_until(&format!("!{travels}"), Duration::from_secs(20));
    let choice = browser.evaluate("document.querySelector(\"main select\").id");
    let choice = format!("#{}", choice.as_str().expect("text"));
    let names =
        browser.evaluate("[...document.querySelector(\"main select\").options].map((it) => it.value)");
    for wanted in ["state", "group", "version", "battery", "latency", "metric:hellos_total"] {
        assert!(names.as_array().is_some_and(|all| all.iter().any(|name| name == wanted)), "{names}");
        browser.choose(&choice, wanted);
        browser.wait_until("document.querySelectorAll(\".legend [data-kind]\").length > 0", DEFAULT_TIMEOUT);
    }
    browser.choose(&choice, "group");
    wait_for_text(&mut browser, ".legend", "routing: 9");
    wait_for_text(&mut browser, ".legend", "sensor: 3");
    browser.choose(&choice, "battery");
    wait_for_text(&mut browser, ".legend", "none: 9");
    wait_for_text(&mut browser, ".legend", " J");
    // An entry of the legend shows its devices only, and they can be selected.
    browser.choose(&choice, "version");
    wait_for_text(&mut browser, ".legend", "routing ");
    let whole = picture(&mut browser);
    browser.click(".legend [data-kind=\"1\"]");
    assert_ne!(picture(&mut browser), whole);
    browser.click("[data-map=select-found]");
    wait_for_text(&mut browser, ".selected", "3 selected");
    check_clean(&browser, &fleet.http);
}

#[test]
fn a_command_is_acknowledged_and_the_session_is_shown() {
    let broker = Mosquitto::start();
    let arguments = [
        "sensor",
        "--devices",
        "2",
        "--broker",
        &broker.url(),
        "--faults",
        "none",
        "--device-config",
        "report_interval=20s",
    ];
    let fleet = Fleet::run(&arguments).ready();
    let mut browser = Browser::start_local();
    open(&mut browser, &fleet, "device/sensor-0", 1400);
    wait_for_text(&mut browser, "#device-session", "wasmote/sensor-0/cmd (QoS 1)");
    wait_for_text(&mut browser, "#device-session", "wasmote/sensor-0/state (QoS 1, retained)");
    wait_for_text(&mut browser, "#device-config", "\"report_interval\": \"20s\"");
    wait_for_text(&mut browser, "#command-hint", "On wasmote/sensor-0/cmd, through the broker.");
    let subscriber = broker.subscribe("wasmote/sensor-0/ack");
    browser.choose("#command-kind", "set_interval");
    browser.click("#command-send");
    let acknowledged = subscriber.wait(1, "/ack", DEFAULT_TIMEOUT);
    assert!(acknowledged[0].1.contains("\"ok\":true"), "{acknowledged:?}");
    wait_for_text(&mut browser, "#device-messages", "wasmote/sensor-0/ack");
    // From now on it reports every 2 s, so within the 20 s of before.
    browser.wait_until(
        "document.getElementById(\"device-messages\").textContent.split(\"/telemetry\").length > 3",
        Duration::from_secs(15),
    );
    browser.choose("#command-kind", "calibrate");
    browser.click("#command-send");
    subscriber.wait(2, "/ack", DEFAULT_TIMEOUT);
    // Retained, as the box says.
    browser.fill("#publish-topic", "lab/kept");
    browser.evaluate("document.getElementById(\"publish-message\").value = \"here\"");
    browser.choose("#publish-qos", "1");
    browser.click("#publish-retain");
    browser.click("#publish-send");
    wait_for_text(&mut browser, "#notices", "sensor-0 publishes 4 bytes on lab/kept");
    let kept = broker.subscribe("lab/#");
    assert_eq!(kept.wait(1, "lab/kept", DEFAULT_TIMEOUT)[0].1, "here");
    browser.click("#notices button");
    browser.click("[data-order=disconnect]");
    wait_for_text(&mut browser, "#device-state", "○ offline");
    wait_for_text(&mut browser, "#device-history", "offline");
    wait_for_text(&mut browser, "#device-state", "● connected");
    browser.click("#device-next");
    wait_for_text(&mut browser, "#device-state", "sensor-1 in group");
    browser.click("#device-previous");
    wait_for_text(&mut browser, "#device-state", "sensor-0 in group");
    browser.fill("#device-pick", "sensor-1");
    wait_for_text(&mut browser, "#device-state", "sensor-1 in group");
    check_clean(&browser, &fleet.http);
}

#[test]
fn faults_of_one_device_are_changed_and_saved() {
    let fleet = Fleet::run(&["--devices", "3", "--faults", "none"]).ready();
    let mut browser = Browser::start_local();
    open(&mut browser, &fleet, "device/heartbeat-1", 1400);
    wait_for_text(&mut browser, "#device-faults", "Set for the fleet.");
    browser.click("#device-faults button");
    browser.wait_until("document.getElementById(\"fault-kind\").options.length > 10", DEFAULT_TIMEOUT);
    assert_eq!(browser.evaluate("document.getElementById(\"fault-device\").value"), "heartbeat-1");
    browser.click("#preset-realistic");
    wait_for_text(&mut browser, "#faults-current", "delay");
    let own = fleet.get("/devices/heartbeat-1/faults");
    assert_eq!((&own["set_for"], &own["origin"]), (&"device".into(), &"realistic".into()), "{own}");
    assert_eq!(fleet.get("/devices/heartbeat-0/faults")["set_for"], "fleet");
    // The faults of other scopes are named where one would miss them.
    browser.choose("#fault-scope", "fleet");
    wait_for_text(&mut browser, "#faults-current", "Set for the fleet");
    wait_for_text(&mut browser, "#faults-scopes", "With faults of their own: heartbeat-1");
    browser.click("[data-scope=heartbeat-1]");
    wait_for_text(&mut browser, "#faults-current", "Set for the device");
    browser.click("#preset-none");
    wait_for_text(&mut browser, "#faults-current", "No faults.");
    browser.click("#fault-reset");
    wait_for_text(&mut browser, "#faults-current", "Set for the fleet");
    // For a group, with the form, for a while.
    browser.choose("#fault-scope", "group:heartbeat");
    browser.choose("#fault-kind", "silence");
    for (field, value) in [("every", "1s"), ("probability", "1"), ("for", "3s")] {
        browser.fill(&format!("input[id^=field-{field}-]"), value);
    }
    browser.click("#fault-add");
    wait_for_text(&mut browser, "#faults-current", "silence");
    browser.click("#save-plan");
    wait_for_text(&mut browser, "#notices", "The plan is saved as by-hand.toml.");
    browser.click("#tab-fleet");
    wait_for_text(&mut browser, "#problems", "silent");
    wait_for_text(&mut browser, "#problems", "It is a fault of this simulation; remove it under Faults.");
    check_clean(&browser, &fleet.http);
}

#[test]
fn messages_are_paused_and_cleared() {
    let fleet =
        Fleet::run(&["--devices", "2", "--faults", "none", "--device-config", "interval=200ms"]).ready();
    let mut browser = Browser::start_local();
    open(&mut browser, &fleet, "messages", 1400);
    wait_for_text(&mut browser, "#messages", "sent      heartbeat-0");
    browser.choose("#message-kind", "received");
    browser.wait_until(
        "!document.getElementById(\"messages\").textContent.includes(\"sent  \")",
        DEFAULT_TIMEOUT,
    );
    browser.choose("#message-kind", "sent");
    wait_for_text(&mut browser, "#messages", "heartbeat-1");
    browser.click("#pause");
    browser.resolve("new Promise((done) => setTimeout(done, 600))");
    let before = text_of(&mut browser, "#messages");
    browser.resolve("new Promise((done) => setTimeout(done, 800))");
    assert_eq!(text_of(&mut browser, "#messages"), before);
    browser.click("#messages-clear");
    browser.wait_until("document.getElementById(\"messages\").textContent === \"\"", DEFAULT_TIMEOUT);
    browser.click("#pause");
    wait_for_text(&mut browser, "#messages", "heartbeat-1");
    check_clean(&browser, &fleet.http);
}

#[test]
fn an_update_shows_its_canary_and_is_rolled_back_by_a_button() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = other_heartbeat(folder.path());
    let fleet = Fleet::run(&["--devices", "3", "--canary", "3s", "--faults", "none"]).ready();
    let first = fleet.get("/behaviours/heartbeat")["sha256"].clone();
    let mut browser = Browser::start_local();
    open(&mut browser, &fleet, "behaviours", 1400);
    wait_for_text(&mut browser, "#behaviours", "3 devices");
    browser.drop_file("#drop", &file);
    wait_for_text(&mut browser, "#rollout-steps", "heartbeat-0 tries it: ");
    browser.wait_until("document.querySelector(\"#rollout-steps progress\").value > 0.2", DEFAULT_TIMEOUT);
    wait_for_text(&mut browser, "#rollout-progress", "next.wasm: 3 devices run it; first heartbeat-0");
    browser
        .wait_until("document.querySelector(\"[data-rollback]:not(:disabled)\") !== null", DEFAULT_TIMEOUT);
    browser.click("[data-rollback=heartbeat]");
    wait_for_text(&mut browser, "#rollout-progress", "heartbeat is back: 3 devices run it");
    assert_eq!(fleet.get("/devices/heartbeat-2")["behaviour_version"], first);
    // The number of devices of a version leads to the map, coloured by versions.
    browser.click("[data-version]");
    wait_for_text(&mut browser, ".legend", "heartbeat ");
    check_clean(&browser, &fleet.http);
}

#[test]
fn time_is_played_at_a_multiple_of_its_speed() {
    let fleet = Fleet::run(&["--devices", "3", "--faults", "none"]).ready();
    let mut browser = Browser::start_local();
    open(&mut browser, &fleet, "fleet", 1400);
    for order in ["stop", "start"] {
        assert_eq!(fleet.send("POST", &format!("/devices/heartbeat-2/{order}"), "").0, 200);
        let count = if order == "stop" { "2● connected" } else { "3● connected" };
        wait_for_text(&mut browser, "#tiles", count);
    }
    // The steps of one device, while it is open.
    open(&mut browser, &fleet, "device/heartbeat-2", 1400);
    wait_for_text(&mut browser, "#device-state", "● connected");
    browser.wait_until("Number(document.getElementById(\"time-slider\").max) > 6", Duration::from_secs(30));
    browser.evaluate(
        "(() => { const slider = document.getElementById(\"time-slider\"); slider.value = slider.min; \
         slider.dispatchEvent(new Event(\"input\", {bubbles: true})); })()",
    );
    wait_for_text(&mut browser, "#device-state", "■ stopped");
    let states = ["connected", "stopped"];
    for state in states {
        for _ in 0..4 {
            if text_of(&mut browser, "#device-state").contains(state) {
                break;
            }
            browser.click("#time-next");
        }
        assert!(text_of(&mut browser, "#device-state").contains(state), "{state}");
    }
    let clock = "(() => { const [minutes, seconds] = document.getElementById(\"time-now\").textContent.split(\":\"); \
        return Number(minutes) * 60 + Number(seconds); })()";
    browser.choose("#time-speed", "2");
    let before = browser.evaluate(clock).as_f64().expect("a number");
    browser.click("#time-play");
    browser.resolve("new Promise((done) => setTimeout(done, 1000))");
    browser.click("#time-play");
    let after = browser.evaluate(clock).as_f64().expect("a number");
    // Two seconds of the run in one; a busy machine may be late with a frame.
    let end =
        browser.evaluate("Number(document.getElementById(\"time-slider\").max)").as_f64().expect("a number");
    assert!(after - before > 1.2 || after + 0.3 >= end, "{before} to {after} of {end}");
    browser.choose("#time-speed", "60");
    browser.click("#time-play");
    browser.wait_until(
        "document.getElementById(\"time-live\").getAttribute(\"aria-pressed\") === \"true\"",
        DEFAULT_TIMEOUT,
    );
    check_clean(&browser, &fleet.http);
}
