//! Comparisons of results folders.

use std::fs;

use serde_json::json;

use super::fixture::{Fixture, Folder};
use super::markup::parse;

/// Seeds 1 to 4 deliver 0.90, 0.92, 0.94, 0.96 and, with less spread, 0.80, 0.81, 0.82, 0.83.
fn two() -> [Folder; 2] {
    let a = Fixture {
        plan: "calm".into(),
        seeds: 4,
        ratio: |_, seed| 0.88 + 0.02 * seed as f64,
        ..Fixture::default()
    };
    let b = Fixture {
        plan: "<storm>".into(),
        seeds: 4,
        ratio: |_, seed| 0.79 + 0.01 * seed as f64,
        ..Fixture::default()
    };
    [a.folder(), b.folder()]
}

fn compared(folders: &[Folder]) -> wasmote_report::Comparison {
    let dirs: Vec<_> = folders.iter().map(|folder| folder.path().to_path_buf()).collect();
    wasmote_report::compare(&dirs).unwrap()
}

#[test]
fn a_difference_has_welchs_interval() {
    let json = compared(&two()).json();
    let row = &json["rows"][0];
    assert_eq!(row["metric"], "delivery_ratio");
    let difference = &row["differences"][0];
    let close = |value: &serde_json::Value, wanted: f64| {
        let value = value.as_f64().unwrap();
        assert!((value - wanted).abs() < 2e-4, "{value}, not {wanted}");
    };
    close(&row["values"][0]["mean"], 0.93);
    // s = 0.02582 and 0.01291 over four seeds each: standard error 0.014434, degrees of freedom 4.412, t = 2.678.
    close(&difference["value"], -0.115);
    close(&difference["half_width"], 0.03865);
    close(&difference["low"], -0.15365);
    assert_eq!(difference["significant"], true);
}

#[test]
fn the_table_marks_significant_differences() {
    let text = compared(&two()).text();
    let line = text.lines().find(|line| line.starts_with("delivery ratio (%)")).unwrap();
    let cells: Vec<_> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(cells, ["delivery ratio (%)", "93.0 ± 4.1", "81.5 ± 2.1", "−11.5 ± 3.9 *"], "{text}");
    let line = text.lines().find(|line| line.starts_with("generated")).unwrap();
    assert!(!line.contains('*'), "no difference, no star: {line}");
}

#[test]
fn points_are_matched_by_their_values() {
    let fixture = |values: [u64; 2]| Fixture {
        points: values.map(|nodes| json!({"groups.nodes.count": nodes})).to_vec(),
        seeds: 2,
        ..Fixture::default()
    };
    let folders = [fixture([10, 50]).folder(), fixture([50, 100]).folder()];
    let json = compared(&folders).json();
    let rows: Vec<_> =
        json["rows"].as_array().unwrap().iter().filter(|row| row["metric"] == "delivery_ratio").collect();
    let has = |row: usize, side: usize| !rows[row]["values"][side].is_null();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[1]["point"]["groups.nodes.count"], 50);
    assert_eq!([has(0, 1), has(1, 0), has(1, 1), has(2, 0)], [false, true, true, false]);
    assert!(rows[0]["differences"][0].is_null() && rows[1]["differences"][0].is_object());
}

#[test]
fn a_comparison_is_a_page_with_overlays() {
    let place = tempfile::tempdir().unwrap();
    let file = compared(&two()).write(&place.path().join("deep/er")).unwrap();
    let page = fs::read_to_string(file).unwrap();
    let markup = parse(&page).unwrap();
    assert!(page.contains("calm · &lt;storm&gt;") && page.contains("−11.5 ± 3.9 *"));
    let figures = markup.values("figure", "id");
    assert!(figures.contains(&"delivery-over-time") && figures.contains(&"sweep-delivery"), "{figures:?}");
    assert!(place.path().join("deep/er/plots/delivery-over-time.svg").is_file());
}

#[test]
fn a_comparison_needs_two_folders_with_runs() {
    let [a, b] = two();
    let error_text = |dirs: &[&Folder]| {
        let dirs: Vec<_> = dirs.iter().map(|folder| folder.path().to_path_buf()).collect();
        wasmote_report::compare(&dirs).unwrap_err().to_string()
    };
    assert_eq!(error_text(&[&a]), "a comparison needs two or more results folders");
    let manifest = fs::read_to_string(b.file("manifest.json")).unwrap();
    fs::write(b.file("manifest.json"), manifest.replace("\"complete\": true", "\"complete\": false"))
        .unwrap();
    fs::remove_dir_all(b.file("runs")).unwrap();
    assert!(error_text(&[&a, &b]).ends_with("none of its runs has ended, so there is nothing to compare"));
}

/// Marks the runs with these seeds as ended early by a threshold, with 7 deliveries.
fn abort(folder: &Folder, seeds: &[u64]) {
    for entry in fs::read_dir(folder.file("runs")).unwrap() {
        let file = entry.unwrap().path().join("summary.json");
        let mut summary: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        if seeds.contains(&summary["seed"].as_u64().unwrap()) {
            summary["aborted"] = true.into();
            summary["duration_s"] = 10.0.into();
            summary["delivered"] = 7.into();
            fs::write(&file, summary.to_string()).unwrap();
        }
    }
}

#[test]
fn runs_that_a_threshold_ended_do_not_go_into_means_and_are_reported() {
    let folders = two();
    let whole = compared(&folders).json();
    abort(&folders[1], &[3, 4]);
    let comparison = compared(&folders);
    let (text, json, page) = (comparison.text(), comparison.json(), comparison.html());
    let error_text = "B: 2 of 4 runs were ended early (2 by a threshold). 2 left out";
    assert!(text.contains(error_text) && page.contains(error_text), "{text}");
    assert_eq!(json["experiments"][1]["aborted"], 2);
    assert_eq!(json["experiments"][1]["left_out"], 2);
    assert_eq!(json["experiments"][0]["aborted"], 0);
    let delivered = |json: &serde_json::Value, side: usize| {
        let rows = json["rows"].as_array().unwrap().iter();
        rows.clone().find(|row| row["metric"] == "delivered").unwrap()["values"][side].clone()
    };
    assert_eq!(delivered(&json, 0), delivered(&whole, 0));
    assert_eq!(delivered(&json, 1)["count"], 2);
    assert!(delivered(&json, 1)["mean"].as_f64().unwrap() > 400_000.0, "{json}");
}

#[test]
fn without_a_whole_run_figures_are_marked_and_have_no_difference() {
    let folders = two();
    abort(&folders[1], &[1, 2, 3, 4]);
    let comparison = compared(&folders);
    let text = comparison.text();
    assert!(text.contains("B: all 4 runs were ended early (4 by a threshold)."), "{text}");
    let line = text.lines().find(|line| line.starts_with("delivered")).unwrap();
    assert!(line.contains("7.000 ± 0.000 †") && line.ends_with('–'), "{line}");
    assert!(comparison.json()["rows"][0]["differences"][0].is_null());
    assert!(comparison.html().contains("† marks points without a whole run"));
}

#[test]
fn sweeps_with_no_point_in_common_are_reported_and_have_no_table() {
    let fixture = |values: [f64; 2]| Fixture {
        points: values.map(|loss| json!({"faults.loss.probability": loss})).to_vec(),
        ..Fixture::default()
    };
    let comparison = compared(&[fixture([0.1, 0.2]).folder(), fixture([0.3, 0.4]).folder()]);
    let text = comparison.text();
    assert!(text.contains("A and B have no point in common"), "{text}");
    assert!(text.contains("A has faults.loss.probability = 0.1; faults.loss.probability = 0.2"), "{text}");
    assert!(!text.contains("delivery ratio (%)"), "{text}");
    assert!(!comparison.html().contains("id=\"differences\""));
}

#[test]
fn fields_that_differ_between_the_plans_are_listed() {
    let folders = two();
    let plan = |count: u64, duration: &str| {
        format!("name = \"one\"\nduration = \"{duration}\"\n\n[[group]]\nname = \"west\"\ncount = {count}\n")
    };
    fs::write(folders[0].file("plan.toml"), plan(8, "10m")).unwrap();
    fs::write(folders[1].file("plan.toml"), plan(10, "5m")).unwrap();
    let comparison = compared(&folders);
    let text = comparison.text();
    let differ: Vec<&str> = text.lines().skip_while(|line| *line != "The plans differ in").skip(1).collect();
    assert!(differ[0].starts_with("  duration") && differ[0].ends_with("A 10m   B 5m"), "{text}");
    assert!(differ[1].starts_with("  group.west.count") && differ[1].ends_with("A 8   B 10"), "{text}");
    assert_eq!(comparison.json()["plans_differ"][1]["values"], json!(["8", "10"]));
    assert!(comparison.html().contains("Differences between the plans"));
}
