//! Outcomes of scenarios as JUnit XML, which CI systems show.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};
use wasmote_project::scenario::run::Outcome;

/// A suite for each scenario, with a case for each expectation.
pub(super) fn document(outcomes: &[Outcome]) -> Result<String, SerializeError> {
    let mut report = Report::new("wasmote test");
    for outcome in outcomes {
        let mut suite = TestSuite::new(&outcome.file);
        suite.set_time(Duration::try_from_secs_f64(outcome.real_s).unwrap_or_default());
        for check in &outcome.checks {
            let mut status = TestCaseStatus::success();
            if !check.passed {
                status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(format!("found {}", check.found));
                status.set_description(check.instead.join("\n"));
            }
            let mut case = TestCase::new(format!("{}: {}", check.field, check.expected), status);
            case.set_classname(&outcome.file);
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    report.to_string()
}
