//! The OpenAPI document against the running host: Schemathesis sends requests that follow the document, or break it, and
//! checks every response against it. `.ci/schemathesis.toml` says how to run it by hand.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fleet::Fleet;

const TOKEN: &str = "correct-horse-battery-staple";

/// The program in `target/tools`, where `make tools` installs it, or in the PATH.
fn schemathesis() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let installed = root.join("target/tools/bin/schemathesis");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join("schemathesis"));
    std::iter::once(installed).chain(in_path).find(|program| program.is_file())
}

#[test]
fn the_running_host_does_what_the_openapi_document_says() {
    let Some(program) = schemathesis() else {
        eprintln!("skipped: schemathesis is not installed; `make tools` installs it");
        return;
    };
    // Reading needs the token as well, so that its absence is tried everywhere.
    let fleet = Fleet::run(&[
        "--devices",
        "3",
        "--faults",
        "none",
        "--log-messages",
        "off",
        "--http-rate",
        "100000",
        "--http-private",
        "--http-token",
        TOKEN,
    ])
    .ready();
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.ci/schemathesis.toml");
    let folder = tempfile::tempdir().expect("a folder");
    // The same requests every time: a failure of another draw would come with an unrelated change.
    let output = Command::new(program)
        .arg("--config-file")
        .arg(config)
        .args(["run", &format!("{}/openapi.json", fleet.http), "--no-color", "--seed", "1"])
        // The phase `coverage` fails at times with an error of its own when it generates any JSON value.
        .args(["--phases", "fuzzing,stateful", "--max-examples", "20"])
        .args(["-H", &format!("Authorization: Bearer {TOKEN}")])
        .current_dir(folder.path())
        .output()
        .expect("it ran");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(report.contains(" passed"), "{report}");
    assert_eq!(fleet.status_of("/healthz"), 200);
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let metrics: serde_json::Value =
        serde_json::from_str(&fleet.curl(&["-H", &bearer], "/metrics").1).expect("JSON");
    assert!(metrics["http"]["requests"].as_u64() > Some(1_000), "{metrics}");
    assert!(metrics["http"]["refused"]["token"].as_u64() > Some(0), "{metrics}");
}
