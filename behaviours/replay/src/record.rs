//! Topic and payload of a row.

use crate::column;
use std::borrow::Cow;
use wasmote_sdk::Device;
use wasmote_sdk::config::field_error;
use wasmote_sdk::data::{Recording, Row};
use wasmote_sdk::json::{self, Value};
use wasmote_sdk::template::Template;

/// Placeholders besides the columns.
const OWN_NAMES: [&str; 4] = ["root", "device", "group", "index"];

/// How rows become messages.
pub struct Record {
    topic: Topic,
    payload: Payload,
    /// The column with the device of a row.
    device: Option<usize>,
    /// Values of [`OWN_NAMES`].
    own: [String; 4],
}

enum Topic {
    Column(usize),
    Template(Template),
}

enum Payload {
    /// An object of these columns, with their names as JSON.
    Object(Vec<(usize, String)>),
    Template(Template),
    Column(usize, Encoding),
}

#[derive(Clone, Copy)]
enum Encoding {
    Text,
    Base64,
    Hex,
}

impl Record {
    pub fn read(device: &Device, recording: &Recording) -> Result<Record, String> {
        let config = device.config();
        let named = |field: &str| match config.text(field)? {
            Some(name) => column(recording, field, &name).map(Some),
            None => Ok::<_, String>(None),
        };
        let (topic_column, payload_column, device_column) =
            (named("topic_column")?, named("payload_column")?, named("device_column")?);
        let names: Vec<&str> =
            OWN_NAMES.into_iter().chain(recording.columns.iter().map(String::as_str)).collect();
        let template = |field: &str, text: &str| {
            Template::parse(text, &names).map_err(|problem| field_error(field, problem))
        };
        let topic = match (topic_column, config.text("topic")?) {
            (Some(_), Some(_)) => return Err(field_error("topic", "expected either topic or topic_column")),
            (Some(column), None) => Topic::Column(column),
            (None, Some(text)) if text.is_empty() || text.contains(['+', '#']) => {
                return Err(field_error("topic", "expected a topic without wildcards"));
            }
            (None, Some(text)) => Topic::Template(template("topic", &text)?),
            (None, None) => Topic::Template(template("topic", "{root}/{device}/data")?),
        };
        let encoding = match config.choice("payload_encoding", &["text", "base64", "hex"])? {
            "base64" => Encoding::Base64,
            "hex" => Encoding::Hex,
            _ => Encoding::Text,
        };
        if payload_column.is_none() && config.contains("payload_encoding") {
            return Err(field_error("payload_encoding", "expected a payload_column, whose cells have it"));
        }
        let whole = config.to_value()?;
        let columns = match whole.get("columns") {
            None => None,
            Some(listed) => Some(read_columns(recording, listed)?),
        };
        let payload = match (payload_column, config.text("payload")?, columns) {
            (Some(column), None, None) => Payload::Column(column, encoding),
            (None, Some(text), None) => Payload::Template(template("payload", &text)?),
            (None, None, Some(columns)) => Payload::Object(with_names(recording, columns)),
            (None, None, None) => {
                let meta = [topic_column, device_column];
                let columns = (0..recording.columns.len()).filter(|at| !meta.contains(&Some(*at))).collect();
                Payload::Object(with_names(recording, columns))
            }
            _ => return Err(field_error("payload", "expected one of payload, payload_column and columns")),
        };
        let own = [
            device.topic_root().to_owned(),
            device.id().to_owned(),
            device.group().to_owned(),
            device.index().to_string(),
        ];
        Ok(Record { topic, payload, device: device_column, own })
    }

    /// Whether a row is one of this device.
    pub fn is_of(&self, device: &Device, row: &Row) -> bool {
        let Some(column) = self.device else { return true };
        row.cells.get(column).is_some_and(|cell| plain(cell) == device.id())
    }

    /// Topic and payload of a row.
    pub fn message(&self, device: &Device, row: &Row) -> Result<(String, Vec<u8>), String> {
        let topic = match &self.topic {
            Topic::Column(column) => text_of(row, *column).into_owned(),
            Topic::Template(template) => self.expand(template, row),
        };
        let payload = match &self.payload {
            Payload::Object(columns) => object(row, columns),
            Payload::Template(template) => self.expand(template, row).into_bytes(),
            Payload::Column(column, encoding) => {
                let text = text_of(row, *column);
                let decoded = match encoding {
                    Encoding::Text => return Ok((topic, text.into_owned().into_bytes())),
                    Encoding::Base64 => base64(text.as_bytes()),
                    Encoding::Hex => hex(text.as_bytes()),
                };
                decoded.ok_or_else(|| {
                    let shown: String = text.chars().take(40).collect();
                    format!("`{shown}` is not in the payload_encoding of {}", device.id())
                })?
            }
        };
        Ok((topic, payload))
    }

    fn expand(&self, template: &Template, row: &Row) -> String {
        template.expand(|name| match self.own.get(name) {
            Some(own) => own.as_str().into(),
            None => text_of(row, name - self.own.len()),
        })
    }
}

fn read_columns(recording: &Recording, listed: &Value) -> Result<Vec<usize>, String> {
    let refusal = || field_error("columns", "expected a list of names of columns");
    let listed = listed.list().filter(|listed| !listed.is_empty()).ok_or_else(refusal)?;
    listed.iter().map(|name| column(recording, "columns", name.text().ok_or_else(refusal)?)).collect()
}

fn with_names(recording: &Recording, columns: Vec<usize>) -> Vec<(usize, String)> {
    let name = |column: &usize| recording.columns.get(*column).map_or("", String::as_str);
    columns.into_iter().map(|column| (column, Value::from(name(&column)).to_string())).collect()
}

fn object(row: &Row, columns: &[(usize, String)]) -> Vec<u8> {
    let mut payload = vec![b'{'];
    for (position, (column, name)) in columns.iter().enumerate() {
        if position > 0 {
            payload.push(b',');
        }
        payload.extend_from_slice(name.as_bytes());
        payload.push(b':');
        payload.extend_from_slice(row.cells.get(*column).map_or("null", String::as_str).as_bytes());
    }
    payload.push(b'}');
    payload
}

fn text_of(row: &Row, column: usize) -> Cow<'_, str> {
    row.cells.get(column).map_or("".into(), |cell| plain(cell))
}

/// The text of a cell: without quotes, and nothing for null.
fn plain(cell: &str) -> Cow<'_, str> {
    match cell.as_bytes() {
        b"null" => "".into(),
        [b'"', ..] => match json::parse(cell.as_bytes()) {
            Ok(Value::Text(text)) => text.into(),
            _ => cell.into(),
        },
        _ => cell.into(),
    }
}

fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    text.chunks(2).map(pair).collect()
}

fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0u32, 0);
    for byte in text.get(..end)? {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    // A single letter is less than a byte.
    (count < 6).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{base64, hex, plain};

    #[test]
    fn bytes_are_decoded() {
        assert_eq!(base64(b"AP8AIg=="), Some(vec![0, 255, 0, 34]));
        assert_eq!(base64(b"AP8AIg"), Some(vec![0, 255, 0, 34]));
        assert_eq!(base64(b""), Some(vec![]));
        assert_eq!((base64(b"A"), base64(b"A*=="), base64("ä".as_bytes())), (None, None, None));
        assert_eq!(hex(b"00fFa0"), Some(vec![0, 255, 160]));
        assert_eq!((hex(b"0"), hex(b"0g")), (None, None));
        assert_eq!(plain(r#""a \"b\"""#), "a \"b\"");
        assert_eq!((plain("null"), plain("1.50")), ("".into(), "1.50".into()));
    }
}
