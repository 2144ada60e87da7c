//! The page under axe-core, an automatic accessibility check: no violation in any view, light and dark, wide and narrow.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::browser::Browser;
use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::Mosquitto;
use crate::page::{Viewer, open, run_experiment, wait_for_text};

/// `axe.min.js` in the packages that `make tools` installs.
fn axe() -> Option<PathBuf> {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/lib");
    let pythons = std::fs::read_dir(lib).ok()?.filter_map(Result::ok);
    pythons
        .map(|python| python.path().join("site-packages/axe_playwright_python/axe.min.js"))
        .find(|file| file.is_file())
}

/// Checks what the page shows now.
fn check(browser: &mut Browser, script: &str, what: &str) {
    browser.evaluate(script);
    let violations = browser.resolve(
        "axe.run().then((found) => found.violations.map((it) => [it.id, it.help, it.nodes.slice(0, 5).map((node) => \
         node.html.slice(0, 200) + ' ' + [...node.any, ...node.all, ...node.none].map((it) => it.message).join('; '))]))",
    );
    assert_eq!(violations, Value::Array(Vec::new()), "{what}");
    let checked = browser.resolve("axe.run().then((found) => found.passes.length)");
    assert!(checked.as_u64() > Some(10), "{what}: {checked} rules passed");
}

#[test]
fn no_view_has_a_violation_of_accessibility() {
    let Some(file) = axe() else {
        eprintln!("skipped: axe-core is not installed; `make tools` installs it");
        return;
    };
    let script = std::fs::read_to_string(file).expect("text");
    let broker = Mosquitto::start();
    let token = ["--http-token", "0123456789abcdef-token"];
    let arguments = ["sensor", "--devices", "12", "--broker", &broker.url(), "--faults", "realistic"];
    let fleet = Fleet::run(&[&arguments[..], &token].concat()).ready();
    let mut browser = Browser::start_local();
    let bearer = "Authorization: Bearer 0123456789abcdef-token";
    assert_eq!(fleet.curl(&["-X", "POST", "-H", bearer], "/devices/sensor-3/stop").0, 200);
    for (width, dark) in [(1400, false), (390, true)] {
        browser.set_dark(dark);
        open(&mut browser, &fleet, "fleet", width);
        wait_for_text(&mut browser, "#problems", "sensor-3 is stopped");
        for view in ["fleet", "map", "device", "messages", "faults", "behaviours"] {
            browser.click(&format!("#tab-{view}"));
            browser.wait_until("document.querySelector(\"main\").textContent.length > 40", DEFAULT_TIMEOUT);
            // Views load what they show; a form of faults has the most fields.
            browser.wait_until(
                "!document.querySelector(\"#fault-kind\") || document.querySelector(\"#fault-form input\")",
                DEFAULT_TIMEOUT,
            );
            browser.wait_until(
                "!document.querySelector(\"#device-session\") || document.querySelector(\"#device-session table\")",
                DEFAULT_TIMEOUT,
            );
            check(&mut browser, &script, &format!("{view} at {width}, dark: {dark}"));
        }
    }
    // Colours by a number, a selection, and a form that asks for the token.
    browser.click("#tab-map");
    browser.wait_until("document.querySelector(\"main canvas\") !== null", DEFAULT_TIMEOUT);
    let choice = browser.evaluate("document.querySelector(\"main select\").id");
    let choice = format!("#{}", choice.as_str().expect("text"));
    browser.wait_until("document.querySelector(\"main select\").options.length > 8", Duration::from_secs(20));
    browser.choose(&choice, "sent");
    browser.wait_until("document.querySelector(\".swatch\") !== null", DEFAULT_TIMEOUT);
    browser.click("[data-kind]");
    browser.click("[data-map=select-found]");
    browser.click("[data-many=stop]");
    browser.wait_until("document.getElementById(\"token\") !== null", DEFAULT_TIMEOUT);
    check(&mut browser, &script, "the token");
}

#[test]
fn a_comparison_of_runs_has_no_violation_of_accessibility() {
    let Some(file) = axe() else {
        eprintln!("skipped: axe-core is not installed; `make tools` installs it");
        return;
    };
    let script = std::fs::read_to_string(file).expect("text");
    let folder = tempfile::tempdir().expect("a folder");
    let results = run_experiment(folder.path());
    let viewer = Viewer::of(&results);
    let address = &viewer.address;
    let mut browser = Browser::start_local();
    for dark in [false, true] {
        browser.set_dark(dark);
        browser.open_url(&format!("{address}/?{dark}#compare"), 1400);
        wait_for_text(&mut browser, "#difference", "Equal until ");
        // Two maps beside each other have no id in common.
        let doubled = browser.evaluate(
            "[...document.querySelectorAll(\"[id]\")].map((it) => it.id).filter((id, at, all) => all.indexOf(id) !== at)",
        );
        assert_eq!(doubled, Value::Array(Vec::new()));
        check(&mut browser, &script, &format!("compare, dark: {dark}"));
    }
}
