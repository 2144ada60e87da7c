//! A system clock that is set while devices run.

use std::path::PathBuf;
use std::time::Duration;

use crate::live_run::{LiveRun, Setup};

/// The library that shows another time to a process.
fn libfaketime() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("a folder").flatten();
    let mut found = folders.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
    found.find(|path| path.exists()).expect("libfaketime is installed; `make test` checks it")
}

#[test]
fn a_clock_that_is_set_forwards_and_backwards() {
    let folder = tempfile::tempdir().expect("a folder");
    let offset = folder.path().join("offset");
    let set = |text: &str| std::fs::write(&offset, text).expect("a file");
    set("+0");
    let environment = vec![
        ("LD_PRELOAD", libfaketime().display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", offset.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        // As on a real system, the monotonic clock is not set.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    let run = LiveRun::start(&Setup { environment, ..Setup::default() });
    run.wait_for_messages();
    let before = run.usage();
    for step in ["+3600", "-7200", "+86400", "-31536000", "+0"] {
        set(step);
        run.wait_for_messages();
        assert_eq!(run.connected(), crate::live_run::DEVICES, "after a step to {step}");
    }
    let metrics = run.get("/metrics", Duration::from_secs(5)).expect("an answer");
    let mean = metrics["avg_latency"].as_f64().expect("a latency");
    assert!((0.0..5.0).contains(&mean), "the mean latency is {mean} s: a step of the clock was measured");
    run.assert_recovered(before);
    run.stop();
}
