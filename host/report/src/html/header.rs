//! Header of the page: plan, notices, facts and key figures.

use std::collections::BTreeSet;
use std::fmt::Write;

use wasmote_results::{Summary, TimeMode};

use crate::cohort::{Cohort, fields};
use crate::escape::Escaped;
use crate::metric::Metric;
use crate::number::{fixed, seconds};
use crate::results::{Results, Run};

/// The whole header.
pub fn header(results: &Results, cohorts: &[Cohort<'_>]) -> String {
    let manifest = &results.manifest;
    let mut text = format!(
        "<header>\n<p class=\"kind\">Experiment report</p>\n<h1>{}</h1>\n",
        Escaped(&manifest.plan.name)
    );
    if !results.is_complete() {
        text += &incomplete(results, cohorts);
    }
    text += &aborted(results, cohorts);
    text += &refused(results);
    text.push_str("<dl class=\"facts\">\n");
    for (name, value) in facts(results, cohorts) {
        let _ = writeln!(text, "<div><dt>{}</dt><dd>{}</dd></div>", Escaped(name), Escaped(&value));
    }
    text.push_str("</dl>\n");
    if let [cohort] = cohorts {
        text += &key_figures(cohort);
    }
    text + "</header>\n"
}

fn incomplete(results: &Results, cohorts: &[Cohort<'_>]) -> String {
    let is_cut_short = |run: &&&Run| run.summary.interrupted;
    let shown: Vec<&Run> = cohorts.iter().flat_map(|it| &it.runs).filter(is_cut_short).copied().collect();
    let left_out: Vec<&Run> =
        cohorts.iter().flat_map(|it| &it.left_out).filter(is_cut_short).copied().collect();
    let cut = shown.len() + left_out.len();
    let (ended, all) = (results.runs.len() - cut, results.manifest.runs.len());
    let of_all = if all == 1 {
        "its only run has not ended".to_owned()
    } else {
        format!("{ended} of the {all} runs that its manifest lists have ended")
    };
    let mut text = format!(
        "<div class=\"notice\" role=\"note\"><strong>This experiment is incomplete.</strong> It was stopped before \
         its end: {of_all}{}. Do not publish these figures as \
         those of the plan.",
        if cut == 0 && ended > 0 { ", and only they are shown here" } else { "" }
    );
    for (treatment, cut) in
        [("shown up to that time", shown), ("left out, because their points have whole runs", left_out)]
    {
        let cut = cut.iter().map(|run| format!("{} at {}", run.entry.path, seconds(run.summary.duration_s)));
        let cut = cut.collect::<Vec<_>>().join(", ").replace(". at", "the only run at");
        if !cut.is_empty() {
            let _ = write!(text, " Cut short, and {treatment}: {}.", Escaped(&cut));
        }
    }
    if results.runs.iter().any(|run| run.is_partial) {
        text += " Killed runs are shown from the intervals that they have written, including the warm-up.";
    }
    if !results.unfinished.is_empty() {
        let paths: Vec<_> = results.unfinished.iter().take(12).map(|entry| entry.path.as_str()).collect();
        let more = if results.unfinished.len() > paths.len() { " and others" } else { "" };
        let paths = paths.join(", ");
        let paths = if paths == "." { "the only run" } else { &paths };
        let _ = write!(text, " Not ended: {}{more}.", Escaped(paths));
    }
    text + "</div>\n"
}

/// Notice about runs that a missed threshold ended.
fn aborted(results: &Results, cohorts: &[Cohort<'_>]) -> String {
    let cut: Vec<&Run> = results.runs.iter().filter(|run| run.summary.aborted).collect();
    let runs = match (&cut[..], results.runs.len()) {
        ([], _) => return String::new(),
        ([run], 1) => format!("this run after {}", seconds(run.summary.duration_s)),
        (cut, all) => format!("{} of {all} runs", cut.len()),
    };
    let left_out = cohorts.iter().flat_map(|it| &it.left_out).filter(|run| run.summary.aborted).count();
    let then = match cut.len() - left_out {
        0 => "They are left out of all plots and means, because their figures cover a shorter time.",
        _ if left_out == 0 => "The figures end there.",
        _ => {
            "They are left out of all plots and means if their point has a whole run; otherwise the figures end \
             there and are marked †."
        }
    };
    format!(
        "<div class=\"notice\" role=\"note\"><strong>A missed threshold ended {runs}</strong>, as the plan \
         requires. {then}</div>\n"
    )
}

/// Notice about swaps that devices refused. Equal refusals of several runs are listed once.
fn refused(results: &Results) -> String {
    const SHOWN: usize = 6;
    let all = results.runs.iter().flat_map(|run| &run.summary.swaps_refused);
    let texts: BTreeSet<String> = all.map(ToString::to_string).collect();
    if texts.is_empty() {
        return String::new();
    }
    let mut words: Vec<&str> = texts.iter().take(SHOWN).map(String::as_str).collect();
    if texts.len() > SHOWN {
        words.push("and others");
    }
    format!(
        "<div class=\"notice\" role=\"note\"><strong>A swap was refused.</strong> These devices kept their old version: \
         {}.</div>\n",
        Escaped(&words.join("; "))
    )
}

fn facts(results: &Results, cohorts: &[Cohort<'_>]) -> Vec<(&'static str, String)> {
    let manifest = &results.manifest;
    let seeds: BTreeSet<u64> = manifest.runs.iter().map(|run| run.seed).collect();
    let spans = |span: fn(&Summary) -> f64| {
        let mut texts: Vec<String> = results.runs.iter().map(|run| seconds(span(&run.summary))).collect();
        texts.dedup();
        listed(&texts)
    };
    let mut facts = Vec::new();
    if !results.runs.is_empty() {
        facts.push(("Devices", devices(results)));
        let lasted = if manifest.time == TimeMode::Real { "Duration" } else { "Simulated time" };
        facts.push((lasted, spans(|summary| summary.duration_s)));
        if results.runs.iter().any(|run| run.summary.warm_up_s > 0.0) {
            facts.push(("Warm-up, not measured", spans(|summary| summary.warm_up_s)));
        }
    }
    facts.push((if seeds.len() == 1 { "Seed" } else { "Seeds" }, numbers(&seeds)));
    if cohorts.len() > 1 {
        facts.push(("Swept", format!("{} ({} points)", fields(cohorts), cohorts.len())));
    }
    if manifest.runs.len() > 1 {
        facts.push(("Runs", manifest.runs.len().to_string()));
    }
    facts.push(("Started", manifest.started_utc.clone()));
    if manifest.time == TimeMode::Real {
        facts.push(("Time base", manifest.time_text()));
    }
    facts.push(("Wasmote", manifest.wasmote_version.clone()));
    facts
}

/// Number of devices at the start, and of those that joined.
fn devices(results: &Results) -> String {
    let summaries = || results.runs.iter().map(|run| &run.summary);
    let began: BTreeSet<u64> =
        summaries().map(|summary| summary.devices.saturating_sub(summary.joined)).collect();
    let joined: BTreeSet<u64> = summaries().map(|summary| summary.joined).collect();
    match joined.last() {
        Some(1..) => format!("{}, {} more during the run", numbers(&began), numbers(&joined)),
        _ => numbers(&began),
    }
}

fn numbers(set: &BTreeSet<u64>) -> String {
    listed(&set.iter().map(u64::to_string).collect::<Vec<_>>())
}

/// All texts, or the first and the last of more than eight.
fn listed(texts: &[String]) -> String {
    match texts {
        [first, .., last] if texts.len() > 8 => format!("{first} … {last} ({} values)", texts.len()),
        _ => texts.join(", "),
    }
}

/// Key figures of the only point.
fn key_figures(cohort: &Cohort<'_>) -> String {
    let mut text = String::from("<dl class=\"takeaways\">\n");
    let metrics = [
        Metric::DeliveryRatio,
        Metric::LatencyP50,
        Metric::LatencyP95,
        Metric::IntendedP95,
        Metric::Delivered,
    ];
    for metric in metrics.into_iter().filter(|metric| metric.is_of_interest(cohort.traffic())) {
        let Some(estimate) = cohort.estimate(metric) else { continue };
        let unit = metric.unit(estimate.mean);
        let figure = match (metric, estimate.half_width) {
            (Metric::Delivered, None) => fixed(estimate.mean, 0),
            (_, half_width) => unit.estimate(estimate.mean, half_width),
        };
        let (value, half) = figure.split_once(" ± ").unwrap_or((&figure, ""));
        let half = if half.is_empty() { String::new() } else { format!("± {half}") };
        // Interval and unit are one element, so that no line break separates them.
        let behind = format!("{half} {}", unit.name);
        let behind = match behind.trim() {
            "" => String::new(),
            behind => format!(" <small>{behind}</small>"),
        };
        let name = Escaped(metric.name());
        let _ = writeln!(text, "<div><dt>{name}</dt><dd>{value}{behind}</dd></div>");
    }
    text + "</dl>\n"
}
