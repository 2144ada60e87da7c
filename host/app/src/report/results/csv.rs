//! Comma-separated values [RFC 4180], read so that an error names the line and the column.

use std::borrow::Cow;

use crate::document::DocumentError;

/// A table with a header.
#[derive(Clone, Debug)]
pub struct Table<'a> {
    header: Vec<Cow<'a, str>>,
    rows: Vec<(usize, Vec<Cow<'a, str>>)>,
}

/// One line of a table.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    table: &'a Table<'a>,
    line: usize,
    cells: &'a [Cow<'a, str>],
}

impl<'a> Table<'a> {
    /// Read a table. No cell spans lines.
    pub fn parse(text: &'a str) -> Result<Self, DocumentError> {
        let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        let (_, header) =
            lines.next().ok_or_else(|| at(1, "", "the file is empty; it begins with a header"))?;
        let header = split(header, 1)?;
        let mut rows = Vec::new();
        for (line, text) in lines.filter(|(_, text)| !text.is_empty()) {
            let cells = split(text, line)?;
            if cells.len() != header.len() {
                let (found, wanted) = (cells.len(), header.len());
                return Err(at(line, "", format!("{found} values, where the header names {wanted}")));
            }
            rows.push((line, cells));
        }
        Ok(Self { header, rows })
    }

    /// Its lines, once it is sure that all these columns are there.
    pub fn rows(
        &'a self,
        columns: &[&str],
    ) -> Result<impl Iterator<Item = Row<'a>> + use<'a>, DocumentError> {
        match columns.iter().find(|column| !self.header.iter().any(|name| name == *column)) {
            Some(missing) => Err(at(1, missing, "there is no such column")),
            None => Ok(self.rows.iter().map(|(line, cells)| Row { table: self, line: *line, cells })),
        }
    }
}

impl<'a> Row<'a> {
    /// The text of a cell; empty where there is no such column.
    pub fn text(&self, column: &str) -> &'a str {
        let index = self.table.header.iter().position(|name| name == column);
        index.and_then(|index| self.cells.get(index)).map_or("", |cell| cell)
    }

    /// A number.
    pub fn number(&self, column: &str) -> Result<f64, DocumentError> {
        let text = self.text(column);
        match text.parse::<f64>() {
            Ok(value) if !value.is_nan() => Ok(value),
            _ => Err(at(self.line, column, format!("`{text}` is no number"))),
        }
    }

    /// A number, or nothing in an empty cell.
    pub fn optional(&self, column: &str) -> Result<Option<f64>, DocumentError> {
        if self.text(column).is_empty() { Ok(None) } else { self.number(column).map(Some) }
    }
}

fn at(line: usize, column: &str, problem: impl Into<String>) -> DocumentError {
    DocumentError { location: Some((line, 1)), ..DocumentError::at(column, problem) }
}

fn split(line: &str, number: usize) -> Result<Vec<Cow<'_, str>>, DocumentError> {
    if !line.contains('"') {
        return Ok(line.split(',').map(Cow::Borrowed).collect());
    }
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                cell.push('"');
                chars.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(Cow::Owned(std::mem::take(&mut cell))),
            c => cell.push(c),
        }
    }
    cells.push(Cow::Owned(cell));
    if quoted { Err(at(number, "", "a quotation mark is open at the end of the line")) } else { Ok(cells) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_commas_and_quotes() {
        let table = Table::parse("a,b\n\"x,\"\"y\"\"\",2\n").unwrap();
        let row = table.rows(&["a", "b"]).unwrap().next().unwrap();
        assert_eq!((row.text("a"), row.number("b").unwrap()), ("x,\"y\"", 2.0));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let message = |text: &'static str| -> String {
            let found = Table::parse(text).and_then(|table| {
                let rows = table.rows(&["n"])?.map(|row| row.number("n")).collect::<Result<Vec<_>, _>>();
                rows.map(|_| ())
            });
            found.unwrap_err().in_file("f").to_string()
        };
        assert_eq!(message("n\n1\nmany\n"), "f:3:1: n: `many` is no number");
        assert_eq!(message("n\n1,2\n"), "f:2:1: 2 values, where the header names 1");
        assert_eq!(message("m\n"), "f:1:1: n: there is no such column");
        assert_eq!(message(""), "f:1:1: the file is empty; it begins with a header");
    }
}
