//! Projects of the templates with the probe in place of the thermostat, built once by the tools in `target/tools`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};
use wasmote_project::builder;
use wasmote_project::create;
use wasmote_project::language::Language;
use wasmote_project::manifest::{Kind, Project};

/// The top of the repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

/// Where `make tools` installs the toolchains.
fn tools() -> PathBuf {
    repository().join("target/tools")
}

/// The folder that keeps components between runs of the tests.
pub fn cache() -> PathBuf {
    repository().join("target/languages")
}

/// The tool that a language needs in `target/tools`.
fn tool_of(language: &str) -> PathBuf {
    tools().join(match language {
        "c" => "bin/python-zig",
        "javascript" => "node_modules/.bin/componentize-qjs",
        "python" => "bin/componentize-py",
        "go" => "bin/go",
        other => panic!("{other} has no tool"),
    })
}

/// The probe in a language, as a component; `None`, with the reason on stderr, if its toolchain is absent.
pub fn probe(language: &str) -> Option<Vec<u8>> {
    let tool = tool_of(language);
    if !tool.exists() {
        eprintln!("skipped: {} is not there; `make tools` installs it", tool.display());
        return None;
    }
    if language == "javascript" && Command::new("node").arg("--version").output().is_err() {
        eprintln!("skipped: node is not there");
        return None;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    let described = Language::find(language).expect("a template");
    let mut files = create::files(&described, Kind::Behaviour, "probe");
    let probe = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/languages/probe").join(language);
    for path in below(&probe) {
        let name = path.strip_prefix(&probe).expect("below it").to_str().expect("UTF-8").to_owned();
        files.insert(name, fs::read(&path).expect("a file").into());
    }
    let mut hash = Sha256::new();
    for (name, bytes) in &files {
        hash.update(name);
        hash.update(Sha256::digest(bytes));
    }
    let hash: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let kept = cache().join(format!("{language}-{hash}.wasm"));
    if let Ok(component) = fs::read(&kept) {
        return Some(component);
    }
    create::write(root, &files).expect("an empty folder");
    link(&tools(), &root.join(".venv"));
    link(&tools().join("node_modules"), &root.join("node_modules"));
    let project = Project::read(root).expect("a project");
    let built = builder::build(&project, &|| false).unwrap_or_else(|problem| panic!("{language}: {problem}"));
    fs::create_dir_all(cache()).expect("a folder");
    // Other tests may write the same file.
    let partial = cache().join(format!("{language}-{}.partial", std::process::id()));
    fs::write(&partial, &built.bytes).and_then(|()| fs::rename(&partial, &kept)).expect("a file");
    Some(built.bytes)
}

/// All files below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

#[cfg(unix)]
fn link(to: &Path, from: &Path) {
    if to.exists() {
        std::os::unix::fs::symlink(to, from).expect("a link");
    }
}

#[cfg(not(unix))]
fn link(_: &Path, _: &Path) {}
