//! Reproducibility: the same plan and seed give the same bytes in any environment.

use std::path::Path;

use crate::workspace::{SMALL, Workspace, json, reproducible_files};

#[test]
fn process_folder_locale_and_number_of_workers_do_not_change_results() {
    let here = Workspace::with_plan(SMALL);
    let one = here.run(&["plan.toml", "--workers", "1"], 0);
    let alone = reproducible_files(&one);
    let mut different = digests(&one);
    different.sort();
    different.dedup();
    assert_eq!(different.len(), 4, "two points and two seeds give four different runs");

    for (workers, locale, zone) in
        [("2", "tr_TR.UTF-8", "Pacific/Chatham"), ("5", "ar_EG.UTF-8", "America/St_Johns")]
    {
        let there = Workspace::with_plan(SMALL);
        let mut command =
            there.command(&["run", "plan.toml", "--workers", workers, "--out", "a/b", "--json"]);
        command.env("TZ", zone).env("LC_ALL", locale).env("LANG", locale).env("HOME", "/");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let other = there.0.path().join(printed["folder"].as_str().unwrap());
        let right = reproducible_files(&other);
        assert_eq!(alone.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>());
        for (file, bytes) in &alone {
            assert!(*bytes == right[file], "{workers} workers: {} differs", file.display());
        }
        assert_eq!(digests(&one), digests(&other));
    }
}

fn digests(folder: &Path) -> Vec<String> {
    let manifest = json(&folder.join("manifest.json"));
    let runs = manifest["runs"].as_array().unwrap().clone();
    runs.into_iter().map(|run| run["digest"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn no_file_is_missing_or_empty() {
    let workspace = Workspace::with_plan(SMALL);
    let folder = workspace.run(&["plan.toml", "--seeds", "1", "--set", "sweep={}"], 0);
    let files = crate::workspace::files(&folder);
    for device in ["west-0", "west-1", "west-2", "west-3", "east-0", "east-1"] {
        let log = &files[Path::new(&format!("logs/{device}.log"))];
        assert!(log.starts_with(b"2026-01-01T00:00:00.000Z INFO "), "{device}");
    }
    for name in [
        "summary.json",
        "ledger.json",
        "timeseries.csv",
        "latency.csv",
        "outages.csv",
        "versions.csv",
        "events.ndjson",
        "chain.ndjson",
        "broker.log",
        "plan.toml",
        "manifest.json",
        "components/heartbeat.wasm",
    ] {
        assert!(!files[Path::new(name)].is_empty(), "{name}");
    }
    let no_temporary_files =
        files.keys().all(|file| file.extension().is_none_or(|extension| extension != "part"));
    assert!(no_temporary_files);
    let rows = String::from_utf8(files[Path::new("timeseries.csv")].clone()).unwrap();
    // A header line, then twelve intervals of 5 s, each with two groups and the sum.
    assert_eq!(rows.lines().count(), 1 + 12 * 3, "{rows}");
}
