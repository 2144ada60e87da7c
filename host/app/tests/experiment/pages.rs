//! Layout of the report and of the comparison in a real browser without a network, at screen and phone width.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::browser::Browser;
use crate::workspace::{SMALL, Workspace, text};

/// Viewport width in pixels.
const SCREEN: u32 = 1_280;
const PHONE: u32 = 400;

/// Script that lists layout faults of a page: plots without a size or marks, overlapping or clipped text, and
/// horizontal scrolling of the whole page.
const FAULTS: &str = r"(function () {
  const faults = [], plots = Array.from(document.querySelectorAll('figure svg.plot'));
  if (document.documentElement.scrollWidth > innerWidth) {
    const wide = Array.from(document.querySelectorAll('body *')).filter(function (it) {
      return it.getBoundingClientRect().right > innerWidth + 0.5 && !it.closest('.wide');
    });
    faults.push('it scrolls sideways: ' + wide.slice(0, 3).map(function (it) { return it.outerHTML.slice(0, 200); }));
  }
  document.querySelectorAll('.wide').forEach(function (it) {
    if (it.getBoundingClientRect().right > innerWidth) { faults.push('a table leaves the page'); }
  });
  plots.forEach(function (plot) {
    const id = plot.closest('figure').id, frame = plot.getBoundingClientRect();
    if (frame.width < 250 || frame.height < 60) { faults.push(id + ' is ' + frame.width + ' x ' + frame.height); }
    const marks = Array.from(plot.querySelectorAll('polyline, polygon, circle, rect:not(.paper)')).filter(function (it) {
      const box = it.getBoundingClientRect();
      return box.width > 0 || box.height > 0;
    });
    if (marks.length === 0) { faults.push(id + ' is empty'); }
    const texts = Array.from(plot.querySelectorAll('text')).filter(function (it) { return it.textContent !== ''; });
    const boxes = texts.map(function (it) { return it.getBoundingClientRect(); });
    boxes.forEach(function (a, i) {
      const text = id + ': `' + texts[i].textContent + '`';
      if (a.left < frame.left - 1 || a.right > frame.right + 1 || a.top < frame.top - 1 || a.bottom > frame.bottom + 1) {
        faults.push(text + ' is cut off');
      }
      boxes.slice(i + 1).forEach(function (b, j) {
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        // Lines of text may touch, because their boxes have spacing above and below.
        if (across > 1 && down > Math.min(a.height, b.height) / 3) {
          faults.push(text + ' lies over `' + texts[i + 1 + j].textContent + '`');
        }
      });
    });
  });
  return faults;
})()";

/// Ids of the plots on the page.
fn plots(browser: &mut Browser) -> Vec<String> {
    let ids = browser
        .evaluate("Array.from(document.querySelectorAll('figure')).map(function (it) { return it.id; })");
    serde_json::from_value(ids).unwrap()
}

/// Checks a page in both widths: it has at least these plots and no layout faults.
fn check_page(page: &Path, wanted: &[&str]) {
    let mut browser = Browser::start();
    for width in [SCREEN, PHONE] {
        browser.open(page, width);
        assert_eq!(browser.evaluate("innerWidth"), width);
        assert_eq!(browser.evaluate("document.title").as_str().map(str::is_empty), Some(false));
        let found = plots(&mut browser);
        for plot in wanted {
            assert!(found.iter().any(|id| id == plot), "{plot} at {width}: {found:?}");
        }
        let faults = browser.evaluate(FAULTS);
        assert_eq!(faults, Value::Array(Vec::new()), "{} at {width}: {faults:#}", page.display());
        let errors = browser.errors();
        assert!(errors.is_empty(), "{errors:#?}");
        let requests = browser.requests();
        assert_eq!(requests, [format!("file://{}", page.display())], "the page loads nothing but itself");
    }
    // The script shows the values of a plot at the pointer.
    browser.open(page, SCREEN);
    let read = browser.evaluate(
        r"(function () {
          const plot = document.querySelector('#delivery-over-time svg'), frame = plot.getBoundingClientRect();
          const at = {clientX: frame.left + frame.width / 2, clientY: frame.top + frame.height / 2};
          plot.dispatchEvent(new PointerEvent('pointermove', at));
          const box = plot.parentNode.querySelector('.read-out');
          return box.hidden ? 'nothing' : box.textContent;
        })()",
    );
    assert!(read.as_str().unwrap().contains('%'), "{read}");
}

const PLOTS: [&str; 4] =
    ["delivery-over-time", "latency-over-time", "latency-distribution", "devices-over-time"];

#[test]
fn a_report_with_a_sweep_shows_its_plots() {
    let workspace = Workspace::with_plan(SMALL);
    check_page(&workspace.run(&["plan.toml"], 0).join("report.html"), &PLOTS);
}

const ALSO: [&str; 5] =
    ["losses-by-fault", "routes-over-time", "route-changes", "battery-over-time", "clock-error-over-time"];

/// Plan with everything that takes space in a report: phases with long names, broker failures, routes and batteries.
const FULL_PLAN: &str = r#"
name = "a-plan-with-a-name-that-is-longer-than-a-phone-is-wide-and_has_a_word_that_cannot_be_broken"
description = "Everything that a report can show"
duration = "10m"
warm_up = "30s"
thresholds = ["delivery_ratio >= 0.01", "phase the-broker-is-away-and-comes-back-again: delivery_ratio >= 0"]

[topology]
kind = "grid"

[[group]]
behaviour = "routing"
count = 9
config = { data_interval = "5s" }

[[faults.fault]]
kind = "loss"
id = "a-loss-whose-name-is-rather-long-for-a-strip"
probability = 0.05

[[faults.fault]]
kind = "clock"
offset_spread = "500ms"
drift_spread_ppm = 50

[[faults.fault]]
kind = "battery"
capacity_joules = 100
idle_watts = 0.1
send_joules = 0.05

[[faults.fault]]
id = "a-silence-whose-name-is-rather-long-for-a-strip"
kind = "silence"
every = "1m"
probability = 0.2
for = "20s"

[[timeline]]
at = "1m"
phase = "calm"

[[timeline]]
at = "2m"
broker = { pause = "10s" }

[[timeline]]
at = "3m"
phase = "the-broker-is-away-and-comes-back-again"
broker = { restart = "30s", persistent = true }

[[timeline]]
at = "5m"
phase = "storm"
disconnect = { for = "10s" }

[[timeline]]
at = "3m 10s"
crash = { share = 0.3 }

[[timeline]]
at = "3m 20s"
phase = "short"
stop = { devices = ["routing-4"] }
"#;

#[test]
fn a_full_report_shows_its_plots() {
    let workspace = Workspace::with_plan(FULL_PLAN);
    let folder = workspace.run(&["plan.toml"], 0);
    check_page(&folder.join("report.html"), &[&PLOTS[..], &ALSO].concat());
    // Outages with a known end have no separate event for their end.
    let plot = fs::read_to_string(folder.join("plots/delivery-over-time.svg")).unwrap();
    assert!(plot.contains(">storm</text>") && !plot.contains(">end of a fault</text>"), "{plot}");
}

/// Proves that the checks above detect broken pages.
#[test]
fn broken_pages_are_detected() {
    let workspace = Workspace::with_plan(
        &SMALL.replace("[sweep]", "").replace("\"faults.loss.probability\" = [0, 0.3]", ""),
    );
    let page = workspace.run(&["plan.toml"], 0).join("report.html");
    let whole = fs::read_to_string(&page).unwrap();
    let mut browser = Browser::start();
    for (old, new, expected) in [
        ("</main>", "<p style=\"width:2000px\">wide</p></main>", "it scrolls sideways"),
        ("</svg>", "<text x=\"470\" y=\"60\">much too far to the right</text></svg>", "is cut off"),
        ("</svg>", "<text x=\"14\" y=\"20\">on the title</text></svg>", "lies over"),
        ("<polyline ", "<desc ", "is empty"),
    ] {
        assert!(whole.contains(old), "{old}");
        fs::write(&page, whole.replace(old, new)).unwrap();
        browser.open(&page, PHONE);
        let faults = browser.evaluate(FAULTS).to_string();
        assert!(faults.contains(expected), "{expected}: {faults}");
        assert!(browser.errors().is_empty());
    }
    let more = "<img src=\"http://example.org/picture\"><script>throw new Error('broken');</script></main>";
    fs::write(&page, whole.replace("</main>", more)).unwrap();
    browser.open(&page, SCREEN);
    let errors = format!("{:?}", browser.errors());
    assert!(errors.contains("broken"), "{errors}");
    assert_eq!(browser.requests().last(), Some(&"http://example.org/picture"));
}

#[test]
fn a_comparison_shows_its_plots() {
    let workspace = Workspace::with_plan(SMALL);
    let [first, second] = ["out/a", "out/b"].map(|out| workspace.run(&["plan.toml", "--out", out], 0));
    let [first, second] = [first, second].map(|folder| folder.display().to_string());
    let compared = workspace.call(&["compare", &first, &second, "--out", "compared"]);
    assert!(compared.status.success(), "{}", text(&compared.stderr));
    let page = workspace.0.path().join("compared/comparison.html");
    assert!(fs::metadata(&page).unwrap().len() > 0);
    check_page(&page, &["delivery-over-time"]);
}
