//! The text of a comparison for a terminal.

use std::fmt::Write;

use super::ComparedExperiment;
use super::rows::Row;
use super::{agreement, notices, plans};

/// Explanation of intervals and stars.
pub(super) const NOTE: &str = "± is half the width of a 95 % confidence interval over seeds (Student's t for \
                               means, Welch's for differences). * marks a difference whose interval does not contain \
                               zero.";

/// The list of experiments, the notices, the table and the note, without a final line break.
pub(super) fn text(experiments: &[ComparedExperiment], rows: &[Row]) -> String {
    let mut text = String::new();
    for ComparedExperiment { letter, folder, results, .. } in experiments {
        let runs = results.runs.len();
        let noun = if runs == 1 { "run" } else { "runs" };
        let incomplete = if results.is_complete() { "" } else { ", INCOMPLETE" };
        let plan = &results.manifest.plan.name;
        let (plan, time) = (printable(plan), results.manifest.time_text());
        let _ = writeln!(text, "{letter}  {folder}: plan {plan}, {runs} {noun} in {time}{incomplete}");
    }
    for notice in notices::all(experiments) {
        let _ = writeln!(text, "\n{}", printable(&notice));
    }
    plans(&mut text, experiments);
    if notices::without_common_points(experiments).len() + 1 < experiments.len() {
        table(&mut text, experiments, rows);
    }
    for agreement in agreement::all(experiments, rows) {
        let _ = writeln!(text, "\n{}", printable(&agreement.text()));
    }
    let _ = write!(text, "\n{NOTE}");
    text
}

/// Writes the first fields in which the plans differ.
fn plans(text: &mut String, experiments: &[ComparedExperiment]) {
    const SHOWN: usize = 12;
    const WIDEST: usize = 40;
    let fields = plans::differing(experiments);
    if fields.is_empty() {
        return;
    }
    text.push_str("\nThe plans differ in\n");
    let widest = fields.iter().take(SHOWN).map(|field| field.path.chars().count()).max().unwrap_or(0);
    for field in fields.iter().take(SHOWN) {
        let value = |(experiment, value): (&ComparedExperiment, &str)| {
            format!("{} {}", experiment.letter, shortened(value, WIDEST))
        };
        let values: Vec<String> = experiments.iter().zip(field.texts()).map(value).collect();
        let line = format!("  {:widest$}   {}", field.path, values.join("   "));
        let _ = writeln!(text, "{}", printable(&line));
    }
    if fields.len() > SHOWN {
        let _ = writeln!(text, "  ... and {} more; use --json for all", fields.len() - SHOWN);
    }
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn table(text: &mut String, experiments: &[ComparedExperiment], rows: &[Row]) {
    let mut header = vec![String::new()];
    header.extend(experiments.iter().map(|experiment| experiment.letter.clone()));
    header.extend(
        experiments
            .iter()
            .skip(1)
            .map(|experiment| format!("{} − {}", experiment.letter, experiments[0].letter)),
    );
    let cells = |row: &Row| [vec![row.heading()], row.values(), row.changes()].concat();
    let table: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = table.iter().chain([&header]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    text.push('\n');
    line(text, &header, &widths);
    let mut point = String::new();
    for (row, cells) in rows.iter().zip(&table) {
        if row.point_text() != point {
            point = row.point_text();
            let _ = writeln!(text, "\n{}", printable(&point));
        }
        line(text, cells, &widths);
    }
}

fn line(text: &mut String, cells: &[String], widths: &[usize]) {
    let mut line = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let _ = match column {
            0 => write!(line, "{cell:width$}"),
            _ => write!(line, "   {cell:width$}"),
        };
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

/// Replaces control characters in text of users, so that it cannot control the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
