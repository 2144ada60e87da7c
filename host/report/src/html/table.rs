//! HTML tables. All text in them is escaped.

use std::fmt::Write;

use crate::escape::Escaped;

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    caption: String,
    columns: Vec<(String, bool)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Creates an empty table.
    pub fn new(caption: &str) -> Self {
        Self { caption: caption.to_owned(), columns: Vec::new(), rows: Vec::new() }
    }

    /// Adds a column of text.
    pub fn column(&mut self, name: &str) {
        self.columns.push((name.to_owned(), false));
    }

    /// Adds a column of numbers, which are aligned right.
    pub fn column_of_numbers(&mut self, name: &str) {
        self.columns.push((name.to_owned(), true));
    }

    /// Adds a row. Cells beyond the last column are dropped.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// True if the table has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as HTML, in a box that scrolls if the page is too narrow, with the caption below the box.
    pub fn html(&self) -> String {
        let mut text = String::from("<div class=\"wide\" tabindex=\"0\">\n<table>\n");
        text.push_str("<thead><tr>");
        for (name, numbers) in &self.columns {
            // A path may wrap after a dot.
            let name = Escaped(name).to_string().replace('.', ".<wbr/>");
            let _ = write!(text, "<th scope=\"col\"{}>{name}</th>", class(*numbers));
        }
        text.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            text.push_str("<tr>");
            for ((_, numbers), cell) in self.columns.iter().zip(row) {
                let _ = write!(text, "<td{}>{}</td>", class(*numbers), Escaped(cell));
            }
            text.push_str("</tr>\n");
        }
        text.push_str("</tbody>\n</table>\n</div>\n");
        if !self.caption.is_empty() {
            let _ = writeln!(text, "<p class=\"below\">{}</p>", Escaped(&self.caption));
        }
        text
    }
}

fn class(numbers: bool) -> &'static str {
    if numbers { " class=\"number\"" } else { "" }
}
