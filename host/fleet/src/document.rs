//! Reader of TOML and JSON documents whose errors name the field, the value found, and a valid alternative.

use std::fmt;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::regular_file::{BYTE_ORDER_MARK, without_bom};
use crate::suggest::did_you_mean;

/// Format of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Tom's Obvious Minimal Language.
    Toml,
    /// JavaScript Object Notation.
    Json,
}

impl Format {
    /// Format by the extension of a file name: `.json` is JSON, everything else is TOML.
    pub fn of(path: &Path) -> Self {
        match path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            true => Self::Json,
            false => Self::Toml,
        }
    }
}

/// Error in a document, with its location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentError {
    /// The file, if the document comes from one.
    pub file: Option<String>,
    /// Line and column, counted from 1, if they are known.
    pub location: Option<(usize, usize)>,
    /// The invalid field, such as `fault[0].probability`; empty for the document as a whole.
    pub field: String,
    /// The reason, with a valid alternative.
    pub problem: String,
}

impl std::error::Error for DocumentError {}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}")?;
            if let Some((line, column)) = self.location {
                write!(f, ":{line}:{column}")?;
            }
            f.write_str(": ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.problem)
    }
}

impl DocumentError {
    /// Error in one field.
    pub fn at(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { file: None, location: None, field: field.into(), problem: truncate_digits(&problem.into()) }
    }

    /// Error at a location. The path of a missing field includes its name, and a field name at the start of `problem` is
    /// removed because `field` has it already.
    pub fn located(field: String, problem: String, location: Option<(usize, usize)>) -> Self {
        let missing = problem.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
        if let Some(name) = missing {
            let dot = if field.is_empty() { "" } else { "." };
            return Self { location, ..Self::at(format!("{field}{dot}{name}"), "it is missing") };
        }
        let prefix = format!("`{}`: ", field.rsplit('.').next().unwrap_or_default());
        let problem = problem.strip_prefix(&prefix).unwrap_or(&problem);
        Self { location, ..Self::at(field, problem) }
    }

    /// Adds the name of the file to the error.
    #[must_use]
    pub fn in_file(self, file: impl fmt::Display) -> Self {
        Self { file: Some(file.to_string()), ..self }
    }
}

/// Parses a document. A byte order mark at its start is skipped.
pub fn parse<T: DeserializeOwned>(text: &str, format: Format) -> Result<T, DocumentError> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    match format {
        Format::Toml => parse_toml(text),
        Format::Json => parse_object(text.as_bytes(), "a JSON object"),
    }
}

fn parse_toml<T: DeserializeOwned>(text: &str) -> Result<T, DocumentError> {
    let position_of = |error: &toml::de::Error| error.span().map(|span| locate(text, span.start));
    let deserializer = toml::Deserializer::parse(text).map_err(|error| {
        let problem = format!("no valid TOML: {}", one_line(error.message()));
        DocumentError::located(String::new(), problem, position_of(&error))
    })?;
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let field = field_of(error.path());
        let inner = error.inner();
        DocumentError::located(field, explain(inner.message()), position_of(inner))
    })
}

/// Parses JSON that must be an object, which `wanted` describes for errors. The check is needed because serde accepts a
/// list as the values of a struct's fields in order.
pub fn parse_object<T: DeserializeOwned>(bytes: &[u8], wanted: &str) -> Result<T, DocumentError> {
    let bytes = without_bom(bytes);
    if bytes.trim_ascii_start().first().is_none_or(|first| *first == b'{') {
        return parse_json(bytes);
    }
    let found = match parse_json(bytes)? {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    Err(DocumentError::at("", format!("expected {wanted}, found {found}")))
}

/// Parses JSON. A byte order mark at its start is skipped (RFC 8259, 8.1).
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DocumentError> {
    let mut deserializer = serde_json::Deserializer::from_slice(without_bom(bytes));
    let wrong = |field: String, error: &serde_json::Error| {
        let text = error.to_string();
        let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
        let problem = match error.is_data() {
            true => explain(text),
            false => format!("no valid JSON: {text}"),
        };
        DocumentError::located(field, problem, Some((error.line(), error.column())))
    };
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = if error.inner().is_data() { field_of(error.path()) } else { String::new() };
        wrong(field, error.inner())
    })?;
    deserializer.end().map_err(|error| wrong(String::new(), &error))?;
    Ok(value)
}

/// Replaces the names of Rust types in a deserializer's message by words that a user knows.
fn plain_message(message: &str) -> String {
    match message {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            return "expected a whole number from 0 on".into();
        }
        "number too large to fit in target type" => return "the number is too large".into(),
        _ => {}
    }
    let Some((found, wanted)) = message.split_once(", expected ") else { return message.into() };
    let found = found.replace("invalid type: sequence", "invalid type: list");
    let found = found.replace("invalid type: map", "invalid type: object");
    let wanted = match wanted.split(' ').next().unwrap_or_default() {
        "struct" => "an object",
        "f32" | "f64" => "a number",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0 on",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        _ if wanted == "a sequence" => "a list",
        _ if wanted == "a map" => "an object",
        _ => wanted,
    };
    format!("{found}, expected {wanted}")
}

/// Shortens numbers of more than 24 digits.
pub fn truncate_digits(text: &str) -> String {
    const KEPT_DIGITS: usize = 12;
    const MAX_DIGITS: usize = 24;
    let mut short = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let digits = rest[start..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - start);
        let shown = if digits > MAX_DIGITS { KEPT_DIGITS } else { digits };
        short.push_str(&rest[..start + shown]);
        if shown < digits {
            short.push('…');
        }
        rest = &rest[start + digits..];
    }
    short + rest
}

fn field_of(path: &serde_path_to_error::Path) -> String {
    match path.to_string() {
        root if root == "." => String::new(),
        field => field,
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(", ")
}

fn locate(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Rewrites a deserializer's message for users and suggests the nearest known name.
pub fn explain(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let problem = match message {
        _ if message.starts_with("unknown field") => "there is no such field",
        _ if message.starts_with("unknown variant") => "there is no such value",
        _ => return plain_message(&one_line(message)),
    };
    let found = quoted.next().unwrap_or_default();
    let known: Vec<&str> = quoted.collect();
    let hint = did_you_mean(found, known.iter().copied());
    let listed = match hint.is_empty() && !known.is_empty() {
        true => format!("; known are `{}`", known.join("`, `")),
        false => hint,
    };
    format!("`{found}`: {problem}{listed}")
}

#[cfg(test)]
mod tests {
    use wasmote_sim::faults::document::FaultDocument;

    use super::*;

    fn problem(text: &str, format: Format) -> String {
        parse::<FaultDocument>(text, format).unwrap_err().in_file("f").to_string()
    }

    #[test]
    fn a_byte_order_mark_is_skipped_and_columns_count_without_it() {
        let toml = "\u{feff}[[fault]]\nkind = \"loss\"\nprobability = 0.1\n";
        let json = "\u{feff}{\"fault\": [{\"kind\": \"loss\", \"probability\": 0.1}]}";
        assert_eq!(parse::<FaultDocument>(toml, Format::Toml).unwrap().faults.len(), 1);
        assert_eq!(parse::<FaultDocument>(json, Format::Json).unwrap().faults.len(), 1);
        assert_eq!(parse_object::<FaultDocument>(json.as_bytes(), "faults").unwrap().faults.len(), 1);
        assert_eq!(parse_json::<Value>("\u{feff}\"storm\"".as_bytes()).unwrap(), "storm");
        let error = parse::<FaultDocument>("\u{feff}fault = ", Format::Toml).unwrap_err();
        assert_eq!(error.location, Some((1, 9)), "{error}");
    }

    #[test]
    fn a_field_of_a_wrong_type_is_named_with_its_line_and_column() {
        let text = "[[fault]]\nkind = \"loss\"\nprobability = \"often\"\n";
        assert_eq!(
            problem(text, Format::Toml),
            "f:3:15: fault[0].probability: invalid type: string \"often\", expected a number"
        );
        let text = r#"{"fault": [{"kind": "loss", "probability": "often"}]}"#;
        let found = problem(text, Format::Json);
        assert!(found.contains("fault[0].probability: invalid type: string \"often\""), "{found}");
    }

    #[test]
    fn a_misspelt_field_or_value_gets_a_suggestion() {
        let found = problem("[[fault]]\nkind = \"loss\"\nprobabilty = 1\n", Format::Toml);
        assert!(
            found.ends_with("fault[0].probabilty: there is no such field; did you mean `probability`?"),
            "{found}"
        );
        let found = problem("[[fault]]\nkind = \"los\"\n", Format::Toml);
        assert!(
            found.ends_with("fault[0].kind: `los`: there is no such value; did you mean `loss`?"),
            "{found}"
        );
    }

    #[test]
    fn a_list_is_not_an_object_and_types_have_plain_names() {
        let problem_of =
            |text: &str| parse_object::<FaultDocument>(text.as_bytes(), "faults").unwrap_err().problem;
        assert_eq!(problem_of(" [1]"), "expected faults, found a list");
        assert_eq!(problem_of("null"), "expected faults, found null");
        for (message, plain) in [
            ("invalid type: map, expected u32", "invalid type: object, expected a whole number from 0 on"),
            ("invalid length 0, expected struct X with 5 elements", "invalid length 0, expected an object"),
            ("invalid digit found in string", "expected a whole number from 0 on"),
        ] {
            assert_eq!(explain(message), plain);
        }
    }

    #[test]
    fn a_number_of_hundreds_of_digits_is_truncated() {
        assert_eq!(
            truncate_digits(&format!("{} is not 1, nor 25%", 1e300)),
            "100000000000… is not 1, nor 25%"
        );
        assert_eq!(truncate_digits("ü 18446744073709551615"), "ü 18446744073709551615");
    }

    #[test]
    fn a_syntax_error_has_its_line_and_column() {
        assert!(problem("[[fault]\n", Format::Toml).starts_with("f:1:"));
        assert!(problem("{\"fault\": [}", Format::Json).contains("no valid JSON: "));
        assert!(problem("{} trailing", Format::Json).contains("trailing characters"));
    }
}
