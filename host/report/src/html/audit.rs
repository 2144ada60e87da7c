//! Audit section: changes that users made over HTTP during runs.

use super::table::Table;
use crate::number::fixed;
use crate::results::Results;

/// A table with a row for each change; empty without changes.
pub fn section(results: &Results) -> String {
    let mut table = Table::new(
        "Changes made over HTTP during a run; its timeline-as-run.toml is a plan that repeats them.",
    );
    table.column("run");
    table.column_of_numbers("at, s");
    table.column("change");
    for run in &results.runs {
        for edit in &run.summary.edits {
            table.row(vec![run.entry.path.clone(), fixed(edit.at_s, 3), edit.message.clone()]);
        }
    }
    if table.is_empty() {
        return String::new();
    }
    format!("<section id=\"edits\">\n<h2>Changes over HTTP</h2>\n{}</section>\n", table.html())
}
