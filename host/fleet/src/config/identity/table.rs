//! CSV file with a row for each device.
//!
//! The first line names the columns. Columns of other names than [`COLUMNS`] are values for templates.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use csv::{ByteRecord, ReaderBuilder};

use super::IdentityProblem;
use crate::regular_file::{self, without_bom};
use crate::suggest::did_you_mean;

/// Columns of credentials.
pub const CREDENTIALS: [&str; 6] =
    ["username", "password", "password_file", "token", "token_file", "certificate"];
/// Columns with a meaning.
pub const COLUMNS: [&str; 9] = [
    "name",
    "client_id",
    "username",
    "password",
    "password_file",
    "token",
    "token_file",
    "certificate",
    "key",
];
/// Largest file.
const MAX_BYTES: u64 = 256 << 20;

/// A CSV file.
#[derive(Clone, Debug)]
pub struct Table {
    /// The file as the user wrote it.
    pub shown: String,
    /// Folder of the file, to which its paths are relative.
    pub folder: PathBuf,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Row>,
    /// Positions of the rows by the column `name`, made when the first one is looked up.
    by_name: OnceLock<HashMap<Box<str>, usize>>,
}

/// A row of a file. Its debug form shows no cell, because cells may be secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// Line of the file, from 1.
    pub line: u64,
    cells: Box<[Box<str>]>,
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Row(line {})", self.line)
    }
}

impl Row {
    /// The cell of a column; `None` if it is empty.
    pub fn get(&self, column: usize) -> Option<&str> {
        self.cells.get(column).map(|cell| &**cell).filter(|cell| !cell.is_empty())
    }

    #[cfg(test)]
    pub(super) fn for_test(cells: &[&str]) -> Self {
        Self { line: 2, cells: cells.iter().map(|cell| Box::from(*cell)).collect() }
    }
}

impl Table {
    /// Reads a file.
    pub fn read(path: &Path, setting: &str) -> Result<Self, IdentityProblem> {
        let bytes = read_limited(path, setting)?;
        Self::parse(&bytes, &path.display().to_string(), path.parent().unwrap_or(Path::new("")))
    }

    fn parse(bytes: &[u8], shown: &str, folder: &Path) -> Result<Self, IdentityProblem> {
        let bytes = without_bom(bytes);
        let at_line = |line: u64| format!("{shown} line {line}");
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter(bytes))
            .from_reader(bytes);
        let mut table = Self {
            shown: shown.to_owned(),
            folder: folder.to_owned(),
            columns: Vec::new(),
            rows: Vec::new(),
            by_name: OnceLock::new(),
        };
        let mut record = ByteRecord::new();
        let mut lines = LineCounter { bytes, counted: 0, line: 1 };
        loop {
            let is_record = reader
                .read_byte_record(&mut record)
                .map_err(|error| IdentityProblem::new(shown, error.to_string()))?;
            if !is_record {
                break;
            }
            let start = record.position().map_or(0, |position| position.byte() as usize);
            let line = lines.line_at(start);
            let cells = cells(&record, |column| {
                let name = table
                    .columns
                    .get(column)
                    .map_or_else(|| (column + 1).to_string(), |name| format!("`{name}`"));
                IdentityProblem::new(
                    format!("{}, column {name}", at_line(line)),
                    "it is not UTF-8; save the file as UTF-8",
                )
            })?;
            if table.columns.is_empty() {
                table.columns =
                    header(&cells).map_err(|problem| IdentityProblem::new(at_line(line), problem))?;
            } else if cells.len() == table.columns.len() {
                table.rows.push(Row { line, cells });
            } else {
                let (found, expected) = (cells.len(), table.columns.len());
                let problem = format!(
                    "it has {found} cells, and the header has {expected} columns; quote a cell that contains the separator"
                );
                return Err(IdentityProblem::new(at_line(line), problem));
            }
        }
        if table.rows.is_empty() {
            let problem =
                "it has no row; write a line with the names of the columns, then one line for each device";
            return Err(IdentityProblem::new(shown, problem));
        }
        Ok(table)
    }

    /// Position of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// The row with this text in the column `name`.
    pub fn row_named(&self, name: &str) -> Option<&Row> {
        let by_name = self.by_name.get_or_init(|| {
            let rows = self.rows.iter().enumerate();
            rows.filter_map(|(at, row)| Some((Box::from(self.cell(row, "name")?), at))).collect()
        });
        by_name.get(name).and_then(|at| self.rows.get(*at))
    }

    /// The cell of a column; `None` without the column or if the cell is empty.
    pub fn cell<'a>(&self, row: &'a Row, column: &str) -> Option<&'a str> {
        row.get(self.column(column)?)
    }

    /// The place of a cell, for errors.
    pub fn place(&self, row: &Row, column: &str) -> String {
        format!("{} line {}, column `{column}`", self.shown, row.line)
    }

    /// Refuses a column whose name is a typing error: neither a template uses it nor is it one of [`COLUMNS`].
    pub fn check_columns(&self, is_used: impl Fn(usize) -> bool) -> Result<(), IdentityProblem> {
        for (position, name) in self.columns.iter().enumerate() {
            let hint = did_you_mean(name, COLUMNS);
            if !COLUMNS.contains(&name.as_str()) && !is_used(position) && !hint.is_empty() {
                let problem = format!(
                    "column `{name}` is used by no template, and it is none of `{}`{hint}",
                    COLUMNS.join("`, `")
                );
                return Err(IdentityProblem::new(format!("{} line 1", self.shown), problem));
            }
        }
        Ok(())
    }
}

/// Lines of a file by offset, for offsets that grow. The library's own count is one too low after a line that ends with CR
/// and LF.
struct LineCounter<'a> {
    bytes: &'a [u8],
    counted: usize,
    line: u64,
}

impl LineCounter<'_> {
    /// The line of the record that begins at an offset, or after the line feeds there.
    fn line_at(&mut self, offset: usize) -> u64 {
        let rest = self.bytes.get(offset..).unwrap_or_default();
        let start = offset + rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let passed = self.bytes.get(self.counted..start).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.counted = start;
        self.line
    }
}

/// Reads a file of limited size.
pub(super) fn read_limited(path: &Path, setting: &str) -> Result<Vec<u8>, IdentityProblem> {
    use std::io::Read;
    let place = || format!("{setting} {}", path.display());
    let unreadable =
        |problem: std::io::Error| IdentityProblem::new(place(), format!("cannot be read: {problem}"));
    let mut bytes = Vec::new();
    regular_file::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(IdentityProblem::new(
            place(),
            "it is larger than 256 MiB; split it, one file for each group",
        ));
    }
    Ok(bytes)
}

/// The separator of the header: a comma, or else a semicolon or a tab, which some spreadsheets write.
fn delimiter(bytes: &[u8]) -> u8 {
    let header =
        bytes.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    [b',', b';', b'\t'].into_iter().find(|separator| header.contains(separator)).unwrap_or(b',')
}

fn cells(
    record: &ByteRecord,
    problem: impl Fn(usize) -> IdentityProblem,
) -> Result<Box<[Box<str>]>, IdentityProblem> {
    let text = |(column, cell): (usize, &[u8])| {
        std::str::from_utf8(cell).map(Box::from).map_err(|_| problem(column))
    };
    record.iter().enumerate().map(text).collect()
}

fn header(cells: &[Box<str>]) -> Result<Vec<String>, String> {
    let mut columns: Vec<String> = Vec::new();
    for (position, cell) in cells.iter().enumerate() {
        let name = cell.trim();
        if name.is_empty() {
            return Err(format!(
                "column {} has no name; the first line has the names of the columns",
                position + 1
            ));
        }
        if columns.iter().any(|other| other == name) {
            return Err(format!("column `{name}` is there twice; rename one of them"));
        }
        columns.push(name.to_owned());
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: impl AsRef<[u8]>) -> Result<Table, String> {
        Table::parse(text.as_ref(), "devices.csv", Path::new(""))
            .map_err(|it| format!("{}: {}", it.place, it.problem))
    }

    #[test]
    fn cells_have_lines_and_columns() {
        let table = parse("\u{feff}name,certificate,site\r\na,\"x,\ny\",1\r\nb,,2\r\n").unwrap();
        assert_eq!(table.columns, ["name", "certificate", "site"]);
        assert_eq!(table.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 4]);
        assert_eq!(table.cell(&table.rows[0], "certificate"), Some("x,\ny"));
        assert_eq!(table.cell(&table.rows[1], "certificate"), None);
        assert_eq!(table.place(&table.rows[1], "site"), "devices.csv line 4, column `site`");
        assert_eq!(parse("name;site\na;1\n").unwrap().rows[0].get(1), Some("1"));
        assert_eq!(parse("name\tsite\na\t1\n").unwrap().rows[0].get(1), Some("1"));
    }

    #[test]
    fn a_broken_file_is_named_with_its_line() {
        assert!(parse("").unwrap_err().contains("it has no row"));
        assert!(parse("name,key\n").unwrap_err().contains("it has no row"));
        assert!(
            parse("name,key\na,b\nc\n")
                .unwrap_err()
                .starts_with("devices.csv line 3: it has 1 cells, and the header has 2")
        );
        assert!(parse("name,name\na,b\n").unwrap_err().contains("`name` is there twice"));
        assert!(parse("name,\na,b\n").unwrap_err().contains("column 2 has no name"));
        let found = parse(b"name,site\na,\xff\n").unwrap_err();
        assert!(found.starts_with("devices.csv line 2, column `site`: it is not UTF-8"), "{found}");
    }

    #[test]
    fn a_column_with_a_typing_error_is_refused_unless_a_template_uses_it() {
        let table = parse("name,certficate,site\na,b,c\n").unwrap();
        let problem = table.check_columns(|_| false).unwrap_err();
        assert!(problem.problem.contains("did you mean `certificate`?"), "{}", problem.problem);
        assert!(table.check_columns(|column| column == 1).is_ok());
    }

    #[test]
    fn the_debug_form_shows_no_cell() {
        let table = parse("name,password\na,hunter2\n").unwrap();
        assert!(!format!("{table:?}").contains("hunter2"));
    }
}
