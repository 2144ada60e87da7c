//! Text summary at the end of an experiment.

use std::collections::{BTreeMap, BTreeSet};

use wasmote_experiment::plan::{Experiment, point_labels};
use wasmote_experiment::results::ResultsWriter;
use wasmote_fleet::printable::Printable;
use wasmote_fleet::term::{ERROR, FAINT, GOOD, STRONG, WARNING, to_stdout};
use wasmote_report::ReportFiles;
use wasmote_results::{
    ImplausibleLatencies, InvariantOutcome, Summary, ThresholdMiss, ThresholdOutcome, TimeMode,
};

/// Number of runs that are printed one by one.
const SHOWN: usize = 50;

pub(super) fn print(
    experiment: &Experiment,
    results: &ResultsWriter,
    summaries: &[Summary],
    report: &ReportFiles,
) {
    let document = &experiment.plan;
    let runs = summaries.len();
    let joined = summaries.iter().map(|summary| summary.joined as usize).collect();
    to_stdout(format_args!(
        "{STRONG}{}{STRONG:#}: {}, {} of {} time, {runs} {}",
        document.name,
        devices(experiment.devices_by_point().collect(), joined),
        humantime::format_duration(document.duration.0),
        if results.manifest.time == TimeMode::Real { "real" } else { "virtual" },
        if runs == 1 { "run" } else { "runs" },
    ));
    to_stdout("");
    for (at, summary) in summaries.iter().enumerate().take(SHOWN) {
        let took = results.manifest.runs[at].real_seconds.unwrap_or(0.0);
        run(summary, took);
    }
    if runs > SHOWN {
        to_stdout(format_args!("  ... and {} more", runs - SHOWN));
    }
    thresholds(summaries);
    invariants(summaries);
    if !results.manifest.complete {
        let all = results.manifest.runs.len();
        let ended = summaries.iter().filter(|summary| !summary.interrupted).count();
        to_stdout(format_args!("  {ERROR}interrupted:{ERROR:#} {ended} of {all} runs have ended"));
        to_stdout("");
    }
    to_stdout(format_args!("results  {}", results.folder.display()));
    to_stdout(format_args!("report   {}", report.page.display()));
}

/// Numbers of devices at the start of the runs, and of those that join.
fn devices(initial: BTreeSet<usize>, joined: BTreeSet<usize>) -> String {
    let most = |counts: &BTreeSet<usize>| match counts.last() {
        Some(most) if counts.len() > 1 => format!("up to {most}"),
        most => most.copied().unwrap_or(0).to_string(),
    };
    let devices = if initial.last() == Some(&1) { "device" } else { "devices" };
    match joined.last() {
        Some(1..) => format!("{} {devices}, {} more during the run", most(&initial), most(&joined)),
        _ => format!("{} {devices}", most(&initial)),
    }
}

fn run(summary: &Summary, took: f64) {
    let mut name = point_labels(&summary.point);
    name.push(format!("seed={}", summary.seed));
    let traffic = &summary.traffic;
    let percent = match (traffic.delivery_ratio, traffic.generated) {
        (Some(ratio), _) => format!("{:.2} % of {} delivered", ratio * 100.0, traffic.expected),
        (None, 0) => "no message was published".to_owned(),
        (None, generated) => format!("{generated} published, no device subscribed to any"),
    };
    let latency = &traffic.latency_seconds;
    let seconds = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3} s"));
    to_stdout(format_args!(
        "  {}: {percent}, latency p50 {} p95 {} p99 {}{}",
        name.join(" "),
        seconds(latency.p50),
        seconds(latency.p95),
        seconds(latency.p99),
        if summary.ledger_closes { "" } else { ", THE LEDGER DOES NOT CLOSE" },
    ));
    to_stdout(format_args!(
        "    {FAINT}{}{} events in {took:.2} s{}{FAINT:#}",
        summary.digest.as_ref().map(|digest| format!("digest {digest}, ")).unwrap_or_default(),
        summary.events.unwrap_or(0),
        match (summary.aborted, summary.interrupted) {
            (true, _) => format!(", ended by a threshold after {} s", summary.duration_s),
            (_, true) => format!(", interrupted after {} s", summary.duration_s),
            _ => String::new(),
        },
    ));
    if let Some(intended) = &traffic.intended_latency_seconds
        && intended.p99 > latency.p99.map(|actual| actual + 0.001)
    {
        to_stdout(format_args!(
            "    from the intended times: latency p50 {} p95 {} p99 {}",
            seconds(intended.p50),
            seconds(intended.p95),
            seconds(intended.p99)
        ));
    }
    if let Some(ImplausibleLatencies { negative, too_large }) = summary.implausible_latencies {
        to_stdout(format_args!(
            "    {WARNING}warning:{WARNING:#} {negative} messages from the future and {too_large} with a time more than a year \
             off or unreadable have no latency"
        ));
    }
    for failure in &summary.failures {
        to_stdout(format_args!("    {ERROR}failed:{ERROR:#} {}", Printable(failure)));
    }
    for warning in &summary.warnings {
        to_stdout(format_args!("    {WARNING}warning:{WARNING:#} {}", Printable(warning)));
    }
    if let Some(unsent) = unsent(summary) {
        to_stdout(format_args!("    {WARNING}not sent:{WARNING:#} {unsent}"));
    }
    if !summary.negative_answers.is_empty() {
        let answers = counts(&summary.negative_answers);
        to_stdout(format_args!("    {WARNING}negative answers of the broker:{WARNING:#} {answers}"));
    }
    for refused in &summary.swaps_refused {
        to_stdout(format_args!("    {WARNING}swap refused:{WARNING:#} {}", Printable(refused)));
    }
}

/// Messages that were refused or lost offline, if there are any.
fn unsent(summary: &Summary) -> Option<String> {
    let causes = counts(&summary.refused_by_cause).replace('_', " ");
    let refused = match summary.traffic.refused {
        0 => None,
        refused => Some(format!("{refused} refused ({causes})")),
    };
    let lost = (summary.lost_offline > 0).then(|| format!("{} lost offline", summary.lost_offline));
    let parts: Vec<String> = refused.into_iter().chain(lost).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    let each: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    each.join(", ")
}

/// Prints each threshold once, with the number of runs that missed it. The points of a sweep can have different
/// thresholds, so a threshold is identified by its text.
fn thresholds(summaries: &[Summary]) {
    to_stdout("");
    let mut evaluated: Vec<(&str, Vec<&ThresholdOutcome>)> = Vec::new();
    for verdict in summaries.iter().flat_map(|summary| &summary.thresholds) {
        match evaluated.iter_mut().find(|(text, _)| *text == verdict.text) {
            Some((_, verdicts)) => verdicts.push(verdict),
            None => evaluated.push((&verdict.text, vec![verdict])),
        }
    }
    evaluated.iter().for_each(|(text, verdicts)| threshold(text, verdicts));
    if !evaluated.is_empty() {
        to_stdout("");
    }
}

/// Prints each invariant once, with the first violation of the first run that broke it.
fn invariants(summaries: &[Summary]) {
    let Some(first) = summaries.first() else { return };
    for outcome in &first.invariants {
        let name = &outcome.name;
        let of_runs =
            || summaries.iter().flat_map(|summary| &summary.invariants).filter(|it| it.name == *name);
        let broken: Vec<&InvariantOutcome> = of_runs().filter(|outcome| !outcome.ok).collect();
        let untracked: u64 = of_runs().map(|outcome| outcome.untracked).sum();
        let note = if untracked > 0 { format!(", {untracked} events not checked") } else { String::new() };
        match broken.first().and_then(|outcome| outcome.first.as_ref()) {
            None => to_stdout(format_args!("  {GOOD}✓{GOOD:#} {name}{note}")),
            Some(violation) => {
                let runs = match summaries.len() {
                    1 => String::new(),
                    all => format!(", in {} of {all} runs", broken.len()),
                };
                let count = broken[0].violations;
                to_stdout(format_args!("  {ERROR}✗{ERROR:#} {name}  ({count} violations{runs}{note})"));
                to_stdout(format_args!("    {}", Printable(violation)));
            }
        }
    }
    if !first.invariants.is_empty() {
        to_stdout("");
    }
}

/// Prints one threshold with its outcomes in the runs that have it.
fn threshold(text: &str, verdicts: &[&ThresholdOutcome]) {
    let missed = verdicts.iter().filter(|verdict| !verdict.ok).count();
    let values: Vec<f64> = verdicts.iter().filter_map(|verdict| verdict.value).collect();
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let found = match (values.is_empty(), low == high) {
        (true, _) => "nothing measured".to_owned(),
        (_, true) => format!("{low:.4}"),
        (_, false) => format!("{low:.4} to {high:.4}"),
    };
    let breaches: Vec<&ThresholdMiss> =
        verdicts.iter().filter_map(|verdict| verdict.breached.as_ref()).collect();
    let ended = match (&breaches[..], verdicts.len()) {
        ([], _) => String::new(),
        ([breach], 1) => format!(" in the end; it ended the run {breach}"),
        ([first, ..], runs) => format!("; it ended {} of {runs} runs, the first {first}", breaches.len()),
    };
    match (missed, verdicts.len()) {
        (0, _) => to_stdout(format_args!("  {GOOD}✓{GOOD:#} {text}  ({found})")),
        (_, 1) => to_stdout(format_args!("  {ERROR}✗{ERROR:#} {text}  ({found}{ended})")),
        (missed, runs) => to_stdout(format_args!(
            "  {ERROR}✗{ERROR:#} {text}  ({found}{ended}), missed by {missed} of {runs} runs"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_the_initial_and_the_added_ones() {
        let described = |initial: &[usize], joined: &[usize]| {
            devices(initial.iter().copied().collect(), joined.iter().copied().collect())
        };
        assert_eq!(described(&[13, 13], &[5, 5]), "13 devices, 5 more during the run");
        assert_eq!(described(&[1], &[0]), "1 device");
        assert_eq!(described(&[10, 50], &[]), "up to 50 devices");
        assert_eq!(described(&[8], &[0, 3]), "8 devices, up to 3 more during the run");
    }
}
