//! Documents of users: plans, fault documents and run files.
//!
//! Nothing panics. An error names its place and what is wrong, in words and not in names of Rust types.

use std::path::Path;

use wasmote_experiment::point::Point;
use wasmote_experiment::source::PlanSource;
use wasmote_experiment::sweep::{Combination, combinations, fields};
use wasmote_fleet::config::options::Options;
use wasmote_fleet::config::resolve::resolve_file;
use wasmote_fleet::document::{self, Format};
use wasmote_fleet::fault_models::FaultModels;
use wasmote_fleet::fault_set::FaultSet;
use wasmote_registry::fetcher::Fetcher;
use wasmote_sim::faults::component::NoLibrary;
use wasmote_sim::faults::document::FaultDocument;

/// Folder of all documents, which does not exist, so that no document names a file that does.
const FOLDER: &str = "/nonexistent";

/// Text and format of an input: JSON if it begins with a brace.
fn text_of(bytes: &[u8]) -> Option<(&str, Format)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_json = text.trim_start_matches('\u{feff}').trim_start().starts_with('{');
    Some((text, if is_json { Format::Json } else { Format::Toml }))
}

/// Checks the text of an error.
fn assert_helpful(error: &str) {
    let words = error.split_whitespace().count();
    assert!(words >= 3, "`{error}` says nothing");
    for internal in ["untagged", "did not match any variant", "wasmote_", "serde", "panicked", "PlanFile"] {
        assert!(!error.contains(internal), "`{error}` contains `{internal}`");
    }
}

/// A plan, up to the settings of its first point.
pub(super) fn plan(bytes: &[u8]) -> bool {
    let Some((text, format)) = text_of(bytes) else { return false };
    let outcome =
        PlanSource::parse(text, format, "plan", Path::new(FOLDER), &Fetcher::default()).and_then(|source| {
            let plan = source.plan_file()?;
            let swept = fields(&plan.sweep, &source)?;
            if let Err(problem) = combinations(&swept) {
                assert_helpful(&problem);
            }
            Point::new(&source, Combination::default(), &Options::default())
        });
    match outcome {
        Ok(point) => !point.window_ends().is_empty(),
        Err(error) => {
            let error = error.to_string();
            assert!(error.contains("plan"), "`{error}` does not name the file");
            assert_helpful(&error);
            false
        }
    }
}

/// A fault document. What was read is written and read again, with the same result.
pub(super) fn faults(bytes: &[u8]) -> bool {
    let Some((text, format)) = text_of(bytes) else { return false };
    match FaultSet::parse("faults", text, format, &NoLibrary) {
        Ok(set) => {
            let written = serde_json::to_string(&set.document).expect("a document can be written");
            let again: FaultDocument = document::parse(&written, Format::Json)
                .unwrap_or_else(|error| panic!("{written} was written and cannot be read: {error}"));
            assert_eq!(again, set.document, "{written}");
            let faults =
                again.faults().unwrap_or_else(|error| panic!("{written} was accepted before: {error}"));
            assert_eq!(format!("{faults:?}"), format!("{:?}", set.faults), "{written}");
            true
        }
        Err(error) => {
            assert!(
                error.location.is_some() || !error.field.is_empty() || !text.contains("fault"),
                "`{error}` has no place"
            );
            assert_helpful(&error.to_string());
            false
        }
    }
}

/// A run file, up to the settings of the run.
pub(super) fn run_file(bytes: &[u8]) -> bool {
    let Some((text, format)) = text_of(bytes) else { return false };
    let options = match document::parse::<Options>(text, format) {
        Ok(options) => options,
        Err(error) => {
            assert_helpful(&error.in_file("run.toml").to_string());
            return false;
        }
    };
    let models = FaultModels::default();
    let settings = resolve_file(&Options::default(), options, Path::new(FOLDER), "run.toml", &models);
    if let Err(error) = &settings {
        assert_helpful(&error.to_string());
    }
    settings.is_ok()
}
