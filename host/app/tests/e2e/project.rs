//! Projects of users' own behaviours: new, built, tested and run in folders outside of this repository.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

use crate::program::wasmote;

/// The program in a folder, without network access for Cargo.
fn in_folder(folder: &Path, args: &[&str]) -> Command {
    let mut command = wasmote(args);
    command.current_dir(folder).env("CARGO_NET_OFFLINE", "true").env_remove("CARGO_TARGET_DIR");
    command
}

/// Exit code, stdout and stderr.
fn outcome(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = in_folder(folder, args).output().expect("it ran");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

/// Why this machine cannot build projects in Rust, if it cannot.
fn unable(project: &Path) -> Option<String> {
    let mut metadata = Command::new("cargo");
    metadata.args(["metadata", "--offline", "--format-version", "1"]).current_dir(project);
    match metadata.output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(problem) => Some(problem.to_string()),
    }
}

/// A project in Rust with its component, built once for all tests; `None`, with the reason on stderr, if this machine lacks
/// what a build needs. Tests copy it.
fn built_project() -> Option<&'static Path> {
    static PROJECT: OnceLock<Option<(tempfile::TempDir, PathBuf)>> = OnceLock::new();
    let built = PROJECT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let (code, stdout, stderr) = outcome(folder.path(), &["new", "my-lamp"]);
        if code == Some(1) && stderr.contains("needs tools that are not here") {
            eprintln!("skipped: {stderr}");
            return None;
        }
        assert_eq!(code, Some(0), "{stderr}");
        assert!(stdout.contains("cd my-lamp") && stdout.contains("wasmote test"), "{stdout}");
        let project = folder.path().join("my-lamp");
        if let Some(reason) = unable(&project) {
            eprintln!("skipped: the crates of a project are not in Cargo's cache: {reason}");
            return None;
        }
        let (code, stdout, stderr) = outcome(&project, &["build", "--json"]);
        assert_eq!(code, Some(0), "{stderr}");
        let report: Value = serde_json::from_str(&stdout).expect("JSON on stdout, and nothing else");
        assert_eq!(report["role"], "behaviour", "{report}");
        assert!(report["size_bytes"].as_u64().is_some_and(|bytes| bytes < 100_000), "{report}");
        Some((folder, project))
    });
    built.as_ref().map(|(_, project)| project.as_path())
}

#[test]
fn a_new_project_builds_and_runs_its_unit_test() {
    let Some(project) = built_project() else { return };
    assert!(project.join("build/my-lamp.wasm").is_file());
    // The answer is the same from a folder inside the project.
    let (code, stdout, stderr) = outcome(&project.join("src"), &["build"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("build/my-lamp.wasm  behaviour, "), "{stdout}");
    let unit = Command::new("cargo")
        .args(["test", "--offline"])
        .current_dir(project)
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .expect("cargo is there");
    let stdout = String::from_utf8_lossy(&unit.stdout);
    assert!(unit.status.success() && stdout.contains("2 passed"), "{stdout}");
}

#[test]
fn names_languages_and_folders_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("full")).expect("a folder");
    std::fs::write(folder.path().join("full/file"), "").expect("a file");
    for (args, code, words) in [
        (&["new", "My-Lamp"][..], 2, "NAME: `My-Lamp`: it has other characters than lower-case letters"),
        (&["new", "loop"], 2, "NAME: `loop` has a meaning in Rust; choose another name"),
        (&["new", "lamp", "--language", "ruts"], 2, "did you mean `rust`?"),
        (&["new", "lamp", "--folder", "full", "--without-tools"], 2, "exists and is not empty"),
        (&["new", "lamp", "--folder", "full/file/lamp", "--without-tools"], 1, "cannot "),
        (&["build"], 2, "there is no `wasmote.toml` in `"),
        (&["build", "--project", "full"], 2, "cannot read `full/wasmote.toml`"),
    ] {
        let (found, _, stderr) = outcome(folder.path(), args);
        assert_eq!((found, stderr.contains(words)), (Some(code), true), "{args:?}: {stderr}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing was written");
}

#[test]
fn missing_tools_are_named_with_their_commands_before_anything_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = in_folder(folder.path(), &["new", "lamp"]);
    let output = command.env("PATH", folder.path()).output().expect("it ran");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for words in [
        "Cargo and the Rust compiler (install it with `curl --proto",
        "the target wasm32-unknown-unknown of the Rust compiler (install it with `rustup target add wasm32-unknown-unknown`)",
        "--without-tools",
    ] {
        assert!(stderr.contains(words), "{stderr}");
    }
    assert!(!folder.path().join("lamp").exists());
    // The project is written on request, and its build names the same tools.
    let mut command = in_folder(folder.path(), &["new", "lamp", "--without-tools"]);
    assert!(command.env("PATH", folder.path()).status().expect("it ran").success());
    let mut command = in_folder(&folder.path().join("lamp"), &["build"]);
    let output = command.env("PATH", folder.path()).output().expect("it ran");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("wasmote.toml: build: the program `cargo` cannot be started"), "{stderr}");
    assert!(stderr.contains("rustup target add wasm32-unknown-unknown"), "{stderr}");
}
