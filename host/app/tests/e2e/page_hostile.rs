//! A fleet whose names, topics, payloads and logs try to be markup, to hide or to fill the page: all of it is text, in every
//! view, and nothing is requested from elsewhere.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::Mosquitto;
use crate::page::{check_clean, open, wait_for_text};

/// Markup that would run a script.
const MARKUP: &str = "<img src=https:203.0.113.1 onerror=window.hacked=1>";

/// A fleet whose configuration, client ids and messages are hostile.
fn hostile_fleet(broker: &Mosquitto) -> (tempfile::TempDir, Fleet) {
    let folder = tempfile::tempdir().expect("a folder");
    let names = folder.path().join("names.txt");
    let client_ids =
        [MARKUP, "rtl\u{202e}\u{2066}evil", "__proto__", "constructor", "\"quoted\" &amp; {{x}}"];
    std::fs::write(&names, client_ids.join("\n")).expect("a file");
    let config = folder.path().join("fleet.toml");
    let text = format!(
        "topic_root = \"r\u{202e}oot<b>\"\n\
         [[group]]\nbehaviour = \"heartbeat\"\nconfig = {{ interval = \"300ms\" }}\n\
         [group.identity]\nnames = {names:?}\n\
         [[group]]\nname = \"bad\"\nbehaviour = \"sensor\"\ncount = 1\nconfig = {{ {:?} = 1 }}\n",
        MARKUP
    );
    std::fs::write(&config, text).expect("a file");
    let url = broker.url();
    let config = config.to_str().expect("text").to_owned();
    (folder, Fleet::run(&["--config", &config, "--broker", &url, "--faults", "none"]))
}

/// Nothing on the page is an element or a script of the fleet, and no mark that changes the direction of text is left.
fn check_is_text(browser: &mut Browser, view: &str) {
    let found = browser.evaluate(
        "[typeof window.hacked, document.querySelectorAll(\"img, iframe, object, embed, script:not([src])\").length, \
         /[\\u202a-\\u202e\\u2066-\\u2069\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]/.test(document.body.textContent), \
         document.documentElement.scrollWidth - innerWidth > 0].join()",
    );
    assert_eq!(found, "undefined,0,false,false", "{view}");
}

#[test]
fn hostile_names_topics_payloads_and_logs_are_text_in_every_view() {
    let broker = Mosquitto::start();
    let (_folder, fleet) = hostile_fleet(&broker);
    fleet.wait_until("the heartbeats are connected", DEFAULT_TIMEOUT, |fleet| {
        fleet.get("/status")["states"]["connected"].as_u64() == Some(5)
    });
    let mut browser = Browser::start_local();
    for width in [1400, 390] {
        open(&mut browser, &fleet, "fleet", width);
        // The reason of the failure has the field of the configuration.
        wait_for_text(&mut browser, "#problems", MARKUP);
        for view in ["fleet", "map", "messages", "faults", "behaviours"] {
            browser.click(&format!("#tab-{view}"));
            browser.wait_until("document.querySelector(\"main\").textContent.length > 40", DEFAULT_TIMEOUT);
            check_is_text(&mut browser, view);
        }
        // On the map, the keyboard reads the devices out.
        browser.click("#tab-map");
        browser.wait_until("document.querySelector(\"main canvas\") !== null", DEFAULT_TIMEOUT);
        browser.evaluate("document.querySelector(\"main canvas\").focus()");
        for _ in 0..6 {
            browser.press("n");
        }
        wait_for_text(&mut browser, "main", MARKUP);
        check_is_text(&mut browser, "map with a cursor");
    }
    // Devices, by their names, which have no character that a topic cannot have.
    for device in fleet.get("/devices")["devices"].as_array().expect("a list") {
        let name = device["device"].as_str().expect("text");
        open(&mut browser, &fleet, &format!("device/{name}"), 1400);
        wait_for_text(&mut browser, "#device-state", &format!("{name} in group"));
        wait_for_text(&mut browser, "#device-session", "Client id");
        check_is_text(&mut browser, name);
        check_clean(&browser, &fleet.http);
    }
    open(&mut browser, &fleet, "device/rtl__evil", 1400);
    wait_for_text(&mut browser, "#device-session", "rtl\\u202e\\u2066evil");
    wait_for_text(&mut browser, "#device-messages", "r\\u202eoot<b>/rtl__evil/heartbeat");
    open(&mut browser, &fleet, "device/bad-0", 1400);
    wait_for_text(&mut browser, "#device-config", MARKUP);
    check_clean(&browser, &fleet.http);
}

#[test]
fn hostile_messages_of_any_size_are_text() {
    let broker = Mosquitto::start();
    let (_folder, fleet) = hostile_fleet(&broker);
    let mut browser = Browser::start_local();
    open(&mut browser, &fleet, "messages", 1400);
    browser.fill("#topic-filter", "hostile/#");
    let folder = tempfile::tempdir().expect("a folder");
    let payloads: [Value; 5] = [
        json!("<script>window.hacked=1</script>\u{1b}[2Jgone\u{7}"),
        json!(MARKUP),
        json!("\u{202e}\u{2066}\u{200f}backwards"),
        json!("a".repeat(120_000)),
        json!({"__proto__": {"polluted": true}, "deep": MARKUP}),
    ];
    let publish = |at: usize, payload: &Value| {
        let file = folder.path().join("body.json");
        let topic = format!("hostile/{at}/{MARKUP}\u{202e}").replace('+', "");
        let body = json!({"topic": topic, "message": payload, "device": "constructor"});
        std::fs::write(&file, body.to_string()).expect("a file");
        let data = format!("@{}", file.display());
        let args = ["-X", "POST", "-H", "content-type: application/json", "--data-binary", &data];
        let (status, answer) = fleet.curl(&args, "/publish");
        assert_eq!(status, 200, "{answer}");
    };
    fleet.wait_until("the fleet publishes", DEFAULT_TIMEOUT, |fleet| {
        fleet.get("/devices/constructor")["state"] == "connected"
    });
    // The stream of the filter begins some time after the page asks for it.
    fleet.wait_until("the page shows messages", DEFAULT_TIMEOUT, |_| {
        publish(0, &payloads[0]);
        browser_has(&mut browser, "hostile/0/")
    });
    for (at, payload) in payloads.iter().enumerate() {
        publish(at, payload);
    }
    wait_for_text(&mut browser, "#messages", "hostile/4/");
    for format in ["auto", "text", "json", "cbor", "hex"] {
        browser.choose("#payload-format", format);
        wait_for_text(
            &mut browser,
            "#messages",
            "hostile/4/<img src=https:203.0.113.1 onerror=window.hacked=1>\\u202e",
        );
        check_is_text(&mut browser, format);
    }
    browser.choose("#payload-format", "text");
    wait_for_text(&mut browser, "#messages", "<script>window.hacked=1</script>\\u001b[2Jgone\\u0007");
    assert_eq!(browser.evaluate("({}).polluted === undefined"), true);
    // A payload of 120 kB is shown by its beginning, with its size.
    wait_for_text(&mut browser, "#messages", "(120000 B)");
    let shown = browser.evaluate("document.getElementById(\"messages\").textContent.length");
    assert!(shown.as_u64() < Some(100_000), "{shown}");
    check_clean(&browser, &fleet.http);
    // The device's own view shows them too.
    open(&mut browser, &fleet, "device/constructor", 1400);
    fleet.wait_until("the device's view shows the message", DEFAULT_TIMEOUT, |_| {
        publish(1, &payloads[1]);
        browser.evaluate("document.getElementById(\"device-messages\").textContent.includes(\"hostile/1/\")")
            == true
    });
    check_is_text(&mut browser, "device");
    check_clean(&browser, &fleet.http);
}

fn browser_has(browser: &mut Browser, text: &str) -> bool {
    browser.evaluate(&format!("document.getElementById(\"messages\").textContent.includes({})", json!(text)))
        == true
}
