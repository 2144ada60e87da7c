//! Files that are one JSON object.

use std::io;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Malformed, ReadError, missing_field};
use crate::files::{read_text, write_atomically};

/// The type of a JSON file of a results folder.
pub trait JsonFile: Serialize + DeserializeOwned {
    /// Name of the file.
    const FILE: &'static str;
}

/// Writes the file of this type into a folder.
pub fn write_json<T: JsonFile>(folder: &Path, value: &T) -> io::Result<()> {
    write_atomically(&folder.join(T::FILE), pretty_json(value).as_bytes())
}

/// Reads the file of this type in a folder.
///
/// # Errors
/// The file is missing or malformed; the error names it, with line, column and field.
pub fn read_json<T: JsonFile>(folder: &Path) -> Result<T, ReadError> {
    let file = folder.join(T::FILE);
    parse(&read_text(&file)?).map_err(|malformed| malformed.in_file(&file))
}

/// Reads the file of this type, which some runs lack.
///
/// # Errors
/// The file is malformed.
pub fn read_json_if_exists<T: JsonFile>(folder: &Path) -> Result<Option<T>, ReadError> {
    folder.join(T::FILE).exists().then(|| read_json(folder)).transpose()
}

/// Indented JSON with a final line break.
pub fn pretty_json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).map(|text| text + "\n").unwrap_or_default()
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Malformed> {
    // serde accepts a list as the fields of a struct in their order.
    if text.trim_start().starts_with('[') {
        return Err(Malformed::new(None, "", "expected a JSON object, found a list"));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| malformed(&error.path().to_string(), error.inner()))?;
    deserializer.end().map_err(|error| malformed("", &error))?;
    Ok(value)
}

fn malformed(path: &str, error: &serde_json::Error) -> Malformed {
    let location = Some((error.line(), error.column()));
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    if !error.is_data() {
        return Malformed::new(location, "", format!("invalid JSON: {text}"));
    }
    let path = if path == "." { "" } else { path };
    match missing_field(text) {
        Some(name) if path.is_empty() => Malformed::new(location, name, "it is missing"),
        Some(name) => Malformed::new(location, &format!("{path}.{name}"), "it is missing"),
        None => Malformed::new(location, path, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Topology;

    #[test]
    fn errors_name_field_line_and_column() {
        let message = |text: &str| format!("f{}", parse::<Topology>(text).unwrap_err());
        assert_eq!(
            message("{\"links\": [],\n \"nodes\": 1}"),
            "f:2:11: nodes: invalid type: integer `1`, expected a sequence"
        );
        assert_eq!(message("{\"nodes\": []}"), "f:1:13: links: it is missing");
        assert!(message("{\n").starts_with("f:2:0: invalid JSON: "));
        assert_eq!(message("[[], []]"), "f: expected a JSON object, found a list");
    }
}
