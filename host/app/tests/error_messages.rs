//! Error messages for invalid documents and for components that cannot run: one folder per case in `tests/cases`.

#[path = "../../engine/tests/guests/mod.rs"]
mod guests;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmote_fleet::config::options::Options;
use wasmote_fleet::config::resolve::resolve;
use wasmote_fleet::fault_models::FaultModels;
use wasmote_fleet::fault_set::FaultSet;

#[test]
fn every_invalid_document_has_the_expected_error() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let folders =
        fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let folders: Vec<PathBuf> = folders.collect();
    let wrong = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    // Most of the time of a case with a component is waiting.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(folder) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
                    wrong.lock().unwrap().extend(difference(folder));
                }
            });
        }
    });
    let (count, wrong) = (folders.len(), wrong.into_inner().unwrap());
    assert!(count > 10, "cases are missing");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// How the error message of a case differs from the expected one. With `BLESS`, it becomes the expected one.
fn difference(folder: &Path) -> Option<String> {
    let message = error_of(folder) + "\n";
    let expected = folder.join("error.txt");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&expected, &message).unwrap();
    }
    let expected = fs::read_to_string(&expected).unwrap_or_default();
    (message != expected)
        .then(|| format!("{}\n  expected: {expected}  found:    {message}", folder.display()))
}

/// Error message of a case, without the path of its folder.
fn error_of(folder: &Path) -> String {
    let given = |name: &str| ["toml", "json"].map(|end| folder.join(name).with_extension(end));
    let found = |files: [PathBuf; 2]| files.into_iter().find(|file| file.is_file());
    if folder.join("guest.toml").is_file() {
        return error_of_run(folder);
    }
    let message = match (found(given("faults")), found(given("run"))) {
        (Some(file), None) => FaultSet::load(file.to_str().unwrap(), Path::new(""), &FaultModels::default())
            .unwrap_err()
            .to_string(),
        (None, Some(file)) => {
            resolve(&Options { config_file: Some(file), ..Options::default() }).unwrap_err().to_string()
        }
        _ => panic!("{} holds neither faults nor a run, or both", folder.display()),
    };
    message.replace(&format!("{}/", folder.display()), "")
}

/// A component and how it is run.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Case {
    /// A component in the text format, in place of the fields that follow, or a core module.
    component: Option<String>,
    /// The world of the guest; by default that of a device.
    world: Option<String>,
    /// Parts of the guest, as in `Guest`.
    imports: String,
    functions: String,
    start: String,
    pages: u32,
    /// More arguments of `wasmote run`.
    arguments: Vec<String>,
}

impl Case {
    fn component(&self) -> Vec<u8> {
        if let Some(component) = &self.component {
            return wat::parse_str(component).expect("a valid text");
        }
        let Self { imports, functions, start, pages, .. } = self;
        let guest = guests::Guest { imports, functions, start, pages: *pages, ..guests::Guest::default() };
        match &self.world {
            None => guest.component(),
            Some(world) => guests::encode(guest.core_module(), world),
        }
    }
}

/// Last line of `wasmote run` with one device of the component, without the path of the file.
fn error_of_run(folder: &Path) -> String {
    let case = fs::read_to_string(folder.join("guest.toml")).unwrap();
    let case: Case =
        toml::from_str(&case).unwrap_or_else(|problem| panic!("{}: {problem}", folder.display()));
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("guest.wasm");
    fs::write(&file, case.component()).unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_wasmote"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WASMOTE_") || name == "RUST_LOG") {
        run.env_remove(name);
    }
    run.args(["run", file.to_str().unwrap(), "--devices", "1", "--duration", "500ms", "--faults", "none"]);
    run.args(["--http", "127.0.0.1:0", "--broker", "embedded:0"]).args(&case.arguments);
    let output = run.env("NO_COLOR", "1").env("WASMOTE_CACHE", temp.path()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let last = stderr.lines().last().unwrap_or_default();
    // A device may fail more than once on a busy machine.
    let once = match last.split_once(" traps, such as: ") {
        Some((before, trap)) => format!("{} 1 trap: {trap}", before.trim_end_matches(|c: char| c != ':')),
        None => last.to_owned(),
    };
    once.replace(&format!("{}/", temp.path().display()), "")
}
