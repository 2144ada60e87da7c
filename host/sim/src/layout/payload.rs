//! Layout of payloads: their encoding and their fields.

use super::binary;
use super::field::{Field, check_path, choice, read_time};
use super::template::{Piece, pieces};
use super::time::TimeFormat;
use super::value::{self, Value};
use super::{LayoutError, check_members, member_text, wrong_type};

/// Maximum number of fields of a payload.
const MAX_FIELDS: usize = 256;

const MEMBERS: [&str; 7] = ["encoding", "fields", "template", "time", "times", "separator", "header"];

/// Encoding of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Json,
    Cbor,
    MessagePack,
    Csv,
    Text,
}

const ENCODINGS: [(&str, Encoding); 5] = [
    ("json", Encoding::Json),
    ("cbor", Encoding::Cbor),
    ("messagepack", Encoding::MessagePack),
    ("csv", Encoding::Csv),
    ("text", Encoding::Text),
];

/// Layout of the payloads of a topic.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Payload {
    encoding: Encoding,
    /// All fields of the report, if none are chosen.
    fields: Vec<Field>,
    /// Text of the payload, with the paths of fields.
    template: Vec<TextPart>,
    /// Format of the times.
    time: Option<TimeFormat>,
    /// Paths of the times.
    times: Vec<String>,
    separator: char,
    header: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum TextPart {
    Text(String),
    /// Position among the fields.
    Field(usize),
}

/// What a message has besides its report.
pub(super) struct Surroundings<'a> {
    pub(super) device: &'a str,
    pub(super) group: &'a str,
    pub(super) index: u32,
    pub(super) topic: &'a str,
    /// Nanoseconds since 1970 by the clock of the device.
    pub(super) wall: u64,
    /// Largest payload in bytes.
    pub(super) limit: usize,
}

impl Payload {
    /// Reads the layout of one topic, or of all topics if `is_default`. `known` are the fields of the report.
    pub(super) fn read(
        value: &serde_json::Value,
        at: &str,
        is_default: bool,
        known: Option<&[&str]>,
    ) -> Result<Self, LayoutError> {
        let members = check_members(value, at, &MEMBERS)?;
        let member = |name: &str| members.get(name).map(|value| (value, format!("{at}.{name}")));
        let encoding = match member("encoding") {
            Some((found, at)) => choice(found, &at, &ENCODINGS)?,
            None if members.contains_key("template") => Encoding::Text,
            None => Encoding::Json,
        };
        if let Some((_, at)) = ["fields", "template"].into_iter().filter(|_| is_default).find_map(member) {
            let problem = "the messages of different topics have different fields; set it in `layout.payloads`, under the \
                           name of a topic";
            return Err(LayoutError::at(at, problem));
        }
        let mut fields = member("fields")
            .map(|(found, at)| read_fields(found, &at, known))
            .transpose()?
            .unwrap_or_default();
        let template = match member("template") {
            None if encoding == Encoding::Text && !is_default => {
                let problem = "the encoding `text` needs a `template`, such as \"{values.temperature};{ts}\"";
                return Err(LayoutError::at(at, problem));
            }
            None if encoding == Encoding::Text => {
                return Err(LayoutError::at(
                    format!("{at}.encoding"),
                    "`text` needs a `template`, so it is set for single topics",
                ));
            }
            None => Vec::new(),
            Some((_, at)) if encoding != Encoding::Text => {
                return Err(LayoutError::at(at, "only the encoding `text` has a template"));
            }
            Some((found, at)) => read_template(member_text(found, &at)?, &at, &mut fields, known)?,
        };
        let for_csv = |name: &str| member(name).filter(|_| encoding != Encoding::Csv);
        if let Some((_, at)) = for_csv("separator").or_else(|| for_csv("header")) {
            return Err(LayoutError::at(at, "only the encoding `csv` has it"));
        }
        let separator = match member("separator") {
            None => ',',
            Some((found, at)) => choice(found, &at, &[(",", ','), (";", ';'), ("tab", '\t'), ("|", '|')])?,
        };
        let header = match member("header") {
            None => false,
            Some((found, at)) => found.as_bool().ok_or_else(|| wrong_type(&at, "true or false", found))?,
        };
        let time = member("time").map(|(found, at)| read_time(found, &at)).transpose()?;
        let times = match member("times") {
            None => vec!["ts".to_owned()],
            Some((found, at)) => {
                let listed = found.as_array().filter(|listed| listed.len() <= MAX_FIELDS);
                let listed = listed.ok_or_else(|| wrong_type(&at, "a list of fields", found))?;
                let path = |(position, path): (usize, &serde_json::Value)| {
                    let at = format!("{at}[{position}]");
                    let path = member_text(path, &at)?;
                    check_path(path, &at, known)?;
                    Ok(path.to_owned())
                };
                listed.iter().enumerate().map(path).collect::<Result<_, LayoutError>>()?
            }
        };
        Ok(Self { encoding, fields, template, time, times, separator, header })
    }

    /// The payload on the wire for a payload of the behaviour. `None` if it would exceed the limit.
    pub(super) fn encode(&self, payload: &[u8], around: &Surroundings<'_>) -> Option<Vec<u8>> {
        let Ok(text) = str::from_utf8(payload) else { return Some(payload.to_vec()) };
        let mut report = value::parse(text).unwrap_or_else(|| Value::Text(text.to_owned()));
        if self.fields.is_empty() {
            self.convert_times(&mut report, TimeFormat::write);
            return self.write(&report, around.limit);
        }
        let find = |path: &str| self.find(&report, path, around);
        let mut bytes = 0_usize;
        let mut values = Vec::with_capacity(self.fields.len());
        for field in &self.fields {
            let value = field.value(find);
            bytes += if matches!(value, Value::List(_) | Value::Object(_) | Value::Text(_)) {
                value.plain().len()
            } else {
                1
            };
            if bytes > around.limit {
                return None;
            }
            values.push(value);
        }
        match self.encoding {
            Encoding::Text => self.write_text(&values, around.limit),
            Encoding::Csv => {
                Some(self.write_csv(self.fields.iter().map(|field| field.name.as_str()).zip(&values)))
            }
            _ => {
                let mut chosen = Value::Object(Vec::new());
                for (field, value) in self.fields.iter().zip(values) {
                    chosen.set(&field.name, value);
                }
                self.write(&chosen, around.limit)
            }
        }
        .filter(|bytes| bytes.len() <= around.limit)
    }

    /// The value at a path of the report, or one that every message has.
    fn find(&self, report: &Value, path: &str, around: &Surroundings<'_>) -> Option<Value> {
        let found = report.get(path).cloned().or_else(|| {
            Some(match path {
                "device" => Value::Text(around.device.to_owned()),
                "group" => Value::Text(around.group.to_owned()),
                "index" => Value::Number(around.index.to_string()),
                "topic" => Value::Text(around.topic.to_owned()),
                "payload" => report.clone(),
                // To the microsecond, as behaviours write it.
                "ts" => Value::float((around.wall / 1_000) as f64 / 1e6),
                _ => return None,
            })
        })?;
        let has_own = || self.fields.iter().any(|field| field.path() == Some(path) && field.has_time());
        match self.time.filter(|_| self.times.iter().any(|time| time == path) && !has_own()) {
            Some(format) => Some(format.write(&found)),
            None => Some(found),
        }
    }

    fn convert_times(&self, report: &mut Value, convert: impl Fn(TimeFormat, &Value) -> Value) {
        let Some(format) = self.time else { return };
        for path in &self.times {
            if let Some(time) = report.get(path).cloned() {
                report.set(path, convert(format, &time));
            }
        }
    }

    fn write(&self, value: &Value, limit: usize) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        match self.encoding {
            Encoding::Cbor => binary::write_cbor(value, &mut out),
            Encoding::MessagePack => binary::write_message_pack(value, &mut out),
            Encoding::Csv => {
                let mut cells = Vec::new();
                flatten("", value, &mut cells);
                out = self.write_csv(cells.iter().map(|(name, value)| (name.as_str(), *value)));
            }
            Encoding::Json | Encoding::Text => match value {
                // A payload that is not JSON stays as it is.
                Value::Text(text) => out.extend_from_slice(text.as_bytes()),
                value => value.write(&mut out),
            },
        }
        (out.len() <= limit).then_some(out)
    }

    fn write_text(&self, values: &[Value], limit: usize) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        for part in &self.template {
            match part {
                TextPart::Text(text) => out.extend_from_slice(text.as_bytes()),
                TextPart::Field(position) => out.extend_from_slice(values.get(*position)?.plain().as_bytes()),
            }
            if out.len() > limit {
                return None;
            }
        }
        Some(out)
    }

    fn write_csv<'v>(&self, cells: impl Iterator<Item = (&'v str, &'v Value)> + Clone) -> Vec<u8> {
        let line = |cells: &mut dyn Iterator<Item = String>| {
            let quoted: Vec<String> = cells.map(|cell| quoted(cell, self.separator)).collect();
            quoted.join(self.separator.encode_utf8(&mut [0; 4]))
        };
        let row = line(&mut cells.clone().map(|(_, value)| value.plain()));
        match self.header {
            true => format!("{}\n{row}", line(&mut cells.map(|(name, _)| name.to_owned()))).into_bytes(),
            false => row.into_bytes(),
        }
    }

    /// The report that a received payload stands for, and the device in it. `None` if it has another form.
    pub(super) fn decode(&self, payload: &[u8]) -> Option<(Vec<u8>, Option<String>)> {
        let named = match self.encoding {
            Encoding::Json => value::parse(str::from_utf8(payload).ok()?)?,
            Encoding::Cbor => binary::read_cbor(payload)?,
            Encoding::MessagePack => binary::read_message_pack(payload)?,
            Encoding::Csv => self.read_csv(str::from_utf8(payload).ok()?)?,
            Encoding::Text => self.read_text(str::from_utf8(payload).ok()?)?,
        };
        let (mut report, mut whole) = (named, None);
        if !self.fields.is_empty() {
            let named = std::mem::replace(&mut report, Value::Object(Vec::new()));
            for field in &self.fields {
                let Some(path) = field.path() else { continue };
                let value = field.original(named.get(&field.name)?);
                match path {
                    // The whole payload is in one field.
                    "payload" => whole = Some(value),
                    _ => report.set(path, value),
                }
            }
        }
        self.convert_times(&mut report, TimeFormat::read);
        let device = match report.get("device") {
            Some(Value::Text(device)) => Some(device.clone()),
            _ => None,
        };
        let payload = match (whole, &report) {
            (Some(whole), _) => whole.plain(),
            (None, Value::Text(text)) => text.clone(),
            (None, report) => report.json(),
        };
        Some((payload.into_bytes(), device))
    }

    /// The cells of a line under the names of the fields, or of the header.
    fn read_csv(&self, text: &str) -> Option<Value> {
        let mut rows = rows(text, self.separator)?.into_iter();
        let names: Vec<String> = match (self.header, self.fields.is_empty()) {
            (true, _) => rows.next()?,
            (false, false) => self.fields.iter().map(|field| field.name.clone()).collect(),
            (false, true) => return None,
        };
        let cells = rows.next().filter(|cells| cells.len() == names.len() && rows.next().is_none())?;
        let mut named = Value::Object(Vec::new());
        for (name, cell) in names.iter().zip(cells) {
            named.set(name, Value::from_plain(&cell));
        }
        Some(named)
    }

    /// The texts of the fields between the texts of the template.
    fn read_text(&self, text: &str) -> Option<Value> {
        let mut named = Value::Object(Vec::new());
        let (mut rest, mut open) = (text, None);
        for (position, part) in self.template.iter().enumerate() {
            match part {
                TextPart::Field(field) => open = Some(*field),
                TextPart::Text(text) => {
                    let at = match open {
                        None => 0,
                        Some(_) if position + 1 == self.template.len() => {
                            rest.len().checked_sub(text.len())?
                        }
                        Some(_) => rest.find(text.as_str())?,
                    };
                    let after = rest.get(at..)?.strip_prefix(text.as_str())?;
                    if let Some(field) = open.take() {
                        named.set(&self.fields.get(field)?.name, Value::from_plain(&rest[..at]));
                    }
                    rest = after;
                }
            }
        }
        match open {
            Some(field) => named.set(&self.fields.get(field)?.name, Value::from_plain(rest)),
            None if rest.is_empty() => {}
            None => return None,
        }
        Some(named)
    }
}

/// A cell, in quotes if it needs them (RFC 4180).
fn quoted(cell: String, separator: char) -> String {
    match cell.contains(['"', '\n', '\r', separator]) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell,
    }
}

/// The rows of a table. `None` after a quote that is not closed.
fn rows(text: &str, separator: char) -> Option<Vec<Vec<String>>> {
    let (mut rows, mut row, mut cell, mut is_quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if is_quoted && letters.peek() == Some(&'"') => cell.extend(letters.next()),
            '"' => is_quoted = !is_quoted,
            letter if letter == separator && !is_quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !is_quoted && matches!(letters.peek(), None | Some('\n')) => {}
            '\n' if !is_quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            letter => cell.push(letter),
        }
    }
    if !row.is_empty() || !cell.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    (!is_quoted).then_some(rows)
}

/// The single values of a report, with their paths.
fn flatten<'v>(path: &str, value: &'v Value, cells: &mut Vec<(String, &'v Value)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| flatten(&below(name), value, cells))
        }
        Value::List(items) => {
            items.iter().enumerate().for_each(|(at, item)| flatten(&below(&at.to_string()), item, cells));
        }
        value => cells.push((path.to_owned(), value)),
    }
}

fn read_fields(
    found: &serde_json::Value,
    at: &str,
    known: Option<&[&str]>,
) -> Result<Vec<Field>, LayoutError> {
    let listed = found.as_array().filter(|listed| (1..=MAX_FIELDS).contains(&listed.len()));
    let listed = listed.ok_or_else(|| wrong_type(at, "a list of 1 to 256 fields", found))?;
    let mut fields: Vec<Field> = Vec::with_capacity(listed.len());
    for (position, value) in listed.iter().enumerate() {
        let at = format!("{at}[{position}]");
        let field = Field::read(value, &at, known)?;
        if fields.iter().any(|other| other.name == field.name) {
            let problem =
                format!("another field is called `{}`; give this one another name by `as`", field.name);
            return Err(LayoutError::at(at, problem));
        }
        fields.push(field);
    }
    Ok(fields)
}

/// Reads the template of a text. A placeholder is the name of one of the fields, or the path of a field of the report,
/// which is then added to the fields.
fn read_template(
    text: &str,
    at: &str,
    fields: &mut Vec<Field>,
    known: Option<&[&str]>,
) -> Result<Vec<TextPart>, LayoutError> {
    let mut parts = Vec::new();
    for piece in pieces(text).map_err(|problem| LayoutError::at(at, format!("`{text}`: {problem}")))? {
        match piece {
            Piece::Text(text) => parts.push(TextPart::Text(text)),
            Piece::Hole(path) => {
                let position = fields
                    .iter()
                    .position(|field| field.name == path)
                    .or_else(|| fields.iter().position(|field| field.path() == Some(path)));
                let position = match position {
                    Some(position) => position,
                    None => {
                        let path = serde_json::Value::String(path.to_owned());
                        fields.push(Field::read(&path, at, known)?);
                        fields.len() - 1
                    }
                };
                parts.push(TextPart::Field(position));
            }
        }
    }
    if fields.is_empty() {
        let problem = format!("`{text}`: expected at least one field in braces, such as `{{ts}}`");
        return Err(LayoutError::at(at, problem));
    }
    if fields.len() > MAX_FIELDS {
        return Err(LayoutError::at(at, format!("expected {MAX_FIELDS} fields at most")));
    }
    Ok(parts)
}
