//! Folders side by side.

use std::fs;

use serde_json::json;
use wasmote::report;

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

fn compared(folders: &[Folder]) -> report::Comparison {
    let dirs: Vec<_> = folders.iter().map(|folder| folder.path().to_path_buf()).collect();
    report::compare(&dirs).unwrap()
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
    // s = 0.02582 and 0.01291 over four seeds each: standard error 0.014434, degrees of freedom 4.412, and
    // t there is 2.678.
    close(&difference["value"], -0.115);
    close(&difference["half_width"], 0.03865);
    close(&difference["low"], -0.15365);
    assert_eq!(difference["significant"], true);
}

#[test]
fn the_table_says_which_differences_count() {
    let text = compared(&two()).text();
    let line = text.lines().find(|line| line.starts_with("delivery ratio (%)")).unwrap();
    let cells: Vec<_> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(cells, ["delivery ratio (%)", "93.0 ± 4.1", "81.5 ± 2.1", "−11.5 ± 3.9 *"], "{text}");
    let line = text.lines().find(|line| line.starts_with("generated")).unwrap();
    assert!(!line.contains('*'), "no difference, no star: {line}");
}

#[test]
fn points_are_matched_by_what_they_set() {
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
fn a_comparison_needs_two_with_something_in_them() {
    let [a, b] = two();
    let told = |dirs: &[&Folder]| {
        let dirs: Vec<_> = dirs.iter().map(|folder| folder.path().to_path_buf()).collect();
        report::compare(&dirs).unwrap_err().to_string()
    };
    assert_eq!(told(&[&a]), "a comparison takes two results folders or more");
    let manifest = fs::read_to_string(b.file("manifest.json")).unwrap();
    fs::write(b.file("manifest.json"), manifest.replace("\"complete\": true", "\"complete\": false"))
        .unwrap();
    fs::remove_dir_all(b.file("runs")).unwrap();
    assert!(told(&[&a, &b]).ends_with("no run of it has ended, so there is nothing to compare"));
}
