//! Verdict section: outcomes of the thresholds and of the ledger.

use std::collections::BTreeMap;
use std::fmt::Write;

use wasmote_results::{InvariantOutcome, ThresholdMiss};

use crate::escape::Escaped;
use crate::number::significant;
use crate::results::Results;

/// Outcomes of a threshold in all runs.
struct Verdict<'a> {
    text: &'a str,
    met: usize,
    runs: usize,
    values: Vec<f64>,
    misses: Vec<ThresholdMiss>,
}

/// The section; empty without runs. Every run has a ledger, so the section is never empty otherwise.
pub fn section(results: &Results) -> String {
    if results.runs.is_empty() {
        return String::new();
    }
    let mut text = String::from("<section id=\"verdict\">\n<h2>Verdict</h2>\n<ul class=\"verdicts\">\n");
    for Verdict { text: threshold, met, runs, values, misses } in verdicts(results) {
        let of_runs = if runs > 1 { format!(" in {met} of {runs} runs") } else { String::new() };
        let found = match (least(&values), greatest(&values)) {
            (Some(lo), Some(hi)) if lo == hi => format!("; found {}", significant(lo, 4)),
            (Some(lo), Some(hi)) => format!("; found {} to {}", significant(lo, 4), significant(hi, 4)),
            _ => "; nothing measured".to_owned(),
        };
        let word = if met == runs { "met" } else { "missed" };
        let of_runs = if met == runs || runs == 1 { of_runs } else { format!("; met{of_runs}") };
        let ended = match (&misses[..], runs) {
            ([], _) => String::new(),
            ([miss], 1) => format!(" in the end; it ended the run {miss}"),
            ([first, ..], _) => format!("; it ended {} of {runs} runs, the first {first}", misses.len()),
        };
        item(&mut text, met == runs, threshold, &format!("{word}{of_runs}{found}{ended}"));
    }
    for (name, (outcome, broken, runs)) in invariants(results) {
        let of_runs = if runs > 1 { format!(" in {broken} of {runs} runs") } else { String::new() };
        let note = match &outcome.first {
            None => format!("never broken: {}", outcome.text),
            Some(first) => format!("broken{of_runs}, {first}; {}", outcome.text),
        };
        item(&mut text, outcome.ok, name, &note);
    }
    let aborted = results.runs.iter().filter(|run| run.summary.aborted).count();
    if aborted > 0 {
        let note = format!("in {aborted} of {} runs, as the plan requires", results.runs.len());
        item(&mut text, false, "A threshold ended the run early", &note);
    }
    for (failure, runs) in failures(results) {
        let note = format!("in {runs} of {} runs", results.runs.len());
        item(&mut text, false, &format!("Failed: {failure}"), &note);
    }
    let open: Vec<&str> = results
        .runs
        .iter()
        .filter(|run| !run.summary.ledger_closes && !run.is_partial)
        .map(|run| run.entry.path.as_str())
        .collect();
    let partial = results.runs.iter().filter(|run| run.is_partial).count();
    let (note, closes) = match &open[..] {
        [] if partial > 0 => {
            (format!("unknown: {partial} of {} runs have no ledger", results.runs.len()), false)
        }
        [] => ("every message is accounted for".to_owned(), true),
        open => (format!("messages are unaccounted for in {}", open.join(", ")), false),
    };
    item(&mut text, closes, "The ledger closes", &note);
    if let Some(note) = refusals(results) {
        item(&mut text, false, "Messages or requests were refused", &note);
    }
    text + "</ul>\n</section>\n"
}

/// Each invariant with its first broken outcome, or else any, and the number of runs that broke it and that had it.
fn invariants(results: &Results) -> BTreeMap<&str, (&InvariantOutcome, usize, usize)> {
    let mut found: BTreeMap<&str, (&InvariantOutcome, usize, usize)> = BTreeMap::new();
    for outcome in results.runs.iter().flat_map(|run| &run.summary.invariants) {
        let known = found.entry(outcome.name.as_str()).or_insert((outcome, 0, 0));
        if known.0.ok {
            known.0 = outcome;
        }
        known.1 += usize::from(!outcome.ok);
        known.2 += 1;
    }
    found
}

/// Refused messages by cause and negative answers of the broker, over all runs; `None` if there are none.
fn refusals(results: &Results) -> Option<String> {
    let mut causes: BTreeMap<&str, u64> = BTreeMap::new();
    let mut answers: BTreeMap<&str, u64> = BTreeMap::new();
    for run in &results.runs {
        for (cause, count) in &run.summary.refused_by_cause {
            *causes.entry(cause).or_default() += count;
        }
        for (answer, count) in &run.summary.negative_answers {
            *answers.entry(answer).or_default() += count;
        }
    }
    let list = |counts: BTreeMap<&str, u64>| {
        counts.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    };
    let causes = (!causes.is_empty()).then(|| format!("messages: {}", list(causes).replace('_', " ")));
    let answers = (!answers.is_empty()).then(|| format!("answers of the broker: {}", list(answers)));
    let parts: Vec<String> = causes.into_iter().chain(answers).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn item(text: &mut String, ok: bool, name: &str, note: &str) {
    let (class, sign) = if ok { ("ok", "✓") } else { ("missed", "✗") };
    let (name, note) = (Escaped(name), Escaped(note));
    let _ = writeln!(
        text,
        "<li class=\"{class}\"><span class=\"sign\" aria-hidden=\"true\">{sign}</span> <span><b>{name}</b> \
         <span class=\"note\">{note}</span></span></li>"
    );
}

/// Failures of runs, each with the number of runs that have it.
fn failures(results: &Results) -> Vec<(&str, usize)> {
    let mut failures: Vec<(&str, usize)> = Vec::new();
    for failure in results.runs.iter().flat_map(|run| &run.summary.failures) {
        match failures.iter_mut().find(|(known, _)| known == failure) {
            Some((_, runs)) => *runs += 1,
            None => failures.push((failure, 1)),
        }
    }
    failures
}

/// Groups the outcomes by threshold, in order of first occurrence.
fn verdicts(results: &Results) -> Vec<Verdict<'_>> {
    let mut verdicts: Vec<Verdict<'_>> = Vec::new();
    for threshold in results.runs.iter().flat_map(|run| &run.summary.thresholds) {
        let index = verdicts.iter().position(|verdict| verdict.text == threshold.text).unwrap_or_else(|| {
            verdicts.push(Verdict {
                text: &threshold.text,
                met: 0,
                runs: 0,
                values: Vec::new(),
                misses: Vec::new(),
            });
            verdicts.len() - 1
        });
        let verdict = &mut verdicts[index];
        verdict.runs += 1;
        verdict.met += usize::from(threshold.ok);
        verdict.values.extend(threshold.value);
        verdict.misses.extend(threshold.breached);
    }
    verdicts
}

fn least(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(f64::min)
}

fn greatest(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(f64::max)
}
