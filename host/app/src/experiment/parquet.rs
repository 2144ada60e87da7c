//! `events.parquet`: the events of a run as columns, for runs with millions of them.
//!
//! It is converted from `events.ndjson` after the run: a Parquet file can be read only once its footer is written, so a
//! run that is killed leaves the lines.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use wasmote_results::{EventLine, LineFile, write_atomically_with};

use super::ExperimentError;
use super::results::ResultsWriter;

/// Name of the file, in a run's folder.
const FILE: &str = "events.parquet";
const EVENTS: &str = EventLine::FILE;
/// Events in a row group, which is also the number of events in memory.
const ROW_GROUP_SIZE: usize = 1 << 17;

/// The columns have the names of the lines' fields. A field that a line does not have is null.
const SCHEMA: &str = "message event {
    required int64 step;
    required double t_s;
    required binary kind (STRING);
    optional binary device (STRING);
    optional binary group (STRING);
    optional binary message (STRING);
    optional binary topic (STRING);
    optional binary payload (STRING);
    optional double latency_s;
    optional binary fault (STRING);
    optional binary fault_kind (STRING);
    optional binary reason (STRING);
    optional double ends_after_s;
    optional double again_after_s;
    optional double until_s;
    optional binary version (STRING);
}";

/// Some events, column by column, in the order of the schema.
#[derive(Default)]
struct Columns(Vec<Column>);

/// The values of a column, and a definition level for each event: 1 if it has a value, else 0.
struct Column {
    values: Values,
    definition_levels: Vec<i16>,
}

enum Values {
    Whole(Vec<i64>),
    Number(Vec<f64>),
    Text(Vec<ByteArray>),
}

/// Value of an event in a column.
enum Cell {
    Whole(i64),
    Number(Option<f64>),
    Text(Option<String>),
}

/// Writes the events of all runs as columns beside their lines.
pub fn write_all(results: &ResultsWriter) -> Result<(), ExperimentError> {
    let mut folders = results.manifest.runs.iter().map(|run| results.folder.join(&run.path));
    folders.try_for_each(|folder| {
        let path = folder.join(FILE);
        match folder.join(EVENTS).exists() {
            true => write(&folder, &path).map_err(ExperimentError::writing(&path.display())),
            // The run never started.
            false => Ok(()),
        }
    })
}

/// Writes the events of the run in this folder.
fn write(folder: &Path, path: &Path) -> io::Result<()> {
    let lines = BufReader::new(File::open(folder.join(EVENTS))?).lines();
    write_atomically_with(path, |file| convert(lines, file))
}

fn convert(lines: impl Iterator<Item = io::Result<String>>, file: File) -> io::Result<()> {
    let schema = Arc::new(parse_message_type(SCHEMA).map_err(io_error)?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).map_err(io_error)?;
    let mut columns = Columns::default();
    for (number, line) in (1..).zip(lines) {
        let event = serde_json::from_str(&line?)
            .map_err(|problem| io::Error::other(format!("line {number} of {EVENTS}: {problem}")))?;
        columns.add(event);
        if columns.len() == ROW_GROUP_SIZE {
            std::mem::take(&mut columns).write(&mut writer).map_err(io_error)?;
        }
    }
    columns.write(&mut writer).map_err(io_error)?;
    writer.close().map_err(io_error)?;
    Ok(())
}

fn io_error(problem: ParquetError) -> io::Error {
    io::Error::other(problem)
}

/// The fields of an event in the order of the schema.
fn cells(event: EventLine<'_>) -> [Cell; 16] {
    use Cell::{Number, Whole};
    let text = |value: Option<Cow<'_, str>>| Cell::Text(value.map(Cow::into_owned));
    [
        Whole(i64::try_from(event.step).unwrap_or(i64::MAX)),
        Number(Some(event.t_s)),
        text(Some(event.kind)),
        text(event.device),
        text(event.group),
        text(event.message),
        text(event.topic),
        text(event.payload),
        Number(event.latency_s),
        text(event.fault),
        text(event.fault_kind),
        text(event.reason),
        Number(event.ends_after_s),
        Number(event.again_after_s),
        Number(event.until_s),
        text(event.version),
    ]
}

impl Columns {
    /// Number of events.
    fn len(&self) -> usize {
        self.0.first().map_or(0, |column| column.definition_levels.len())
    }

    fn add(&mut self, event: EventLine<'_>) {
        for (at, cell) in cells(event).into_iter().enumerate() {
            if self.0.len() == at {
                self.0.push(Column::for_cell(&cell));
            }
            self.0[at].add(cell);
        }
    }

    fn write(self, writer: &mut SerializedFileWriter<File>) -> Result<(), ParquetError> {
        if self.len() == 0 {
            return Ok(());
        }
        let mut group = writer.next_row_group()?;
        for column in self.0 {
            let Some(mut column_writer) = group.next_column()? else { break };
            column.write(column_writer.untyped())?;
            column_writer.close()?;
        }
        group.close()?;
        Ok(())
    }
}

impl Column {
    fn for_cell(cell: &Cell) -> Self {
        let values = match cell {
            Cell::Whole(_) => Values::Whole(Vec::new()),
            Cell::Number(_) => Values::Number(Vec::new()),
            Cell::Text(_) => Values::Text(Vec::new()),
        };
        Self { values, definition_levels: Vec::new() }
    }

    fn add(&mut self, cell: Cell) {
        let is_present = match (&mut self.values, cell) {
            (Values::Whole(values), Cell::Whole(value)) => {
                values.push(value);
                true
            }
            (Values::Number(values), Cell::Number(Some(value))) => {
                values.push(value);
                true
            }
            (Values::Text(values), Cell::Text(Some(value))) => {
                values.push(value.into_bytes().into());
                true
            }
            _ => false,
        };
        self.definition_levels.push(is_present.into());
    }

    fn write(&self, writer: &mut ColumnWriter<'_>) -> Result<(), ParquetError> {
        let definition_levels = Some(&self.definition_levels[..]);
        match (writer, &self.values) {
            (ColumnWriter::Int64ColumnWriter(it), Values::Whole(values)) => {
                it.write_batch(values, definition_levels, None)?
            }
            (ColumnWriter::DoubleColumnWriter(it), Values::Number(values)) => {
                it.write_batch(values, definition_levels, None)?
            }
            (ColumnWriter::ByteArrayColumnWriter(it), Values::Text(values)) => {
                it.write_batch(values, definition_levels, None)?
            }
            _ => {
                return Err(ParquetError::General("a column is of another type than the schema says".into()));
            }
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    use super::*;

    fn written(lines: &[&str]) -> io::Result<SerializedFileReader<File>> {
        let file = tempfile::tempfile()?;
        convert(lines.iter().map(|line| Ok((*line).to_owned())), file.try_clone()?)?;
        Ok(SerializedFileReader::new(file).unwrap())
    }

    #[test]
    fn an_event_is_a_row_and_missing_fields_are_null() {
        let lines = [
            r#"{"step":1,"t_s":0.5,"device":"d-1","group":"d","kind":"sent","message":"sent","topic":"t","payload":"ä"}"#,
            r#"{"step":3,"t_s":1.25,"kind":"broker_fault_began","fault":"f","fault_kind":"restart","until_s":2.0}"#,
        ];
        let reader = written(&lines).unwrap();
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].get_long(0).unwrap(), rows[0].get_double(1).unwrap()), (1, 0.5));
        assert_eq!(rows[0].get_string(7).unwrap(), "ä");
        assert_eq!(rows[1].get_string(2).unwrap(), "broker_fault_began");
        assert_eq!(rows[1].get_double(14).unwrap(), 2.0);
        assert!(rows[1].get_string(3).is_err(), "it is no device's");
    }

    #[test]
    fn many_events_are_in_several_groups() {
        let lines: Vec<_> =
            (0..ROW_GROUP_SIZE + 1).map(|n| format!(r#"{{"step":{n},"t_s":0.0,"kind":"log"}}"#)).collect();
        let reader = written(&lines.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        assert_eq!(reader.metadata().num_row_groups(), 2);
        assert_eq!(reader.metadata().file_metadata().num_rows(), ROW_GROUP_SIZE as i64 + 1);
    }

    #[test]
    fn a_run_without_events_has_a_file_without_rows() {
        assert_eq!(written(&[]).unwrap().metadata().file_metadata().num_rows(), 0);
    }

    #[test]
    fn a_field_without_a_column_is_an_error() {
        let problem = written(&[r#"{"step":1,"t_s":0.0,"kind":"log","colour":"red"}"#]).err().unwrap();
        let text = problem.to_string();
        assert!(text.contains("line 1 of events.ndjson") && text.contains("colour"), "{text}");
    }
}
