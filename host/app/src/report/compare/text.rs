//! A comparison for a terminal.

use std::fmt::Write;

use super::Side;
use super::agreement;
use super::rows::Row;

/// What intervals and stars are.
pub(super) const NOTE: &str = "± is half a 95 % confidence interval over seeds: Student's of means, Welch's of \
                               differences. * marks a difference whose interval leaves zero out.";

/// The table, with a key before it and a note after it; no line break at its end.
pub(super) fn text(sides: &[Side], rows: &[Row]) -> String {
    let mut text = String::new();
    for Side { letter, folder, results, .. } in sides {
        let runs = results.runs.len();
        let noun = if runs == 1 { "run" } else { "runs" };
        let incomplete = if results.is_complete() { "" } else { ", INCOMPLETE" };
        let plan = &results.manifest.plan.name;
        let (plan, time) = (printable(plan), results.manifest.time_text());
        let _ = writeln!(text, "{letter}  {folder}: plan {plan}, {runs} {noun} in {time}{incomplete}");
    }
    let mut header = vec![String::new()];
    header.extend(sides.iter().map(|side| side.letter.clone()));
    header.extend(sides.iter().skip(1).map(|side| format!("{} − {}", side.letter, sides[0].letter)));
    let cells = |row: &Row| [vec![row.heading()], row.values(), row.changes()].concat();
    let table: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            let cells = table.iter().chain([&header]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    text.push('\n');
    line(&mut text, &header, &widths);
    let mut point = String::new();
    for (row, cells) in rows.iter().zip(&table) {
        if row.point_text() != point {
            point = row.point_text();
            let _ = writeln!(text, "\n{}", printable(&point));
        }
        line(&mut text, cells, &widths);
    }
    for agreement in agreement::all(sides, rows) {
        let _ = writeln!(text, "\n{}", printable(&agreement.text()));
    }
    let _ = write!(text, "\n{NOTE}");
    text
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

/// Text of users without what steers a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
