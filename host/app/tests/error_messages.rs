//! Error messages for invalid documents: one folder per case in `tests/cases`.

use std::fs;
use std::path::{Path, PathBuf};

use wasmote_fleet::config::options::Options;
use wasmote_fleet::config::resolve::resolve;
use wasmote_fleet::fault_models::FaultModels;
use wasmote_fleet::fault_set::FaultSet;

#[test]
fn every_invalid_document_has_the_expected_error() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let folders =
        fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let mut wrong = Vec::new();
    let mut count = 0;
    for folder in folders {
        count += 1;
        let message = error_of(&folder) + "\n";
        let expected = folder.join("error.txt");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &message).unwrap();
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        if message != expected {
            wrong.push(format!("{}\n  expected: {expected}  found:    {message}", folder.display()));
        }
    }
    assert!(count > 10, "cases are missing");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Error message of a case, without the path of its folder.
fn error_of(folder: &Path) -> String {
    let given = |name: &str| ["toml", "json"].map(|end| folder.join(name).with_extension(end));
    let found = |files: [PathBuf; 2]| files.into_iter().find(|file| file.is_file());
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
