//! Outcomes of thresholds as JUnit XML, which CI systems show.

use std::fmt::Write;

use wasmote_results::{Summary, ThresholdOutcome};

use crate::experiment::plan::{Experiment, point_labels};
use crate::experiment::results::ResultsWriter;

/// A suite for each run; a case for each threshold, one for the ledger, and on a cluster one for the collection.
pub(super) fn document(experiment: &Experiment, results: &ResultsWriter, summaries: &[Summary]) -> String {
    let suites: Vec<Suite> = summaries
        .iter()
        .zip(&results.manifest.runs)
        .map(|(summary, entry)| Suite::new(summary, entry.real_seconds.unwrap_or(0.0)))
        .collect();
    let name = escaped(experiment.plan.name.as_str());
    let tests: usize = suites.iter().map(|suite| suite.tests).sum();
    let failures: usize = suites.iter().map(|suite| suite.failures).sum();
    let text: String = suites.into_iter().map(|suite| suite.text).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{name}\" tests=\"{tests}\" \
         failures=\"{failures}\">\n{text}</testsuites>\n"
    )
}

struct Suite {
    tests: usize,
    failures: usize,
    text: String,
}

impl Suite {
    fn new(run: &Summary, took: f64) -> Self {
        let mut labels = point_labels(&run.point);
        labels.push(format!("seed={}", run.seed));
        let name = escaped(&labels.join(" "));
        let ledger = ("the ledger closes", run.ledger_closes, "a message is unaccounted for".to_owned());
        let collection = run
            .missing
            .as_ref()
            .map(|missing| ("everything was collected", missing.is_empty(), missing.join("; ")));
        // A threshold that was missed may hold at the end.
        let aborted = run
            .aborted
            .then(|| ("no threshold ends the run", false, "one was missed before the end".to_owned()));
        let thresholds = run.thresholds.iter();
        let thresholds = thresholds.map(|verdict| (&*verdict.text, verdict.ok, found(verdict)));
        let cases: Vec<_> = [ledger].into_iter().chain(collection).chain(aborted).chain(thresholds).collect();
        let (tests, failures) = (cases.len(), cases.iter().filter(|(_, ok, _)| !ok).count());
        let mut text = format!(
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" time=\"{took:.3}\">\n"
        );
        for (what, ok, problem) in &cases {
            case(&mut text, &name, what, *ok, problem);
        }
        text.push_str("  </testsuite>\n");
        Self { tests, failures, text }
    }
}

fn found(verdict: &ThresholdOutcome) -> String {
    let ended = verdict.breached.map(|breach| format!("; it ended the run {breach}"));
    format!("found {}{}", serde_json::json!(verdict.value), ended.unwrap_or_default())
}

fn case(text: &mut String, class: &str, name: &str, ok: bool, problem: &str) {
    let name = escaped(name);
    let _ = match ok {
        true => writeln!(text, "    <testcase classname=\"{class}\" name=\"{name}\"/>"),
        false => writeln!(
            text,
            "    <testcase classname=\"{class}\" name=\"{name}\"><failure message=\"{}\"/></testcase>",
            escaped(problem)
        ),
    };
}

/// Text for XML, which has no representation of most control characters, such as those of terminal colours.
fn escaped(text: &str) -> String {
    let text = text.replace(char::is_control, " ");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_left_out() {
        assert_eq!(escaped("\u{1b}[31mno\u{1b}[0m\nroute\0"), " [31mno [0m route ");
    }

    #[test]
    fn comparisons_are_escaped() {
        let mut text = String::new();
        case(&mut text, "seed=1", "latency_seconds p95 < 0.5", false, "found \"1\"");
        assert!(text.contains("p95 &lt; 0.5") && text.contains("message=\"found &quot;1&quot;\""), "{text}");
    }
}
