//! Provenance section: program, plan, command, machine, digests, and how to cite the figures.

use std::fmt::Write;

use wasmote_results::TimeMode;

use super::table::Table;
use crate::escape::Escaped;
use crate::number::fixed;
use crate::results::Results;

/// The paper of the simulator that preceded this one.
pub const PAPER: &str = "Usmani, Mohammad Faiz. \"MQTT Protocol for the IoT.\" International Journal of Internet \
                         of Things 12, no. 3 (2020): 45-50.";

/// The whole section.
pub fn section(results: &Results) -> String {
    let manifest = &results.manifest;
    let mut text =
        String::from("<section id=\"provenance\">\n<h2>Provenance</h2>\n<dl class=\"provenance\">\n");
    let mut entry = |name: &str, value: &str, class: &str| {
        if !value.is_empty() {
            let (name, value) = (Escaped(name), Escaped(value));
            let _ = writeln!(text, "<dt>{name}</dt><dd{class}>{value}</dd>");
        }
    };
    let code = " class=\"code\"";
    entry("Program", &format!("wasmote {}", manifest.wasmote_version), "");
    entry("Plan", &format!("{}, SHA-256 {}", manifest.plan.name, manifest.plan.sha256), "");
    entry("Run it again", &manifest.command, code);
    match manifest.time {
        TimeMode::Virtual => {
            entry("Check it", &format!("wasmote experiment verify {}", folder(results)), code)
        }
        TimeMode::Real => {
            entry("Time", &format!("{}: not reproducible to the byte", manifest.time_text()), "")
        }
    }
    let host = &manifest.host;
    if !host.os.is_empty() {
        entry("Host", &format!("{} on {}, {} cores", host.os, host.arch, host.cores), "");
    }
    entry("Started", &manifest.started_utc, "");
    entry("Finished", manifest.finished_utc.as_deref().unwrap_or("not recorded"), "");
    text.push_str("</dl>\n");
    text += &components(results);
    text += &runs(results);
    text += &citation(results);
    text + "</section>\n"
}

/// Name of the folder without its path, which could reveal private names.
fn folder(results: &Results) -> String {
    results.dir.file_name().map_or(".".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn components(results: &Results) -> String {
    // The manifest also lists components that no device ran.
    let all_ran = results.runs.iter().all(|run| run.summary.swaps_refused.is_empty());
    let mut table = Table::new(match all_ran {
        true => "Components that ran.",
        false => {
            "Components of the plan. Devices refused a swap, so not every component ran on all of its devices."
        }
    });
    table.column("component");
    table.column_of_numbers("bytes");
    table.column("SHA-256");
    for component in &results.manifest.components {
        table.row(vec![
            component.name.clone(),
            fixed(component.size_bytes as f64, 0),
            component.sha256.clone(),
        ]);
    }
    if table.is_empty() { String::new() } else { table.html() }
}

fn runs(results: &Results) -> String {
    let mut table = Table::new("Runs. Runs with equal digests have equal events.");
    table.column("run");
    table.column("point");
    table.column_of_numbers("seed");
    table.column("digest");
    for entry in &results.manifest.runs {
        let point = entry
            .point
            .iter()
            .map(|(field, value)| format!("{field} = {}", crate::cohort::format_value(value)));
        let point = point.collect::<Vec<_>>().join(", ");
        let ended = results.runs.iter().find(|run| run.entry.path == entry.path);
        let without = match ended {
            Some(run) if !run.is_partial => "none (real time)",
            _ => "not ended",
        };
        let digest = entry.digest.clone().or_else(|| ended.and_then(|run| run.summary.digest.clone()));
        let digest = digest.unwrap_or_else(|| without.to_owned());
        table.row(vec![entry.path.clone(), point, entry.seed.to_string(), digest]);
    }
    let count = results.manifest.runs.len();
    let open = if count > 12 { "" } else { " open=\"open\"" };
    format!(
        "<details{open}>\n<summary>Seeds and digests of {count} runs</summary>\n{}</details>\n",
        table.html()
    )
    .replace("of 1 runs", "of one run")
}

fn citation(results: &Results) -> String {
    let manifest = &results.manifest;
    let (version, paper) = (Escaped(&manifest.wasmote_version), Escaped(PAPER));
    let year = manifest.started_utc.get(..4).unwrap_or("n.d.");
    let mut hash = manifest.plan.sha256.clone();
    hash.truncate(hash.char_indices().nth(12).map_or(hash.len(), |(end, _)| end));
    let (year, hash, plan) = (Escaped(year), Escaped(&hash), Escaped(&manifest.plan.name));
    format!(
        "<h2 id=\"cite\">How to cite</h2>\n<ul class=\"citations\">\n\
         <li>The Wasmote authors. Wasmote, version {version}. Software, {year}. Experiment “{plan}”, plan {hash}.</li>\n\
         <li>{paper}</li>\n</ul>\n"
    )
}
