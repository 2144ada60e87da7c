//! The report as a self-contained HTML page.

pub mod audit;
pub mod groups;
pub mod header;
pub mod ledger;
pub mod provenance;
pub mod script;
pub mod style;
pub mod table;
pub mod verdict;

use std::fmt::Write;

use super::cohort::{CUT_SHORT_NOTE, Cohort, by_point, fields};
use super::escape::Escaped;
use super::figures::{Figure, PlotInput, all};
use super::metric::Metric;
use super::results::Results;
use table::Table;

/// The page of a results folder, and its plots.
pub fn page(results: &Results) -> (String, Vec<Figure>) {
    let cohorts = by_point(results);
    let labels = fields(&cohorts);
    let figures = all(PlotInput { cohorts: &cohorts, labels: &labels });
    let mut body = header::header(results, &cohorts);
    body += &verdict::section(results);
    body += &figures_section(&figures);
    body += &audit::section(results);
    if !cohorts.is_empty() {
        body += &points_section(&cohorts);
        body += &groups::sections(&cohorts);
        body += &ledger::section(&cohorts);
    }
    body += &provenance::section(results);
    (document(&results.manifest.plan.name, &body), figures)
}

/// An HTML document with this body, styles and the script of the plots.
pub fn document(title: &str, body: &str) -> String {
    let (title, style, plots, script) =
        (Escaped(title), style::CSS, super::plot::style::CSS, script::READ_OUT);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\"/>\n\
         <title>{title} · Wasmote</title>\n<style>\n{style}\n{plots}\n</style>\n</head>\n<body>\n<main>\n{body}\
         </main>\n<script>\n{script}</script>\n</body>\n</html>\n"
    )
}

/// Section of plots, each with an id for links.
pub fn figures_section(figures: &[Figure]) -> String {
    let mut text = String::new();
    if figures.is_empty() {
        return text;
    }
    let _ = writeln!(text, "<section aria-label=\"Plots\" class=\"figures\">");
    for Figure { drawing, caption } in figures {
        let (name, svg, caption) = (drawing.name, drawing.inline(), Escaped(caption));
        let _ =
            writeln!(text, "<figure id=\"{name}\">\n{svg}\n<figcaption>{caption}</figcaption>\n</figure>");
    }
    let _ = writeln!(text, "</section>");
    text
}

/// Table with a row for each point and a column for each metric.
fn points_section(cohorts: &[Cohort<'_>]) -> String {
    let swept: Vec<&String> = cohorts.first().map(|it| it.point.keys().collect()).unwrap_or_default();
    let mut caption = "Means over seeds with 95 % confidence intervals (Student's t, two-sided).".to_owned();
    if cohorts.iter().any(Cohort::is_cut_short) {
        caption = format!("{caption} {CUT_SHORT_NOTE}");
    }
    let mut table = Table::new(&caption);
    for field in &swept {
        table.column(field);
    }
    table.column_of_numbers("seeds");
    let of_interest = |metric: &Metric| metric.is_of_interest(cohorts.iter().flat_map(Cohort::traffic));
    let metrics: Vec<Metric> = Metric::ALL.into_iter().filter(of_interest).collect();
    for &metric in &metrics {
        table.column_of_numbers(&unit(cohorts, metric).heading(metric.name()));
    }
    for cohort in cohorts {
        let mut row: Vec<String> = cohort.point.values().map(super::cohort::format_value).collect();
        row.push(match cohort.left_out.len() {
            0 => cohort.mark_label(&cohort.runs.len().to_string()),
            left_out => format!("{} of {}", cohort.runs.len(), cohort.runs.len() + left_out),
        });
        row.extend(metrics.iter().map(|&metric| {
            let unit = unit(cohorts, metric);
            let estimate = cohort.estimate(metric);
            estimate.map_or("–".to_owned(), |it| unit.estimate(it.mean, it.half_width))
        }));
        table.row(row);
    }
    format!("<section id=\"figures-of-merit\">\n<h2>Results</h2>\n{}</section>\n", table.html())
}

fn unit(cohorts: &[Cohort<'_>], metric: Metric) -> super::number::Unit {
    let means = cohorts.iter().filter_map(|cohort| cohort.estimate(metric)).map(|it| it.mean);
    metric.unit(means.fold(0.0, f64::max))
}
