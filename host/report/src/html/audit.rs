//! What users changed over HTTP while runs lasted.

use super::table::Table;
use crate::number::fixed;
use crate::results::Results;

/// A row for each change; nothing where there was none.
pub fn section(results: &Results) -> String {
    let mut table =
        Table::new("Changes made over HTTP while a run lasted; its timeline-as-run.toml does them again.");
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
