//! The same plan and seed give the same bytes, whatever is different around them.

use crate::bench::{Bench, SMALL, json, what_must_be_the_same};

#[test]
fn another_process_folder_locale_and_number_of_workers_change_nothing() {
    let (here, there) = (Bench::with_plan(SMALL), Bench::with_plan(SMALL));
    let one = here.run(&["plan.toml", "--workers", "1"], 0);
    let mut command = there.command(&["run", "plan.toml", "--workers", "4", "--out", "a/b", "--json"]);
    command.env("TZ", "Pacific/Chatham").env("LC_ALL", "ar_EG.UTF-8").env("LANG", "tr_TR").env("HOME", "/");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let two = there.0.path().join(told["folder"].as_str().unwrap());

    let (left, right) = (what_must_be_the_same(&one), what_must_be_the_same(&two));
    assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>());
    for (file, bytes) in &left {
        assert!(*bytes == right[file], "{} differs", file.display());
    }
    let digests = |folder| {
        let manifest = json(&std::path::Path::join(folder, "manifest.json"));
        let runs = manifest["runs"].as_array().unwrap().clone();
        runs.into_iter().map(|run| run["digest"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(digests(&one), digests(&two));
    let mut different = digests(&one);
    different.sort();
    different.dedup();
    assert_eq!(different.len(), 4, "two points and two seeds make four runs, each its own");
}

#[test]
fn no_file_is_missing_or_empty() {
    let bench = Bench::with_plan(SMALL);
    let folder = bench.run(&["plan.toml", "--seeds", "1", "--set", "sweep={}"], 0);
    let files = crate::bench::files(&folder);
    for device in ["west-0", "west-1", "west-2", "west-3", "east-0", "east-1"] {
        let log = &files[std::path::Path::new(&format!("logs/{device}.log"))];
        assert!(log.starts_with(b"2026-01-01T00:00:00.000Z INFO "), "{device}");
    }
    for name in [
        "summary.json",
        "ledger.json",
        "timeseries.csv",
        "latency.csv",
        "outages.csv",
        "events.ndjson",
        "chain.ndjson",
        "broker.log",
        "plan.toml",
        "manifest.json",
        "components/heartbeat.wasm",
    ] {
        assert!(!files[std::path::Path::new(name)].is_empty(), "{name}");
    }
    let none_left = files.keys().all(|file| file.extension().is_none_or(|extension| extension != "part"));
    assert!(none_left);
    let rows = String::from_utf8(files[std::path::Path::new("timeseries.csv")].clone()).unwrap();
    // Twelve intervals of 5 s, each with two groups and the sum, under a line of names.
    assert_eq!(rows.lines().count(), 1 + 12 * 3, "{rows}");
}
