//! The verdicts as JUnit XML, which every CI shows.

use std::fmt::Write;

use crate::experiment::cluster::summary::ClusterSummary;
use crate::experiment::plan::{Experiment, point_labels};
use crate::experiment::results::ResultsWriter;
use crate::experiment::summary::Summary;
use crate::experiment::sweep::PointValues;
use crate::experiment::verdict::Verdict;

/// What is judged of a run, wherever it was.
pub(super) struct JunitRun<'a> {
    point: &'a PointValues,
    seed: u64,
    thresholds: &'a [Verdict],
    ledger_closes: bool,
    aborted: bool,
    /// What could not be collected; nothing is collected of runs here.
    missing: Option<&'a [String]>,
}

impl<'a> From<&'a Summary> for JunitRun<'a> {
    fn from(summary: &'a Summary) -> Self {
        let &Summary { ref point, seed, ref thresholds, ledger_closes, aborted, .. } = summary;
        Self { point, seed, thresholds, ledger_closes, aborted, missing: None }
    }
}

impl<'a> From<&'a ClusterSummary> for JunitRun<'a> {
    fn from(summary: &'a ClusterSummary) -> Self {
        let &ClusterSummary { ref point, seed, ref thresholds, ledger_closes, aborted, ref missing, .. } =
            summary;
        Self { point, seed, thresholds, ledger_closes, aborted, missing: Some(missing) }
    }
}

/// A suite for each run; a case for each threshold, one for the ledger, and on a cluster one for the collection.
pub(super) fn document<'a, S>(experiment: &Experiment, results: &ResultsWriter, summaries: &'a [S]) -> String
where
    &'a S: Into<JunitRun<'a>>,
{
    let suites: Vec<Suite> = summaries
        .iter()
        .zip(&results.manifest.runs)
        .map(|(summary, card)| Suite::new(&summary.into(), card.real_seconds.unwrap_or(0.0)))
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
    fn new(run: &JunitRun<'_>, took: f64) -> Self {
        let mut labels = point_labels(run.point);
        labels.push(format!("seed={}", run.seed));
        let name = escaped(&labels.join(" "));
        let ledger = ("the ledger closes", run.ledger_closes, "a message is unaccounted for".to_owned());
        let collection =
            run.missing.map(|missing| ("everything was collected", missing.is_empty(), missing.join("; ")));
        // At the end a threshold may hold again that was missed.
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

fn found(verdict: &Verdict) -> String {
    let ended = verdict.breached.map(|breach| format!("; it ended the run {breach}"));
    format!("found {}{}", verdict.value, ended.unwrap_or_default())
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

/// XML has no room at all for most control characters, which programs write to paint their words.
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
