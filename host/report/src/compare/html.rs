//! The HTML page of a comparison.

use std::fmt::Write;

use super::ComparedExperiment;
use super::rows::Row;
use super::text::NOTE;
use super::{notices, plans};
use crate::escape::Escaped;
use crate::figures::Figure;
use crate::html::provenance::PAPER;
use crate::html::table::Table;
use crate::html::{document, figures_section};

/// The whole page.
pub(super) fn page(experiments: &[ComparedExperiment], rows: &[Row], figures: &[Figure]) -> String {
    let mut body = String::from("<header>\n<p class=\"kind\">Comparison of experiments</p>\n");
    let title = experiments
        .iter()
        .map(|experiment| experiment.results.manifest.plan.name.as_str())
        .collect::<Vec<_>>();
    let title = title.join(" · ");
    let _ = writeln!(body, "<h1>{}</h1>", Escaped(&title));
    for experiment in experiments.iter().filter(|experiment| !experiment.results.is_complete()) {
        let _ = writeln!(
            body,
            "<div class=\"notice\" role=\"note\"><strong>{} is incomplete.</strong> Only the runs that ended are \
             shown.</div>",
            Escaped(&format!("{}, {},", experiment.letter, experiment.folder))
        );
    }
    for notice in notices::all(experiments) {
        let _ = writeln!(body, "<div class=\"notice\" role=\"note\">{}</div>", Escaped(&notice));
    }
    body += &experiments_table(experiments);
    body += "</header>\n";
    body += &plans_section(experiments);
    if notices::without_common_points(experiments).len() + 1 < experiments.len() {
        body += &differences(experiments, rows);
    }
    body += &figures_section(figures);
    let _ = writeln!(
        body,
        "<section id=\"provenance\">\n<h2>Provenance</h2>\n<p>Each folder’s own report has its command, hashes and \
         digests.</p>\n<h2 id=\"cite\">How to cite</h2>\n<ul class=\"citations\">\n<li>The Wasmote authors. Wasmote, \
         version {}. Software.</li>\n<li>{}</li>\n</ul>\n</section>",
        Escaped(env!("CARGO_PKG_VERSION")),
        Escaped(PAPER)
    );
    document(&title, &body)
}

fn experiments_table(experiments: &[ComparedExperiment]) -> String {
    let mut table = Table::new("");
    table.column("");
    table.column("folder");
    table.column("plan");
    table.column_of_numbers("runs");
    table.column("plan SHA-256");
    for ComparedExperiment { letter, folder, results, .. } in experiments {
        let plan = &results.manifest.plan;
        let hash: String = plan.sha256.chars().take(16).collect();
        let runs = results.runs.len().to_string();
        table.row(vec![letter.clone(), folder.clone(), plan.name.clone(), runs, hash]);
    }
    table.html()
}

/// The fields in which plans differ.
fn plans_section(experiments: &[ComparedExperiment]) -> String {
    let fields = plans::differing(experiments);
    if fields.is_empty() {
        return String::new();
    }
    let mut table = Table::new("Fields by path; `devices` is the number of devices at the end.");
    table.column("field");
    experiments.iter().for_each(|experiment| table.column(&experiment.letter));
    for field in &fields {
        table.row([vec![field.path.clone()], field.texts().map(str::to_owned).collect()].concat());
    }
    format!("<section id=\"plans\">\n<h2>Differences between the plans</h2>\n{}</section>\n", table.html())
}

fn differences(experiments: &[ComparedExperiment], rows: &[Row]) -> String {
    let mut table = Table::new(NOTE);
    let has_points = rows.iter().any(|row| !row.point.is_empty());
    if has_points {
        table.column("point");
    }
    table.column("metric");
    experiments.iter().for_each(|experiment| table.column_of_numbers(&experiment.letter));
    for experiment in experiments.iter().skip(1) {
        table.column_of_numbers(&format!("{} − {}", experiment.letter, experiments[0].letter));
    }
    for row in rows {
        let mut cells = if has_points { vec![row.point_text()] } else { Vec::new() };
        cells.push(row.heading());
        cells.extend(row.values());
        cells.extend(row.changes());
        table.row(cells);
    }
    format!("<section id=\"differences\">\n<h2>Differences</h2>\n{}</section>\n", table.html())
}
