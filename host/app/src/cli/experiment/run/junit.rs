//! Outcomes of thresholds as JUnit XML, which CI systems show.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};
use wasmote_experiment::plan::{Experiment, point_labels};
use wasmote_experiment::results::ResultsWriter;
use wasmote_results::{PointValues, Summary, ThresholdOutcome};

/// A suite for each run with a case for each threshold, one for the ledger, one for a failure of the run, and on a cluster
/// one for the collection. Runs that have not started are a failed suite.
pub(super) fn document(
    experiment: &Experiment,
    results: &ResultsWriter,
    summaries: &[Summary],
) -> Result<String, SerializeError> {
    let mut report = Report::new(experiment.plan.name.as_str());
    for (summary, entry) in summaries.iter().zip(&results.manifest.runs) {
        report.add_test_suite(suite(summary, entry.real_seconds.unwrap_or(0.0)));
    }
    let missing = results.manifest.runs.get(summaries.len()..).unwrap_or_default();
    for entry in missing {
        let name = suite_name(&entry.point, entry.seed);
        let mut suite = TestSuite::new(&name);
        suite.add_test_case(test_case(
            &name,
            "the run ends",
            false,
            "the experiment was interrupted before it",
        ));
        report.add_test_suite(suite);
    }
    report.to_string()
}

/// A document with one failed case, for an experiment without results.
pub(super) fn failed(plan: &str, problem: &str) -> Result<String, SerializeError> {
    let mut suite = TestSuite::new(plan);
    suite.add_test_case(test_case(plan, "the experiment ends", false, problem));
    let mut report = Report::new(plan);
    report.add_test_suite(suite);
    report.to_string()
}

fn suite(run: &Summary, seconds: f64) -> TestSuite {
    let name = suite_name(&run.point, run.seed);
    let ledger = ("the ledger closes", run.ledger_closes, "a message is unaccounted for".to_owned());
    let collection = run
        .missing
        .as_ref()
        .map(|missing| ("everything was collected", missing.is_empty(), missing.join("; ")));
    // A separate case, because a threshold that was missed may hold again at the end.
    let aborted =
        run.aborted.then(|| ("no threshold ends the run", false, "one was missed before the end".to_owned()));
    let thresholds = run.thresholds.iter().map(|verdict| (&*verdict.text, verdict.ok, found(verdict)));
    let invariants = run.invariants.iter().map(|outcome| {
        let first = outcome.first.as_ref().map(ToString::to_string).unwrap_or_default();
        (
            &*outcome.name,
            outcome.ok,
            format!("{} violations of `{}`; the first {first}", outcome.violations, outcome.text),
        )
    });
    let mut suite = TestSuite::new(&name);
    suite.set_time(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    let works = (!run.failures.is_empty()).then(|| ("the run works", false, run.failures.join("; ")));
    for (case, ok, problem) in
        [ledger].into_iter().chain(works).chain(collection).chain(aborted).chain(thresholds).chain(invariants)
    {
        suite.add_test_case(test_case(&name, case, ok, &problem));
    }
    suite
}

fn suite_name(point: &PointValues, seed: u64) -> String {
    let mut labels = point_labels(point);
    labels.push(format!("seed={seed}"));
    labels.join(" ")
}

fn found(verdict: &ThresholdOutcome) -> String {
    let ended = verdict.breached.map(|breach| format!("; it ended the run {breach}"));
    format!("found {}{}", serde_json::json!(verdict.value), ended.unwrap_or_default())
}

fn test_case(suite: &str, name: &str, ok: bool, problem: &str) -> TestCase {
    let mut status = TestCaseStatus::success();
    if !ok {
        status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message(problem);
    }
    let mut case = TestCase::new(name, status);
    case.set_classname(suite);
    case
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(case: TestCase) -> String {
        let mut suite = TestSuite::new("seed=1");
        suite.add_test_case(case);
        let mut report = Report::new("plan");
        report.add_test_suite(suite);
        report.to_string().unwrap()
    }

    #[test]
    fn control_characters_are_left_out() {
        let text = text(test_case("seed=1", "\u{1b}[31mno\u{1b}[0m route\0", true, ""));
        assert!(text.contains("name=\"no route\""), "{text}");
    }

    #[test]
    fn comparisons_are_escaped() {
        let text = text(test_case("seed=1", "latency_seconds p95 < 0.5", false, "found \"1\""));
        assert!(text.contains("p95 &lt; 0.5") && text.contains("message=\"found &quot;1&quot;\""), "{text}");
    }
}
