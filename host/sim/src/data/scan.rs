//! Check of all rows of a table, and the reader of single rows.
//!
//! A row that cannot be read is an error with its line and column. No value is guessed, because nobody would notice a wrong
//! one.

use std::fmt;
use std::sync::Arc;

use wasmote_mqtt::timestamp::parse_iso8601;

use crate::layout::exact::{Value, is_number, parse, scaled};

use super::format::{Column, Format, Purpose, TimeUnit};
use super::lines::{Content, Lines};
use super::{IndexEntry, Row, Table};

/// Distance of rows in the index, in bytes.
const INDEX_BYTES: u64 = 8 << 10;
/// Maximum number of columns.
const MAX_COLUMNS: usize = 1_000;
/// Smallest time that is too large for one since the start, in nanoseconds: more than three years.
const ABSOLUTE: i128 = 100_000_000 * SECOND;
/// Smallest time that is too large for one since 1970, in nanoseconds: its number is in milliseconds and not in seconds.
const MILLISECONDS: i128 = 100_000_000_000 * SECOND;
const SECOND: i128 = 1_000_000_000;

/// Names of the time column by which a header is recognized.
const TIME_NAMES: [&str; 9] = ["seconds", "second", "sec", "s", "time", "time_s", "t", "timestamp", "ts"];

/// End of an error about a missing header: how a header is recognized.
const HEADER_HINT: &str =
    "; a header names its time column `seconds`, `time` or `timestamp`, or is announced by \"header\": true";

/// The columns of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    pub(super) names: Vec<String>,
    /// Position of the times, from 0.
    pub(super) time: Option<usize>,
    /// Position of the values, from 0.
    value: Option<usize>,
}

/// Place of a cell: its line and column in a text, or its row in a list. Both are counted from 1.
#[derive(Clone, Copy)]
struct Place {
    line: u64,
    column: usize,
    is_list: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { line: 0, .. } => f.write_str("a row"),
            Self { line, is_list: true, .. } => write!(f, "row {line}"),
            Self { line, column: 0, .. } => write!(f, "line {line}"),
            Self { line, column, .. } => write!(f, "line {line}, column {column}"),
        }
    }
}

/// A cell of a row.
struct Cell {
    text: String,
    is_quoted: bool,
}

pub(super) fn scan(content: Arc<dyn Content>, format: Format) -> Result<Table, String> {
    let mut table = Table {
        content,
        format,
        columns: Columns::default(),
        start: 0,
        rows: 0,
        origin: None,
        length: 0,
        index: Vec::new(),
    };
    let content = Arc::clone(&table.content);
    let mut lines = Lines::new(&*content, 0);
    lines.skip_byte_order_mark()?;
    let (mut number, mut has_columns) = (0, false);
    loop {
        let start = lines.offset();
        let Some(line) = lines.next_line()? else { break };
        number += 1;
        let text = line.text()?;
        if text.is_empty() {
            continue;
        }
        if !has_columns {
            has_columns = true;
            if table.read_columns(text, number)? {
                continue;
            }
        }
        if table.rows == 0 {
            table.start = start;
        }
        table.enter(text, number, start)?;
    }
    match table.rows {
        0 => Err("expected at least one row".into()),
        _ => Ok(table),
    }
}

impl Table {
    fn place(&self, line: u64, column: usize) -> Place {
        Place { line, column, is_list: self.format.is_list }
    }

    /// Finds the columns in the first line. True if it is a header.
    fn read_columns(&mut self, text: &str, line: u64) -> Result<bool, String> {
        if self.format.is_ndjson {
            return self.read_json_columns(text, line).map(|()| false);
        }
        let cells = Reader::of(self).cells(text, line)?;
        let names: Vec<String> = cells.iter().map(|cell| cell.text.clone()).collect();
        if names.len() > MAX_COLUMNS {
            return Err(format!(
                "{}: expected {MAX_COLUMNS} columns at most, found {}",
                self.place(line, 0),
                names.len()
            ));
        }
        let is_header = self.format.header.unwrap_or_else(|| is_header(&names));
        let hint = hint(&self.format, &names);
        let all = names.len();
        let find = |column: &Column| match column {
            Column::Number(number) if *number <= all => Ok(number - 1),
            Column::Number(number) => {
                Err(format!("{}: there is no column {number}, but {all}{hint}", self.place(line, 1)))
            }
            Column::Name(name) if is_header => names.iter().position(|cell| cell == name).ok_or_else(|| {
                format!(
                    "{}: there is no column `{name}`; there are {}",
                    self.place(line, 1),
                    names.join(", ")
                )
            }),
            Column::Name(name) => Err(format!(
                "{}: there is no header for the column `{name}`{HEADER_HINT}",
                self.place(line, 1)
            )),
        };
        let mut time = self.format.time.as_ref().map(find).transpose()?;
        let mut value = None;
        if self.format.purpose == Purpose::Values {
            let at = time.unwrap_or(0);
            time = Some(at);
            value = Some(match &self.format.value {
                Some(column) => find(column)?,
                None if all == 2 => 1 - at,
                None if all < 2 => {
                    return Err(format!("{}: expected seconds and a value{hint}", self.place(line, 1)));
                }
                None => {
                    return Err(format!(
                        "{}: there are {all} columns; name the one with the values by `column`",
                        self.place(line, 1)
                    ));
                }
            });
        } else if time.is_none() && is_header {
            time = names.iter().position(|name| is_time_name(name));
        }
        let numbered = || (1..=all).map(|number| number.to_string()).collect();
        self.columns = Columns { names: if is_header { names } else { numbered() }, time, value };
        Ok(is_header)
    }

    fn read_json_columns(&mut self, text: &str, line: u64) -> Result<(), String> {
        let row = json_row(text).ok_or_else(|| format!("{}: expected a JSON object", self.place(line, 0)))?;
        let path = |column: &Option<Column>, field: &str| match column {
            None => Ok(None),
            Some(Column::Name(name)) => Ok(Some(name.clone())),
            Some(Column::Number(number)) => Err(format!(
                "expected the name of a field as `{field}`, found {number}, because NDJSON has names"
            )),
        };
        let time = path(&self.format.time, "time_column")?;
        let value = path(&self.format.value, "column")?;
        let usual = || TIME_NAMES.iter().find(|name| row.get(name).is_some()).map(|name| (*name).to_owned());
        let time = time.or_else(usual);
        let mut columns = Columns::default();
        columns.time = time.map(|name| columns.position(&name));
        if self.format.purpose == Purpose::Values {
            if columns.time.is_none() {
                return Err(format!(
                    "{}: expected a time; name its field by `time_column`",
                    self.place(line, 0)
                ));
            }
            let Some(value) = value else {
                return Err(format!("{}: name the field with the values by `column`", self.place(line, 0)));
            };
            columns.value = Some(columns.position(&value));
        }
        self.columns = columns;
        Ok(())
    }

    /// Checks a row, and enters it into the index.
    fn enter(&mut self, text: &str, line: u64, start: u64) -> Result<(), String> {
        if self.format.is_ndjson
            && let Some(Value::Object(members)) = json_row(text)
        {
            for (name, _) in members {
                self.columns.position(&name);
                if self.columns.names.len() > MAX_COLUMNS {
                    return Err(format!("{}: expected {MAX_COLUMNS} fields at most", self.place(line, 0)));
                }
            }
        }
        let mut reader = Reader::of(self);
        let Some((time, is_date)) = reader.parse(text, line)? else { return Ok(()) };
        let at = match time {
            None => 0,
            Some(time) => self.relative(time, is_date, line)?,
        };
        if self.index.last().is_none_or(|last| start - last.position >= INDEX_BYTES) {
            self.index.push(IndexEntry { at, position: start });
        }
        (self.rows, self.length) = (self.rows + 1, at);
        Ok(())
    }

    /// The time of a row after the start. A date is always absolute.
    fn relative(&mut self, time: i128, is_date: bool, line: u64) -> Result<u64, String> {
        let is_absolute = is_date || self.format.absolute || self.origin.is_some();
        let nanos = if is_absolute { time - *self.origin.get_or_insert(time) } else { time };
        let seconds = self.format.unit == TimeUnit::Seconds;
        let problem = if seconds && !is_date && time.abs() >= MILLISECONDS {
            "expected seconds, and found a number as large as milliseconds; \"time_unit\": \"ms\" reads them"
        } else if !is_absolute && time >= ABSOLUTE {
            "expected seconds since the start, and found a time as large as one since 1970; with \"times\": \"absolute\" \
             the first row is the start"
        } else if nanos < i128::from(self.length) {
            "expected seconds that never go back"
        } else {
            match u64::try_from(nanos) {
                Ok(nanos) => return Ok(nanos),
                Err(_) => "expected a time within 584 years",
            }
        };
        let column = self.columns.time.map_or(0, |column| column + 1);
        Err(format!("{}: {problem}", self.place(line, column)))
    }
}

impl Columns {
    /// Position of a column, which is added if it is new.
    fn position(&mut self, name: &str) -> usize {
        self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        })
    }
}

/// Reader of rows.
pub(super) struct Reader<'t> {
    table: &'t Table,
    cells: Vec<String>,
}

impl<'t> Reader<'t> {
    pub(super) fn of(table: &'t Table) -> Self {
        Self { table, cells: Vec::new() }
    }

    /// The row in the line at a position; `None` if the line is empty.
    pub(super) fn row(&mut self, text: &str, position: u64) -> Result<Option<Row>, String> {
        let Some((time, _)) = self.parse(text, 0)? else { return Ok(None) };
        Ok(Some(Row { position, at: self.after_origin(time), cells: std::mem::take(&mut self.cells) }))
    }

    /// The time of the row in a line; `None` if the line is empty.
    pub(super) fn time(&mut self, text: &str) -> Result<Option<u64>, String> {
        let parsed = self.parse(text, 0)?;
        Ok(parsed.map(|(time, _)| self.after_origin(time)))
    }

    fn after_origin(&self, time: Option<i128>) -> u64 {
        let nanos = time.unwrap_or(0) - self.table.origin.unwrap_or(0);
        u64::try_from(nanos).unwrap_or(0)
    }

    /// Reads the cells, and returns the time and whether it is a date.
    fn parse(&mut self, text: &str, line: u64) -> Result<Option<(Option<i128>, bool)>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        match self.table.format.is_ndjson {
            true => self.parse_json(text, line).map(Some),
            false => self.parse_csv(text, line).map(Some),
        }
    }

    fn parse_json(&mut self, text: &str, line: u64) -> Result<(Option<i128>, bool), String> {
        let Columns { names, time, value } = &self.table.columns;
        let place = |column: &str| format!("{}, field `{column}`", self.table.place(line, 0));
        let row =
            json_row(text).ok_or_else(|| format!("{}: expected a JSON object", self.table.place(line, 0)))?;
        let time = match time {
            None => (None, false),
            Some(at) => {
                let name = &names[*at];
                let found = row.get(name);
                let text = match found {
                    Some(Value::Number(text) | Value::Text(text)) => text.as_str(),
                    _ => "",
                };
                let time = self.time_of(text).ok_or_else(|| {
                    let found = found.map_or("nothing".into(), Value::plain);
                    format!("{}: expected seconds or a date, found {found}", place(name))
                })?;
                (Some(time.0), time.1)
            }
        };
        let json = |value: Option<&Value>| value.map_or("null".into(), Value::json);
        self.cells = match value {
            Some(at) => {
                let found = row.get(&names[*at]);
                match found {
                    None | Some(Value::Null | Value::Number(_)) => {}
                    Some(Value::Text(text)) if is_gap(text) => {}
                    Some(found) => {
                        return Err(format!(
                            "{}: expected a number, found {}",
                            place(&names[*at]),
                            found.json()
                        ));
                    }
                }
                vec![match found {
                    Some(Value::Number(text)) => text.clone(),
                    _ => "null".into(),
                }]
            }
            None => names.iter().map(|name| json(row.get(name))).collect(),
        };
        Ok(time)
    }

    fn parse_csv(&mut self, text: &str, line: u64) -> Result<(Option<i128>, bool), String> {
        let Columns { names, time, value } = &self.table.columns;
        let cells = self.cells(text, line)?;
        let texts = || -> Vec<String> { cells.iter().map(|cell| cell.text.clone()).collect() };
        let hint = || hint(&self.table.format, &texts());
        if cells.len() != names.len() {
            let place = self.table.place(line, cells.len().min(names.len()));
            return Err(format!(
                "{place}: expected {} columns, found {}{}",
                names.len(),
                cells.len(),
                hint()
            ));
        }
        let time = match time {
            None => (None, false),
            Some(at) => {
                let found = &cells[*at].text;
                let (time, is_date) = self.time_of(found).ok_or_else(|| {
                    let header = if self.table.rows == 0 { HEADER_HINT } else { "" };
                    let place = self.table.place(line, at + 1);
                    format!("{place}: expected seconds or a date, found `{found}`{}{header}", hint())
                })?;
                (Some(time), is_date)
            }
        };
        self.cells = match value {
            Some(at) => {
                let found = &cells[*at].text;
                let number = self.number(found);
                if number.is_none() && !is_gap(found) {
                    let place = self.table.place(line, at + 1);
                    return Err(format!("{place}: expected a number, found `{found}`{}", hint()));
                }
                vec![number.unwrap_or_else(|| "null".into())]
            }
            None => cells.iter().map(|cell| self.json_cell(cell)).collect(),
        };
        Ok(time)
    }

    /// A time in nanoseconds, and whether it is a date.
    fn time_of(&self, text: &str) -> Option<(i128, bool)> {
        match self.number(text) {
            Some(number) => Some((scaled(&number, self.table.format.unit.places())?, false)),
            None => Some((parse_iso8601(text)?, true)),
        }
    }

    /// A number as JSON text. Leading zeros, a plus and a point at the end are allowed.
    fn number(&self, text: &str) -> Option<String> {
        let text = text.strip_prefix('+').unwrap_or(text);
        let text = match self.table.format.decimal_comma {
            // A point would be a separator of thousands.
            true if text.contains('.') => return None,
            true => text.replace(',', "."),
            false => text.to_owned(),
        };
        if is_number(&text) {
            return Some(text);
        }
        let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
        let digits = digits.strip_suffix('.').unwrap_or(digits);
        let short = digits.trim_start_matches('0');
        let zero = if short.starts_with(|c: char| c.is_ascii_digit()) || !digits.starts_with('0') {
            ""
        } else {
            "0"
        };
        Some(format!("{sign}{zero}{short}")).filter(|number| is_number(number))
    }

    /// JSON of a cell. A cell in quotes is a text. Of the others, an empty one is `null`, a number and a truth value keep
    /// their type, and everything else is a text.
    fn json_cell(&self, cell: &Cell) -> String {
        let text = &cell.text;
        if !cell.is_quoted {
            let swapped = if self.table.format.decimal_comma { self.number(text) } else { None };
            match text.as_str() {
                "" => return "null".into(),
                "true" | "false" => return text.clone(),
                _ if is_number(text) => return text.clone(),
                _ => {}
            }
            if let Some(number) = swapped {
                return number;
            }
        }
        Value::Text(text.clone()).json()
    }

    /// The cells of a line. A cell in quotes may contain separators, and quotes that are doubled.
    fn cells(&self, line: &str, number: u64) -> Result<Vec<Cell>, String> {
        let (mut cells, mut cell) = (Vec::new(), Vec::new());
        let (mut is_open, mut is_quoted) = (false, false);
        let mut rest = line.as_bytes();
        loop {
            let place = self.table.place(number, cells.len() + 1);
            let next = rest.first().copied();
            rest = rest.get(1..).unwrap_or_default();
            match next {
                None if is_open => return Err(format!("{place}: expected a closing quote")),
                Some(b'"') if is_open && rest.first() == Some(&b'"') => {
                    cell.push(b'"');
                    rest = rest.get(1..).unwrap_or_default();
                }
                Some(b'"') if is_open => (is_open, is_quoted) = (false, true),
                Some(byte) if is_open => cell.push(byte),
                Some(b'"') if !is_quoted && cell.is_empty() => is_open = true,
                Some(b' ') if is_quoted || cell.is_empty() => {}
                Some(byte) if byte != self.table.format.separator => {
                    if is_quoted {
                        return Err(format!("{place}: expected a separator after the closing quote"));
                    }
                    cell.push(byte);
                }
                // A separator, or the end.
                _ => {
                    let text = String::from_utf8(std::mem::take(&mut cell)).unwrap_or_default();
                    let text = if is_quoted { text } else { text.trim_ascii_end().into() };
                    cells.push(Cell { text, is_quoted: std::mem::take(&mut is_quoted) });
                    if next.is_none() {
                        return Ok(cells);
                    }
                }
            }
        }
    }
}

fn json_row(text: &str) -> Option<Value> {
    parse(text).filter(|row| matches!(row, Value::Object(_)))
}

fn is_gap(text: &str) -> bool {
    ["", "nan", "na", "null"].iter().any(|gap| text.eq_ignore_ascii_case(gap))
}

/// Whether a line is a header: one of its cells is a usual name of a time, and none is a number.
fn is_header(cells: &[String]) -> bool {
    cells.iter().any(|cell| is_time_name(cell)) && cells.iter().all(|cell| !is_number(cell))
}

fn is_time_name(cell: &str) -> bool {
    TIME_NAMES.iter().any(|name| cell.eq_ignore_ascii_case(name))
}

/// End of an error about a row: the field of the configuration that may be wrong, to judge by characters in the cells.
fn hint(format: &Format, cells: &[String]) -> &'static str {
    let any = |wanted: u8| cells.iter().any(|cell| cell.bytes().any(|byte| byte == wanted));
    match format.separator {
        _ if format.is_list => "",
        b',' if any(b';') => "; a file with semicolons needs \"separator\": \";\"",
        b',' if any(b'\t') => "; a file with tabs needs \"separator\": \"tab\"",
        _ if !format.decimal_comma && any(b',') => "; numbers with a comma need \"decimal\": \",\"",
        _ => "",
    }
}
