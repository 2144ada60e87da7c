//! How the text of a table is read, from the fields next to it in the configuration.

use serde_json::{Map, Value};

/// What a behaviour reads from a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// The numbers of one column over time.
    Values,
    /// All cells of its rows.
    Records,
}

/// A column by name or by number, from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// Name in the header, or in the objects of NDJSON.
    Name(String),
    /// Position from 1.
    Number(usize),
}

/// Unit of times that are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl TimeUnit {
    /// Decimal places of the unit in nanoseconds.
    pub(super) fn places(self) -> i32 {
        match self {
            Self::Seconds => 9,
            Self::Milliseconds => 6,
            Self::Microseconds => 3,
            Self::Nanoseconds => 0,
        }
    }
}

/// Format of a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Format {
    /// What is read.
    pub purpose: Purpose,
    /// Whether each line is a JSON object, in place of a row of CSV.
    pub is_ndjson: bool,
    /// Separator of cells.
    pub separator: u8,
    /// Whether numbers have a comma in place of a point.
    pub decimal_comma: bool,
    /// Whether the first line is a header. If `None`, it is one if it names a time column.
    pub header: Option<bool>,
    /// The column of times.
    pub time: Option<Column>,
    /// The column of values.
    pub value: Option<Column>,
    /// Whether times count from 1970 or another date, and not from the start of the recording.
    pub absolute: bool,
    /// Unit of times that are numbers.
    pub unit: TimeUnit,
    /// Whether the table is a list in the configuration. Errors then name its rows instead of lines.
    pub is_list: bool,
}

impl Format {
    /// Reads the format from the fields next to a table. The error is the name of the field, and the reason.
    pub fn read(
        siblings: &Map<String, Value>,
        path: Option<&str>,
        purpose: Purpose,
    ) -> Result<Self, (&'static str, String)> {
        let is_ndjson_name = path.is_some_and(|path| {
            let path = path.to_ascii_lowercase();
            [".ndjson", ".jsonl", ".json"].iter().any(|ending| path.ends_with(ending))
        });
        let is_ndjson = match choice(siblings, "format", &["csv", "ndjson"])? {
            None => is_ndjson_name,
            Some(at) => at == 1,
        };
        let separator = [b',', b';', b'\t'][choice(siblings, "separator", &[",", ";", "tab"])?.unwrap_or(0)];
        let decimal_comma = choice(siblings, "decimal", &[".", ","])? == Some(1);
        if decimal_comma && separator == b',' {
            let problem = "expected \".\", because the separator is \",\"; set \"separator\": \";\"";
            return Err(("decimal", problem.into()));
        }
        let header = match siblings.get("header") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(truth)) => Some(*truth),
            Some(found) => return Err(("header", format!("expected true or false, found {found}"))),
        };
        let units =
            [TimeUnit::Seconds, TimeUnit::Milliseconds, TimeUnit::Microseconds, TimeUnit::Nanoseconds];
        Ok(Self {
            purpose,
            is_ndjson,
            separator,
            decimal_comma,
            header,
            time: column(siblings, "time_column")?,
            value: column(siblings, "column")?,
            absolute: choice(siblings, "times", &["relative", "absolute"])? == Some(1),
            unit: units[choice(siblings, "time_unit", &["s", "ms", "us", "ns"])?.unwrap_or(0)],
            is_list: false,
        })
    }
}

fn choice(
    siblings: &Map<String, Value>,
    name: &'static str,
    words: &[&str],
) -> Result<Option<usize>, (&'static str, String)> {
    match siblings.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => match words.iter().position(|word| word == text) {
            Some(at) => Ok(Some(at)),
            None => Err((name, format!("expected one of {}, found \"{text}\"", words.join(", ")))),
        },
        Some(found) => Err((name, format!("expected one of {}, found {found}", words.join(", ")))),
    }
}

/// A column by name or number, if it is given.
fn column(
    siblings: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<Column>, (&'static str, String)> {
    const MAX_NUMBER: u64 = 1_000;
    match siblings.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(Column::Name(text.clone()))),
        Some(found) => match found.as_u64().filter(|number| (1..=MAX_NUMBER).contains(number)) {
            Some(number) => Ok(Some(Column::Number(number as usize))),
            None => Err((
                name,
                format!("expected the name of a column, or its number from 1 to {MAX_NUMBER}, found {found}"),
            )),
        },
    }
}
