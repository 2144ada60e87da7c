//! The report page of a results folder.

use std::fs;

use serde_json::json;

use super::fixture::{Fixture, Folder};
use super::markup::parse;

const PLOTS: [&str; 5] = [
    "delivery-over-time",
    "latency-over-time",
    "latency-distribution",
    "devices-over-time",
    "losses-by-fault",
];

fn page_of(folder: &Folder) -> String {
    let written = wasmote_report::html(folder.path()).unwrap();
    fs::read_to_string(written.page).unwrap()
}

fn sweep() -> Fixture {
    let points = [0.0, 0.05, 0.1, 0.2].map(|loss| json!({"faults.loss.probability": loss}));
    Fixture { points: points.to_vec(), seeds: 5, ..Fixture::default() }
}

#[test]
fn a_page_is_well_formed_and_has_every_plot() {
    let folder = Fixture::default().folder();
    let page = page_of(&folder);
    let markup = parse(&page).unwrap();
    assert_eq!(markup.values("figure", "id"), PLOTS);
    assert_eq!(markup.count("svg"), PLOTS.len());
    assert_eq!(markup.values("svg", "role"), ["img"; 5], "accessible to screen readers");
    assert!(markup.count("desc") == PLOTS.len() && markup.count("polyline") >= 6);
}

#[test]
fn a_sweep_adds_its_plots_and_each_is_a_file_too() {
    let folder = sweep().folder();
    let written = wasmote_report::html(folder.path()).unwrap();
    let markup = parse(&fs::read_to_string(&written.page).unwrap()).unwrap();
    let sweeps = ["sweep-delivery", "sweep-latency-p50", "sweep-latency-p95"];
    assert_eq!(markup.values("figure", "id"), [&sweeps[..], &PLOTS[..]].concat());
    assert_eq!(written.plots.len(), 8);
    for plot in &written.plots {
        let text = fs::read_to_string(plot).unwrap();
        parse(&text).unwrap_or_else(|problem| panic!("{}: {problem}", plot.display()));
        assert!(text.contains("prefers-color-scheme:dark"), "a file carries its own styles");
    }
}

#[test]
fn a_page_loads_nothing() {
    let markup = parse(&page_of(&sweep().folder())).unwrap();
    for element in ["link", "img", "iframe", "image", "object", "use"] {
        assert_eq!(markup.count(element), 0, "{element}");
    }
    assert!(markup.values("script", "src").is_empty());
    let policy = markup.values("meta", "content");
    assert!(
        policy.iter().any(|content| content.contains("default-src 'none'")),
        "the policy forbids other sources"
    );
}

#[test]
fn names_are_escaped() {
    let evil = "<script>alert(1)</script> & \"co\" 'x' \u{7}";
    let points = vec![json!({evil: evil}), json!({evil: "plain"})];
    let fixture = Fixture { plan: evil.into(), points, seeds: 2, ..Fixture::default() };
    let page = page_of(&fixture.folder());
    let markup = parse(&page).unwrap();
    assert_eq!(markup.count("script"), 1, "only the script of the page");
    assert!(!page.contains("alert(1)</script>") && page.contains("&lt;script&gt;alert(1)"));
}

#[test]
fn the_same_folder_makes_the_same_bytes() {
    let folders = [sweep().folder(), sweep().folder()];
    let pages = folders.each_ref().map(|folder| {
        let name = folder.path().file_name().unwrap().to_str().unwrap().to_owned();
        page_of(folder).replace(&name, "FOLDER")
    });
    assert_eq!(pages[0], pages[1]);
    let again = page_of(&folders[0]);
    assert_eq!(again.replace(folders[0].path().file_name().unwrap().to_str().unwrap(), "FOLDER"), pages[0]);
}

#[test]
fn means_have_intervals_by_students_t() {
    // Three seeds: 0.90, 0.92, 0.94. Mean 0.92, s = 0.02, t = 4.303: half the width is 0.0497.
    let ratio = |_, seed| 0.88 + 0.02 * seed as f64;
    let page = page_of(&Fixture { seeds: 3, ratio, ..Fixture::default() }.folder());
    assert!(page.contains("<td class=\"number\">92.0 ± 5.0</td>"), "missing in the table");
    assert!(page.contains("delivery ratio (%)"));
}

#[test]
fn one_seed_has_no_interval() {
    let page = page_of(&Fixture::default().folder());
    let ratio = "<td class=\"number\">90.40</td>";
    assert!(page.contains(ratio));
    assert!(!page.contains(" band\""), "no bands");
}

#[test]
fn thresholds_are_judged_over_all_runs() {
    let page = page_of(&sweep().folder());
    assert!(page.contains("delivery_ratio &gt;= 0.85</b> <span class=\"note\">missed; met in 5 of 20 runs"));
    let page = page_of(&Fixture::default().folder());
    assert!(page.contains("delivery_ratio &gt;= 0.85</b> <span class=\"note\">met; found 0.904"));
}

#[test]
fn the_page_of_a_stopped_experiment_says_that_it_is_incomplete() {
    let folder = Fixture { complete: false, seeds: 4, ..Fixture::default() }.folder();
    fs::remove_file(folder.file("runs/002-seed3/summary.json")).unwrap();
    fs::remove_file(folder.file("runs/002-seed3/timeseries.csv")).unwrap();
    fs::remove_dir_all(folder.file("runs/003-seed4")).unwrap();
    let page = page_of(&folder);
    parse(&page).unwrap();
    assert!(page.contains("This experiment is incomplete."));
    assert!(page.contains("2 of the 4 runs"));
    assert!(page.contains("Not ended: runs/002-seed3, runs/003-seed4."));
    assert!(!page_of(&Fixture::default().folder()).contains("incomplete"));
}

#[test]
fn runs_that_a_threshold_ended_are_left_out_of_means_and_reported() {
    let folder = Fixture { seeds: 4, ..Fixture::default() }.folder();
    let file = folder.file("runs/003-seed4/summary.json");
    let mut summary: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let whole = page_of(&folder);
    summary["aborted"] = true.into();
    summary["generated"] = 7.into();
    fs::write(&file, summary.to_string()).unwrap();
    let page = page_of(&folder);
    parse(&page).unwrap();
    assert!(page.contains("A missed threshold ended 1 of 4 runs</strong>"), "{page}");
    assert!(page.contains("left out of all plots and means"));
    assert!(whole.contains(">60,000 ± 0<") && page.contains(">60,000 ± 0<"));
    assert!(page.contains(">3 of 4<"), "the table says how many it is of");
}

#[test]
fn an_experiment_that_was_stopped_at_once_still_has_a_page() {
    let folder = Fixture { complete: false, ..Fixture::default() }.folder();
    fs::remove_file(folder.file("summary.json")).unwrap();
    fs::remove_file(folder.file("timeseries.csv")).unwrap();
    let page = page_of(&folder);
    let markup = parse(&page).unwrap();
    assert_eq!(markup.count("svg"), 0);
    assert!(page.contains("its only run has not ended") && page.contains("Not ended: the only run."));
}

#[test]
fn the_page_says_how_to_repeat_and_to_cite_it() {
    let page = page_of(&Fixture::default().folder());
    assert!(page.contains("wasmote experiment run &#39;experiments/fifty nodes.toml&#39; --seeds 1"));
    assert!(page.contains("wasmote experiment verify"));
    assert!(page.contains(&"5d".repeat(32)) && page.contains(&"c0".repeat(32)));
    assert!(page.contains("Usmani, Mohammad Faiz. &quot;MQTT Protocol for the IoT.&quot;"));
    assert!(page.contains("12, no. 3 (2020): 45-50."));
}

#[test]
fn a_report_replaces_an_older_one_and_leaves_no_temporary_files() {
    let folder = Fixture::default().folder();
    fs::write(folder.file("report.html"), "old").unwrap();
    assert!(page_of(&folder).starts_with("<!DOCTYPE html>"));
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_str().unwrap().contains("partial")));
}

#[test]
fn traps_of_a_fault_model_are_in_the_ledger() {
    let page = page_of(&Fixture::default().folder());
    let row = "<td>devices</td><td>faults › rain › traps</td><td class=\"number\">17</td>";
    assert!(page.contains(row), "{page}");
    assert!(!page.contains("loss › traps"), "a count of zero is left out");
}

#[test]
fn a_run_that_was_killed_is_shown_as_far_as_its_intervals_are_written() {
    let folder = Fixture { complete: false, ..Fixture::default() }.folder();
    for file in ["summary.json", "ledger.json", "latency.csv", "outages.csv"] {
        fs::remove_file(folder.file(file)).unwrap();
    }
    let page = page_of(&folder);
    let markup = parse(&page).unwrap();
    assert!(markup.values("figure", "id").contains(&"delivery-over-time"), "curves are drawn");
    assert!(
        page.contains("This experiment is incomplete.</strong> It was stopped before its end: its only run")
    );
    assert!(page.contains("Cut short, and shown up to that time: the only run at "));
    assert!(page.contains("unknown: 1 of 1 runs have no ledger"));
    assert!(!page.contains("every message is accounted for"));
}
