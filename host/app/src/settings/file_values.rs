//! Values of a TOML or JSON document with their paths and lines.

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use wasmote_fleet::document::Format;

/// A value of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileValue {
    /// Its path, such as `group[0].behaviour`.
    pub path: String,
    /// Its text in the document.
    pub text: String,
    /// Its line, from 1.
    pub line: usize,
}

/// Reads the values of a document. Tables and lists of tables are entered; other lists are one value.
///
/// # Errors
/// The document is malformed.
pub fn read(text: &str, format: Format) -> Result<Vec<FileValue>, String> {
    let mut values = Vec::new();
    match format {
        Format::Toml => {
            let table = DeTable::parse(text).map_err(|problem| problem.to_string())?;
            enter_table(text, "", table.get_ref(), &mut values);
        }
        Format::Json => {
            // The scanner below needs a valid document.
            serde_json::from_str::<Value>(text).map_err(|problem| problem.to_string())?;
            JsonScanner { text, at: 0, values: &mut values }.value("");
        }
    }
    Ok(values)
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn enter_table(text: &str, path: &str, table: &DeTable<'_>, values: &mut Vec<FileValue>) {
    // The order of the document, not of the names.
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        enter(text, &joined(path, key.get_ref()), key.span().start, value, values);
    }
}

fn enter(text: &str, path: &str, begin: usize, value: &Spanned<DeValue<'_>>, values: &mut Vec<FileValue>) {
    match value.get_ref() {
        DeValue::Table(table) => enter_table(text, path, table, values),
        DeValue::Array(list) if list.iter().any(|item| matches!(item.get_ref(), DeValue::Table(_))) => {
            for (index, item) in list.iter().enumerate() {
                enter(text, &format!("{path}[{index}]"), item.span().start, item, values);
            }
        }
        _ => values.push(FileValue {
            path: path.to_owned(),
            text: text.get(value.span()).unwrap_or_default().to_owned(),
            line: line_of(text, begin),
        }),
    }
}

/// Scanner of a valid JSON document.
struct JsonScanner<'a> {
    text: &'a str,
    at: usize,
    values: &'a mut Vec<FileValue>,
}

impl JsonScanner<'_> {
    fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or_default()
    }

    fn skip_space(&mut self) {
        while self.byte().is_ascii_whitespace() {
            self.at += 1;
        }
    }

    /// Enters a value, and returns when the position is behind it.
    fn value(&mut self, path: &str) {
        self.skip_space();
        match self.byte() {
            b'{' => self.members(path),
            b'[' if self.holds_objects() => self.items(path),
            _ => {
                let begin = self.at;
                self.skip_value();
                let text = self.text.get(begin..self.at).unwrap_or_default().trim_end().to_owned();
                let line = line_of(self.text, begin);
                self.values.push(FileValue { path: path.to_owned(), text, line });
            }
        }
    }

    fn members(&mut self, path: &str) {
        self.at += 1;
        loop {
            self.skip_space();
            match self.byte() {
                b'"' => {
                    let begin = self.at;
                    self.skip_text();
                    let key: String = serde_json::from_str(&self.text[begin..self.at]).unwrap_or_default();
                    self.skip_space();
                    // The colon.
                    self.at += 1;
                    self.value(&joined(path, &key));
                }
                b',' => self.at += 1,
                _ => {
                    self.at += 1;
                    return;
                }
            }
        }
    }

    fn items(&mut self, path: &str) {
        self.at += 1;
        for index in 0.. {
            self.value(&format!("{path}[{index}]"));
            self.skip_space();
            let ends = self.byte() != b',';
            self.at += 1;
            if ends {
                return;
            }
        }
    }

    /// True if the list at the position begins with an object.
    fn holds_objects(&self) -> bool {
        self.text[self.at + 1..].trim_start().starts_with('{')
    }

    fn skip_text(&mut self) {
        self.at += 1;
        while self.at < self.text.len() && self.byte() != b'"' {
            self.at += if self.byte() == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
    }

    /// Skips a list, or a value that is not an object.
    fn skip_value(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.text.len() {
            match self.byte() {
                b'"' => {
                    self.skip_text();
                    continue;
                }
                b'[' | b'{' => depth += 1,
                b']' | b'}' if depth == 0 => return,
                b']' | b'}' => depth -= 1,
                b',' if depth == 0 => return,
                _ => {}
            }
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, format: Format) -> Vec<(String, String, usize)> {
        read(text, format).unwrap().into_iter().map(|it| (it.path, it.text, it.line)).collect()
    }

    fn expected(values: &[(&str, &str, usize)]) -> Vec<(String, String, usize)> {
        values.iter().map(|(path, text, line)| ((*path).into(), (*text).into(), *line)).collect()
    }

    #[test]
    fn toml_values_have_their_path_text_and_line() {
        let text = "a = 1 # one\nlist = [\n  1,\n  2,\n]\n\n[t.u]\nv = \"x\"\n[[group]]\nn = 1\n[[group]]\nm.o = [{ p = true }]\n";
        assert_eq!(
            found(text, Format::Toml),
            expected(&[
                ("a", "1", 1),
                ("list", "[\n  1,\n  2,\n]", 2),
                ("t.u.v", "\"x\"", 8),
                ("group[0].n", "1", 10),
                ("group[1].m.o[0].p", "true", 12),
            ])
        );
    }

    #[test]
    fn json_values_have_their_path_text_and_line() {
        let text = "{\n \"a\": \"x, \\\"y\\\"\",\n \"list\": [1, [2, \"]\"]], \"e\": {}, \"f\": [],\n \"group\": [{\"n\": null},\n {\"m\": {\"o\": 1e5}}]}\n";
        assert_eq!(
            found(text, Format::Json),
            expected(&[
                ("a", "\"x, \\\"y\\\"\"", 2),
                ("list", "[1, [2, \"]\"]]", 3),
                ("f", "[]", 3),
                ("group[0].n", "null", 4),
                ("group[1].m.o", "1e5", 5),
            ])
        );
    }

    #[test]
    fn a_malformed_document_is_an_error() {
        assert!(read("a = ", Format::Toml).is_err());
        assert!(read("{\"a\": ", Format::Json).is_err());
    }
}
