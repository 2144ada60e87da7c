//! The verdicts as JUnit XML, which every CI shows.

use std::fmt::Write;

use crate::experiment::plan::{Experiment, words_of};
use crate::experiment::results::Results;
use crate::experiment::summary::Summary;

/// A suite for each run; a case for each threshold, and one for the ledger.
pub(super) fn document(experiment: &Experiment, results: &Results, summaries: &[Summary]) -> String {
    let name = escaped(experiment.document.name.as_str());
    let failures: usize = summaries.iter().map(failures).sum();
    let tests: usize = summaries.iter().map(|summary| summary.thresholds.len() + 1).sum();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(text, "<testsuites name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\">");
    for (summary, card) in summaries.iter().zip(&results.manifest.runs) {
        suite(&mut text, summary, card.real_seconds.unwrap_or(0.0));
    }
    text.push_str("</testsuites>\n");
    text
}

fn failures(summary: &Summary) -> usize {
    let missed = summary.thresholds.iter().filter(|verdict| !verdict.ok).count();
    missed + usize::from(!summary.ledger_closes)
}

fn suite(text: &mut String, summary: &Summary, took: f64) {
    let mut words = words_of(&summary.point);
    words.push(format!("seed={}", summary.seed));
    let name = escaped(&words.join(" "));
    let (tests, failures) = (summary.thresholds.len() + 1, failures(summary));
    let _ = writeln!(
        text,
        "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" time=\"{took:.3}\">"
    );
    case(text, &name, "the ledger closes", summary.ledger_closes, "a message is unaccounted for");
    for verdict in &summary.thresholds {
        case(text, &name, &verdict.text, verdict.ok, &format!("found {}", verdict.value));
    }
    text.push_str("  </testsuite>\n");
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

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_escaped() {
        let mut text = String::new();
        case(&mut text, "seed=1", "latency_seconds p95 < 0.5", false, "found \"1\"");
        assert!(text.contains("p95 &lt; 0.5") && text.contains("message=\"found &quot;1&quot;\""), "{text}");
    }
}
