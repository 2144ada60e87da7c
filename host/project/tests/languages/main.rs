//! The conformance list: what a behaviour in any language can do, checked against the engine and the device of the simulator
//! with the same probe in each language. `probe/README.md` describes it; `docs/languages.md` shows the list.

mod checks;
#[path = "../../../engine/tests/guests/mod.rs"]
mod guests;
#[allow(dead_code, reason = "the tests of the engine use the rest")]
#[path = "../../../engine/tests/engine/harness.rs"]
mod harness;
mod projects;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs all checks for a language, and names those that failed.
fn conformance(language: &str) {
    let Some(subject) = checks::Subject::of(language) else { return };
    let failed: Vec<_> = checks::CHECKS
        .iter()
        .filter(|check| catch_unwind(AssertUnwindSafe(|| (check.run)(&subject))).is_err())
        .map(|check| check.name)
        .collect();
    assert!(failed.is_empty(), "{language}: {failed:#?}; the reasons are above");
}

#[test]
fn a_behaviour_in_c_passes_the_conformance_list() {
    conformance("c");
}

#[test]
fn a_behaviour_in_javascript_passes_the_conformance_list() {
    conformance("javascript");
}

#[test]
fn a_behaviour_in_python_passes_the_conformance_list() {
    conformance("python");
}

#[test]
fn a_behaviour_in_go_passes_the_conformance_list() {
    conformance("go");
}

#[test]
fn the_documentation_shows_the_conformance_list() {
    let page = include_str!("../../../../docs/languages.md");
    for check in checks::CHECKS {
        assert!(page.contains(&format!("- {}", check.name)), "docs/languages.md lacks \"{}\"", check.name);
    }
}
