//! CSV files [RFC 4180]: a header line with the names of the columns, then one row a line.

use std::io;
use std::path::Path;

use csv::{ErrorKind, ReaderBuilder, StringRecord, WriterBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Malformed, ReadError, missing_field};
use crate::files::{read_text, write_atomically};

/// The type of a row of a CSV file. Its fields are the columns, in their order. A column that older files may lack has
/// an `Option` as its type.
pub trait Row: Serialize + DeserializeOwned + Default {
    /// Name of the file.
    const FILE: &'static str;
}

/// The header line, with its line break.
pub fn header<R: Row>() -> io::Result<String> {
    let mut text = to_text([R::default()], true)?;
    text.truncate(text.find('\n').map_or(text.len(), |end| end + 1));
    Ok(text)
}

/// Rows without a header, for a table that grows.
pub fn rows<R: Row>(rows: impl IntoIterator<Item = R>) -> io::Result<String> {
    to_text(rows, false)
}

/// A whole table.
pub fn table<R: Row>(all: impl IntoIterator<Item = R>) -> io::Result<String> {
    Ok(header::<R>()? + &rows(all)?)
}

/// Writes the table of this type into a folder.
pub fn write_table<R: Row>(folder: &Path, rows: impl IntoIterator<Item = R>) -> io::Result<()> {
    write_atomically(&folder.join(R::FILE), table(rows)?.as_bytes())
}

fn to_text<R: Row>(rows: impl IntoIterator<Item = R>, has_header: bool) -> io::Result<String> {
    let mut writer = WriterBuilder::new().has_headers(has_header).from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    let bytes = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// Reads the table of this type in a folder.
///
/// # Errors
/// The file is missing or malformed; the error names it, with line and column.
pub fn read_table<R: Row>(folder: &Path) -> Result<Vec<R>, ReadError> {
    let file = folder.join(R::FILE);
    parse_table(&read_text(&file)?).map_err(|malformed| malformed.in_file(&file))
}

/// Reads the table of this type, which some runs lack; without it the result is empty.
///
/// # Errors
/// The file is malformed.
pub fn read_table_if_exists<R: Row>(folder: &Path) -> Result<Vec<R>, ReadError> {
    if folder.join(R::FILE).exists() { read_table(folder) } else { Ok(Vec::new()) }
}

/// Reads a table.
///
/// # Errors
/// A column is missing, or a row does not fit the header or the type.
pub fn parse_table<R: Row>(text: &str) -> Result<Vec<R>, Malformed> {
    let mut reader = ReaderBuilder::new().from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| malformed(&error, None))?.clone();
    if header.is_empty() {
        return Err(Malformed::new(Some((1, 1)), "", "the file is empty; it needs a header"));
    }
    let records: Result<Vec<StringRecord>, _> = reader.records().collect();
    let records = records.map_err(|error| malformed(&error, None))?;
    if let Some(missing) = missing_column::<R>(&header) {
        return Err(Malformed::new(Some((1, 1)), &missing, "the column is missing"));
    }
    let row = |record: StringRecord| {
        record.deserialize(Some(&header)).map_err(|error| malformed(&error, Some((&header, &record))))
    };
    records.into_iter().map(row).collect()
}

/// The first required column that a header lacks. A row with a zero in every cell fits every type of column.
fn missing_column<R: Row>(header: &StringRecord) -> Option<String> {
    let zeros: StringRecord = header.iter().map(|_| "0").collect();
    match zeros.deserialize::<R>(Some(header)).err()?.into_kind() {
        ErrorKind::Deserialize { err, .. } => missing_field(&err.kind().to_string()).map(str::to_owned),
        _ => None,
    }
}

fn malformed(error: &csv::Error, row: Option<(&StringRecord, &StringRecord)>) -> Malformed {
    let line = |position: &Option<csv::Position>| {
        let line = position.as_ref().map(|position| position.line());
        Some((line.and_then(|line| usize::try_from(line).ok()).unwrap_or(1), 1))
    };
    match error.kind() {
        ErrorKind::UnequalLengths { pos, expected_len, len } => {
            Malformed::new(line(pos), "", format!("{len} values, but the header has {expected_len}"))
        }
        ErrorKind::Deserialize { pos, err } => {
            let at = err.field().and_then(|at| usize::try_from(at).ok());
            let cell = row.zip(at).and_then(|((header, row), at)| Some((header.get(at)?, row.get(at)?)));
            match cell {
                Some((column, text)) => {
                    Malformed::new(line(pos), column, format!("`{text}` is not a number"))
                }
                None => Malformed::new(line(pos), "", err.kind().to_string()),
            }
        }
        _ => Malformed::new(None, "", error.to_string()),
    }
}

/// A number in a cell: the shortest text that reads back the same, without an exponent.
pub(crate) mod number {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let value = f64::deserialize(deserializer)?;
        if value.is_nan() { Err(D::Error::custom("NaN is not a number")) } else { Ok(value) }
    }
}

/// A number, or an empty cell.
pub(crate) mod optional_number {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        let value = Option::<f64>::deserialize(deserializer)?;
        if value.is_some_and(f64::is_nan) { Err(D::Error::custom("NaN is not a number")) } else { Ok(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LatencyRow, OutageRow, TimelineRow, TimeseriesRow};

    #[test]
    fn commas_and_quotes_are_quoted() {
        let row =
            TimelineRow { what: "x,\"y\"".into(), detail: "plain; words".into(), ..TimelineRow::default() };
        let text = table([row.clone()]).unwrap();
        assert_eq!(
            text,
            "time_s,source,what,detail,due_s,requests,failed,statuses\n0,,\"x,\"\"y\"\"\",plain; words,,,,\n"
        );
        assert_eq!(parse_table::<TimelineRow>(&text).unwrap(), [row]);
    }

    #[test]
    fn numbers_have_no_exponent_and_no_needless_digits() {
        let row =
            |upper_bound_s| LatencyRow { group: "*".into(), upper_bound_s, count: 2, intended_count: None };
        let text = table([row(1.0), row(1e-7), row(0.1 + 0.2), row(f64::INFINITY)]).unwrap();
        assert_eq!(
            text,
            "group,upper_bound_s,count,intended_count\n*,1,2,\n*,0.0000001,2,\n*,0.30000000000000004,2,\n*,inf,2,\n"
        );
        assert_eq!(parse_table::<LatencyRow>(&text).unwrap()[3], row(f64::INFINITY));
        assert_eq!(parse_table::<LatencyRow>("group,upper_bound_s,count\n*,+Inf,3\n").unwrap()[0].count, 3);
    }

    #[test]
    fn an_empty_table_has_a_header_and_an_empty_cell_reads_as_none() {
        assert_eq!(table::<OutageRow>([]).unwrap(), "device,group,fault,kind,from_s,to_s\n");
        let row = TimeseriesRow { time_s: 2.5, group: ALL.into(), devices: 3, ..TimeseriesRow::default() };
        assert_eq!(rows([row.clone()]).unwrap(), "2.5,*,3,0,0,0,0,,,0,,,,,,,,0,,,\n");
        assert_eq!(parse_table::<TimeseriesRow>(&table([row.clone()]).unwrap()).unwrap(), [row]);
    }

    #[test]
    fn columns_are_found_by_name_and_later_ones_may_be_missing() {
        let rows = parse_table::<TimelineRow>("what,time_s,source\ncrash,5,plan\n").unwrap();
        assert_eq!((rows[0].time_s, rows[0].what.as_str(), rows[0].requests), (5.0, "crash", None));
    }

    #[test]
    fn errors_name_line_and_column() {
        let message = |text: &str| format!("f{}", parse_table::<LatencyRow>(text).unwrap_err());
        let header = "group,upper_bound_s,count\n";
        assert_eq!(
            message(&format!("{header}*,1,1\n*,many,2\n")),
            "f:3:1: upper_bound_s: `many` is not a number"
        );
        assert_eq!(message(&format!("{header}*,1\n")), "f:2:1: 2 values, but the header has 3");
        assert_eq!(message("group,count\n"), "f:1:1: upper_bound_s: the column is missing");
        assert_eq!(message(""), "f:1:1: the file is empty; it needs a header");
        assert_eq!(message(&format!("{header}*,NaN,2\n")), "f:2:1: NaN is not a number");
    }

    use crate::ALL;
}
