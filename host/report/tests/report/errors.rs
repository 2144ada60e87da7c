//! Errors of malformed results folders.

use std::fs;

use super::fixture::{Fixture, Folder};

/// The error message, with the path of the folder removed.
fn error_text(folder: &Folder) -> String {
    let error_text = wasmote_report::html(folder.path()).unwrap_err().to_string();
    error_text
        .replace(&format!("{}/", folder.path().display()), "")
        .replace(folder.path().to_str().unwrap(), "DIR")
}

fn with(name: &str, text: &str) -> Folder {
    let folder = Fixture::default().folder();
    fs::write(folder.file(name), text).unwrap();
    folder
}

#[test]
fn a_file_that_is_missing_is_named() {
    for name in ["summary.json", "timeseries.csv", "latency.csv", "outages.csv", "ledger.json"] {
        let folder = Fixture::default().folder();
        fs::remove_file(folder.file(name)).unwrap();
        assert!(error_text(&folder).starts_with(&format!("{name}: ")), "{}", error_text(&folder));
    }
}

#[test]
fn a_folder_without_a_manifest_is_rejected() {
    let folder = Fixture::default().folder();
    fs::remove_file(folder.file("manifest.json")).unwrap();
    assert_eq!(
        error_text(&folder),
        "DIR: there is no manifest.json; name a folder that `wasmote experiment run` wrote"
    );
}

#[test]
fn a_file_that_is_malformed_is_named_with_its_line() {
    let folder = with("manifest.json", "{\n  \"format\": 1,\n  \"complete\": \"yes\"\n}");
    assert_eq!(
        error_text(&folder),
        "manifest.json:3:19: complete: invalid type: string \"yes\", expected a boolean"
    );
    let folder = with("summary.json", "{\n");
    assert!(error_text(&folder).starts_with("summary.json:2:0: invalid JSON"), "{}", error_text(&folder));
    let folder = with("latency.csv", "group,upper_bound_s,count\n*,0.1,5\n*,fast,1\n");
    assert_eq!(error_text(&folder), "latency.csv:3:1: upper_bound_s: `fast` is not a number");
    let folder = with("outages.csv", "device,group,fault,kind,from_s\n");
    assert_eq!(error_text(&folder), "outages.csv:1:1: to_s: the column is missing");
    let folder = with("timeseries.csv", "time_s,group\n1,*,2\n");
    assert_eq!(error_text(&folder), "timeseries.csv:2:1: 3 values, but the header has 2");
}

#[test]
fn another_format_is_rejected() {
    let folder = Fixture::default().folder();
    let manifest = fs::read_to_string(folder.file("manifest.json")).unwrap();
    fs::write(folder.file("manifest.json"), manifest.replace("\"format\": 1", "\"format\": 2")).unwrap();
    assert_eq!(error_text(&folder), "manifest.json: format is 2, and this version of wasmote reads 1");
}

#[test]
fn a_run_outside_of_the_results_folder_is_rejected() {
    let folder = Fixture::default().folder();
    let manifest = fs::read_to_string(folder.file("manifest.json")).unwrap();
    let manifest = manifest.replace("\"path\": \".\"", "\"path\": \"../elsewhere\"");
    fs::write(folder.file("manifest.json"), manifest).unwrap();
    assert_eq!(
        error_text(&folder),
        "manifest.json: runs.path: `../elsewhere` is outside of the results folder"
    );
}
