//! Error messages for invalid plans: `cases` has one folder per case.

use std::fs;
use std::path::Path;

use crate::workspace::{Workspace, text};

#[test]
fn every_invalid_plan_gives_the_error_of_its_case() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/experiment/cases");
    let mut failures = Vec::new();
    let mut count = 0;
    for folder in fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()) {
        if !folder.is_dir() {
            continue;
        }
        count += 1;
        let workspace = Workspace::new();
        let mut args = vec!["run".to_owned(), "plan.toml".to_owned()];
        if let Ok(set) = fs::read_to_string(folder.join("set.txt")) {
            set.lines().for_each(|set| args.extend(["--set".to_owned(), set.to_owned()]));
        }
        fs::copy(folder.join("plan.toml"), workspace.0.path().join("plan.toml")).unwrap();
        let output = workspace.call(&args.iter().map(String::as_str).collect::<Vec<_>>());
        let printed = text(&output.stderr);
        let expected = folder.join("error.txt");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &printed).unwrap();
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        if printed != expected
            || output.status.code() != Some(2)
            || workspace.0.path().join("results").exists()
        {
            let code = output.status.code();
            failures.push(format!(
                "{} ({code:?})\n  expected: {expected}  printed:  {printed}",
                folder.display()
            ));
        }
    }
    assert!(count >= 15, "cases are missing");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
