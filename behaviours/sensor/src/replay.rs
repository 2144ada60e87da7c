//! Replay of recorded values: rows of a time and a value, from CSV or a list of pairs.
//!
//! Nothing is guessed: a row that cannot be read is an error with its line and column. A wrong value from the first second
//! on would not be noticed.

use std::fmt;
use wasmote_sdk::config::field_error;
use wasmote_sdk::json::Value;
use wasmote_sdk::{Config, number, timestamp};

/// Maximum number of rows: they are in the memory of the device.
const MAX_ROWS: usize = 20_000;
/// Larger times are no seconds since the start. They are more than three years.
const ABSOLUTE: f64 = 1e8;
/// Larger times are no seconds since 1970, but milliseconds.
const MILLISECONDS: f64 = 1e11;

/// Names of the time column by which a header is recognized.
const TIME_NAMES: [&str; 8] = ["seconds", "second", "sec", "s", "time", "time_s", "t", "timestamp"];

/// Fields of a channel that replays values.
pub const FIELDS: [&str; 10] =
    ["csv", "column", "time_column", "header", "times", "separator", "decimal", "between", "loop", "max_gap"];

/// Recorded values over time.
#[derive(Debug)]
pub struct Replay {
    /// Seconds and values; the value of a gap is not a number.
    rows: Vec<(f64, f64)>,
    linear: bool,
    repeat: bool,
    /// Longest time between two rows over which a value lasts.
    max_gap: f64,
}

impl Replay {
    /// Reads the rows of the channel at this path of the configuration.
    pub fn read(config: &Config, at: &str, csv: Option<&Value>) -> Result<Replay, String> {
        let field = |name: &str| [at, "/", name].concat();
        let max_gap = config.optional_duration(&field("max_gap"))?;
        let absolute = config.choice(&field("times"), &["relative", "absolute"])? == "absolute";
        let mut rows = Rows { at: field("csv"), rows: Vec::new(), absolute, first: None };
        match csv {
            Some(Value::Text(text)) => Table::read(config, at)?.read_lines(text, &mut rows)?,
            Some(Value::List(listed)) => rows.read_list(listed)?,
            _ => {
                let problem = "expected lines of seconds,value or a list of [seconds, value]";
                return Err(field_error(&field("csv"), problem));
            }
        }
        if rows.rows.is_empty() {
            return Err(field_error(&field("csv"), "expected at least one row"));
        }
        Ok(Replay {
            rows: rows.rows,
            linear: config.choice(&field("between"), &["linear", "step"])? == "linear",
            repeat: config.boolean(&field("loop"), true)?,
            max_gap: max_gap.map_or(f64::INFINITY, |max_gap| max_gap.as_secs_f64()),
        })
    }

    /// The value at a time since the start; not a number in a gap.
    pub fn value(&self, seconds: f64) -> f64 {
        let rows = &self.rows;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return 0.0 };
        let seconds = if self.repeat && last.0 > 0.0 { seconds % last.0 } else { seconds };
        // The first row after this time.
        let next = rows.partition_point(|(time, _)| *time <= seconds);
        let before = if next == 0 { first } else { rows.get(next - 1).unwrap_or(last) };
        match rows.get(next) {
            Some(after) if next > 0 && after.0 - before.0 > self.max_gap && seconds > before.0 => f64::NAN,
            Some(after) if self.linear && next > 0 && after.0 > before.0 && !after.1.is_nan() => {
                before.1 + (after.1 - before.1) * (seconds - before.0) / (after.0 - before.0)
            }
            _ => before.1,
        }
    }
}

/// Rows that are read so far.
struct Rows {
    /// Path of the field, for errors.
    at: String,
    rows: Vec<(f64, f64)>,
    /// Whether times are since 1970 or another beginning.
    absolute: bool,
    /// The first time, if times are absolute.
    first: Option<f64>,
}

/// Place of a cell: its line and column in a text, or its row in a list. Both are counted from 1.
#[derive(Clone, Copy)]
enum Place {
    Cell(usize, usize),
    Row(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Cell(line, column) => write!(f, "line {line}, column {column}"),
            Place::Row(row) => write!(f, "row {row}"),
        }
    }
}

impl Rows {
    #[inline(never)]
    fn refuse(&self, place: Place, reason: fmt::Arguments<'_>) -> String {
        field_error(&self.at, format_args!("{place}: {reason}"))
    }

    fn read_list(&mut self, listed: &[Value]) -> Result<(), String> {
        for (index, row) in listed.iter().enumerate() {
            let place = Place::Row(index + 1);
            let pair = match row.list() {
                Some([time, value]) => {
                    time.timestamp().zip(cell(value)).map(|(at, it)| (at, time.text().is_some(), it))
                }
                _ => None,
            };
            let Some((time, is_date, value)) = pair else {
                return Err(self.refuse(place, format_args!("expected seconds and a value")));
            };
            self.push(place, time, is_date, value)?;
        }
        Ok(())
    }

    /// Adds a row. A date is always absolute.
    fn push(&mut self, place: Place, time: f64, is_date: bool, value: f64) -> Result<(), String> {
        let is_absolute = is_date || self.absolute || self.first.is_some();
        let last = self.rows.last().map_or(0.0, |(last, _)| *last);
        let seconds = if is_absolute { time - *self.first.get_or_insert(time) } else { time };
        let problem = if !is_date && time.abs() >= MILLISECONDS {
            "expected seconds, and found a number as large as milliseconds"
        } else if !is_absolute && time >= ABSOLUTE {
            "expected seconds since the start, and found a time as large as one since 1970; with \"times\": \"absolute\" \
             the first row is the start"
        } else if seconds < last {
            "expected seconds that never go back"
        } else if self.rows.len() == MAX_ROWS {
            "expected 20000 rows at most"
        } else {
            self.rows.push((seconds, value));
            return Ok(());
        };
        Err(self.refuse(place, format_args!("{problem}")))
    }
}

/// A value of a list. `null` is a gap.
fn cell(value: &Value) -> Option<f64> {
    match value {
        Value::Null => Some(f64::NAN),
        value => value.number(),
    }
}

/// Format of a table as text.
struct Table {
    separator: u8,
    decimal_comma: bool,
    /// Whether there is a header; `None` if its time column says so.
    header: Option<bool>,
    time: Column,
    /// The column of values; the second one of two if it is not given.
    value: Option<Column>,
}

/// A column by name or by number, from 1.
enum Column {
    Name(String),
    Number(usize),
}

/// What makes a line a header.
const HEADER_HINT: &str =
    "; a header names its time column `seconds`, `time` or `timestamp`, or is announced by \"header\": true";

/// Positions of the columns, from 0.
struct Columns {
    time: usize,
    value: usize,
    all: usize,
}

impl Table {
    fn read(config: &Config, at: &str) -> Result<Table, String> {
        let field = |name: &str| [at, "/", name].concat();
        let separator = match config.choice(&field("separator"), &[",", ";", "tab"])? {
            ";" => b';',
            "tab" => b'\t',
            _ => b',',
        };
        let decimal_comma = config.choice(&field("decimal"), &[".", ","])? == ",";
        if decimal_comma && separator == b',' {
            let problem = "expected \".\", because the separator is \",\"; set \"separator\": \";\"";
            return Err(field_error(&field("decimal"), problem));
        }
        let path = field("header");
        let header = if config.contains(&path) { Some(config.boolean(&path, true)?) } else { None };
        let time = column(config, &field("time_column"))?.unwrap_or(Column::Number(1));
        Ok(Table { separator, decimal_comma, header, time, value: column(config, &field("column"))? })
    }

    fn read_lines(&self, text: &str, rows: &mut Rows) -> Result<(), String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut columns: Option<Columns> = None;
        for (index, content) in text.lines().enumerate() {
            let (line, content) = (index + 1, content.trim_ascii());
            if content.is_empty() {
                continue;
            }
            if let Some(found) = &columns
                && let Some((seconds, value)) = self.plain_row(content, found)
            {
                rows.push(Place::Cell(line, found.time + 1), seconds, false, value)?;
                continue;
            }
            let cells = self.cells(content, line, rows)?;
            let (found, is_row) = match columns.take() {
                Some(found) => (found, true),
                None => {
                    let is_header = self.header.unwrap_or_else(|| is_header(&cells));
                    (self.columns(&cells, is_header, line, rows)?, !is_header)
                }
            };
            if is_row {
                self.read_row(line, &cells, &found, rows)?;
            }
            columns = Some(found);
        }
        Ok(())
    }

    /// Time and value of a row of plain numbers. Most rows are, and large tables must fit the fuel of one call.
    fn plain_row(&self, line: &str, columns: &Columns) -> Option<(f64, f64)> {
        let (mut column, mut start, mut time, mut value) = (0, 0, None, None);
        let separators = line.bytes().chain([self.separator]).enumerate();
        for (end, byte) in separators {
            if byte == b'"' {
                return None;
            }
            if byte == self.separator {
                if column == columns.time {
                    time = number::parse(line.get(start..end)?);
                }
                if column == columns.value {
                    value = number::parse(line.get(start..end)?);
                }
                column += 1;
                start = end + 1;
            }
        }
        time.zip(value).filter(|_| column == columns.all && !self.decimal_comma)
    }

    fn read_row(
        &self,
        line: usize,
        cells: &[String],
        columns: &Columns,
        rows: &mut Rows,
    ) -> Result<(), String> {
        let hint = || self.hint(cells);
        let (Some(time), Some(value), true) =
            (cells.get(columns.time), cells.get(columns.value), cells.len() == columns.all)
        else {
            let place = Place::Cell(line, cells.len().min(columns.all));
            let (expected, found) = (columns.all, cells.len());
            return Err(
                rows.refuse(place, format_args!("expected {expected} columns, found {found}{}", hint()))
            );
        };
        let place = Place::Cell(line, columns.time + 1);
        let seconds = self.number(time);
        let date = seconds.or_else(|| timestamp::parse(time).filter(|_| time.contains('-')));
        let Some(at) = date else {
            let header = if rows.rows.is_empty() { HEADER_HINT } else { "" };
            let problem = format_args!("expected seconds or a date, found `{time}`{}{header}", hint());
            return Err(rows.refuse(place, problem));
        };
        let is_gap = ["", "nan", "na", "null"].iter().any(|gap| value.eq_ignore_ascii_case(gap));
        let value = match self.number(value) {
            _ if is_gap => f64::NAN,
            Some(value) => value,
            None => {
                let place = Place::Cell(line, columns.value + 1);
                return Err(rows.refuse(place, format_args!("expected a number, found `{value}`{}", hint())));
            }
        };
        rows.push(place, at, seconds.is_none(), value)
    }

    fn number(&self, text: &str) -> Option<f64> {
        let text = text.strip_prefix('+').unwrap_or(text);
        if !self.decimal_comma {
            return number::parse(text);
        }
        // A point would be a separator of thousands.
        let swapped = text.bytes().map(|byte| {
            if byte == b',' {
                b'.'
            } else if byte == b'.' {
                b' '
            } else {
                byte
            }
        });
        number::parse(&String::from_utf8(swapped.collect()).ok()?)
    }

    /// What another format of the file suggests.
    fn hint(&self, cells: &[String]) -> &'static str {
        let any = |wanted: u8| cells.iter().any(|cell| cell.bytes().any(|byte| byte == wanted));
        match self.separator {
            b',' if any(b';') => "; a file with semicolons needs \"separator\": \";\"",
            b',' if any(b'\t') => "; a file with tabs needs \"separator\": \"tab\"",
            _ if !self.decimal_comma && any(b',') => "; numbers with a comma need \"decimal\": \",\"",
            _ => "",
        }
    }

    /// The columns of time and value, from the header or the first row.
    fn columns(
        &self,
        cells: &[String],
        is_header: bool,
        line: usize,
        rows: &Rows,
    ) -> Result<Columns, String> {
        let (place, hint, all) = (Place::Cell(line, 1), self.hint(cells), cells.len());
        let find = |column: &Column| match column {
            Column::Number(number) if *number <= all => Ok(number - 1),
            Column::Number(number) => {
                Err(rows.refuse(place, format_args!("there is no column {number}, but {all}{hint}")))
            }
            Column::Name(name) if is_header => cells.iter().position(|cell| cell == name).ok_or_else(|| {
                rows.refuse(
                    place,
                    format_args!("there is no column `{name}`; there are {}", cells.join(", ")),
                )
            }),
            Column::Name(name) => {
                Err(rows
                    .refuse(place, format_args!("there is no header for the column `{name}`{HEADER_HINT}")))
            }
        };
        let time = find(&self.time)?;
        let value = match &self.value {
            Some(column) => find(column)?,
            None if all == 2 => 1 - time,
            None if all < 2 => {
                return Err(rows.refuse(place, format_args!("expected seconds and a value{hint}")));
            }
            None => {
                let problem =
                    format_args!("there are {all} columns; name the one with the values by `column`");
                return Err(rows.refuse(place, problem));
            }
        };
        Ok(Columns { time, value, all })
    }

    /// The cells of a line. A cell in quotes may contain separators, and quotes that are doubled.
    fn cells(&self, line: &str, number: usize, rows: &Rows) -> Result<Vec<String>, String> {
        let (mut cells, mut cell) = (Vec::new(), Vec::new());
        let (mut quoted, mut closed) = (false, false);
        let mut rest = line.as_bytes();
        loop {
            let place = Place::Cell(number, cells.len() + 1);
            let next = rest.first().copied();
            rest = rest.get(1..).unwrap_or_default();
            match next {
                None if quoted => return Err(rows.refuse(place, format_args!("expected a closing quote"))),
                Some(b'"') if quoted && rest.first() == Some(&b'"') => {
                    cell.push(b'"');
                    rest = rest.get(1..).unwrap_or_default();
                }
                Some(b'"') if quoted => (quoted, closed) = (false, true),
                Some(byte) if quoted => cell.push(byte),
                Some(b'"') if !closed && cell.is_empty() => quoted = true,
                Some(b' ') if closed || cell.is_empty() => {}
                Some(byte) if byte != self.separator => {
                    if closed {
                        let problem = format_args!("expected a separator after the closing quote");
                        return Err(rows.refuse(place, problem));
                    }
                    cell.push(byte);
                }
                // A separator, or the end.
                _ => {
                    let text = String::from_utf8(std::mem::take(&mut cell)).unwrap_or_default();
                    cells.push(if closed { text } else { text.trim_ascii_end().into() });
                    closed = false;
                    if next.is_none() {
                        return Ok(cells);
                    }
                }
            }
        }
    }
}

/// A line that says that it is a header: one of its cells is a usual name of a time, and none is a number.
fn is_header(cells: &[String]) -> bool {
    let names_time = |cell: &String| TIME_NAMES.iter().any(|name| cell.eq_ignore_ascii_case(name));
    cells.iter().any(names_time) && cells.iter().all(|cell| number::parse(cell).is_none())
}

/// A column by name or number, if it is given.
fn column(config: &Config, path: &str) -> Result<Option<Column>, String> {
    // A number is not a text.
    if let Ok(name) = config.text(path) {
        return Ok(name.map(Column::Name));
    }
    let number = config.integer(path, 1, 1..=1_000)?;
    Ok(Some(Column::Number(number as usize)))
}

#[cfg(test)]
mod tests {
    use super::Replay;

    fn replay(rows: &[(f64, f64)], linear: bool, repeat: bool, max_gap: f64) -> Replay {
        Replay { rows: rows.to_vec(), linear, repeat, max_gap }
    }

    #[test]
    fn a_replay_interpolates_steps_and_repeats() {
        let rows = [(0.0, 10.0), (10.0, 20.0), (20.0, 0.0)];
        let value = |linear, repeat, seconds| replay(&rows, linear, repeat, f64::INFINITY).value(seconds);
        assert_eq!(value(true, true, 5.0), 15.0);
        assert_eq!(value(false, true, 19.0), 20.0);
        assert_eq!(value(true, true, 25.0), 15.0);
        assert_eq!(value(true, false, 1_000.0), 0.0);
        assert_eq!(replay(&[(5.0, 3.0)], true, false, f64::INFINITY).value(0.0), 3.0);
    }

    #[test]
    fn nothing_is_invented_in_a_gap() {
        let rows = [(0.0, 10.0), (10.0, f64::NAN), (20.0, 0.0), (100.0, 8.0)];
        let replay = replay(&rows, true, false, 30.0);
        assert_eq!(replay.value(5.0), 10.0, "there is no value to interpolate to");
        assert!(replay.value(10.0).is_nan() && replay.value(19.0).is_nan());
        assert_eq!(replay.value(20.0), 0.0);
        assert!(replay.value(60.0).is_nan(), "the next row is more than 30 s later");
        assert_eq!(replay.value(100.0), 8.0);
    }
}
