//! YAML writer with ordered entries and comments.
//!
//! Manifests need comments for their readers, and YAML libraries neither write comments nor keep control of order
//! and quotes. The writer uses a small subset of YAML: block maps and lists, literal blocks, and plain words;
//! ambiguous text is quoted as in JSON. Tests read the output back with an independent parser.

use std::fmt::Write as _;

use serde_json::Value;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// A map with ordered entries.
    Map(Map),
    /// A list.
    List(Vec<Node>),
    /// A string.
    Text(String),
    /// An integer.
    Number(i64),
    /// A boolean.
    Bool(bool),
}

/// A map that keeps the order of its entries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map(Vec<Entry>);

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    /// Comment lines above the entry.
    comment: Option<String>,
    key: String,
    value: Node,
}

impl Map {
    /// Creates an empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<Node>) -> Self {
        self.0.push(Entry { comment: None, key: key.into(), value: value.into() });
        self
    }

    /// Adds an entry with a comment.
    #[must_use]
    pub fn with_comment(mut self, comment: &str, key: impl Into<String>, value: impl Into<Node>) -> Self {
        self.0.push(Entry { comment: Some(comment.into()), key: key.into(), value: value.into() });
        self
    }

    /// Adds an entry if the value is `Some`.
    #[must_use]
    pub fn with_some(self, key: impl Into<String>, value: Option<impl Into<Node>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Appends the entries of another map.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }
}

impl From<Map> for Node {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u32> for Node {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for Node {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl<T: Into<Node>> From<Vec<T>> for Node {
    fn from(list: Vec<T>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

impl Node {
    /// Converts to JSON, without comments.
    pub fn json(&self) -> Value {
        match self {
            Self::Map(Map(entries)) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.value.json())).collect()
            }
            Self::List(list) => list.iter().map(Self::json).collect(),
            Self::Text(text) => text.as_str().into(),
            Self::Number(number) => (*number).into(),
            Self::Bool(value) => (*value).into(),
        }
    }
}

/// Writes a document, without a leading `---`.
pub fn write(map: &Map) -> String {
    let mut out = String::new();
    entries(map, 0, false, &mut out);
    out
}

/// Writes the entries of a map. With `after_dash`, the first entry follows a list's dash on the same line.
fn entries(map: &Map, indent: usize, mut after_dash: bool, out: &mut String) {
    for entry in &map.0 {
        if !std::mem::take(&mut after_dash) {
            write_comment(entry, indent, out);
            let _ = write!(out, "{:indent$}", "");
        }
        let _ = write!(out, "{}:", scalar(&entry.key));
        value(&entry.value, indent + 2, out);
    }
}

fn write_comment(entry: &Entry, indent: usize, out: &mut String) {
    for line in entry.comment.iter().flat_map(|comment| comment.lines()) {
        let _ = writeln!(out, "{:indent$}# {line}", "");
    }
}

/// Writes the value after `key:`.
fn value(node: &Node, indent: usize, out: &mut String) {
    match node {
        Node::Map(map) if !map.0.is_empty() => {
            out.push('\n');
            entries(map, indent, false, out);
        }
        Node::List(list) if !list.is_empty() => {
            out.push('\n');
            items(list, indent, out);
        }
        Node::Text(text) if is_block(text) => block(text, indent, out),
        scalar => {
            let _ = writeln!(out, " {}", inline(scalar));
        }
    }
}

fn items(list: &[Node], indent: usize, out: &mut String) {
    for item in list {
        // A comment on the first entry stands above the dash.
        if let Node::Map(Map(entries)) = item {
            entries.iter().take(1).for_each(|first| write_comment(first, indent, out));
        }
        let _ = write!(out, "{:indent$}-", "");
        match item {
            Node::Map(map) if !map.0.is_empty() => {
                out.push(' ');
                entries(map, indent + 2, true, out);
            }
            other => value(other, indent + 2, out),
        }
    }
}

/// Formats a value for a single line.
fn inline(node: &Node) -> String {
    match node {
        Node::Map(_) => "{}".into(),
        Node::List(_) => "[]".into(),
        Node::Text(text) => scalar(text),
        Node::Number(number) => number.to_string(),
        Node::Bool(value) => value.to_string(),
    }
}

/// True for several lines of ordinary text, which a literal block can represent.
fn is_block(text: &str) -> bool {
    let ordinary = |c: char| matches!(c, ' '..='~' | '\n' | '\u{a0}'..='\u{d7ff}');
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && !body.ends_with('\n')
        && !text.starts_with([' ', '\n'])
        && text.chars().all(ordinary)
        && !text.contains(['\u{2028}', '\u{2029}'])
}

fn block(text: &str, indent: usize, out: &mut String) {
    let (body, mark) = match text.strip_suffix('\n') {
        Some(body) => (body, "|"),
        None => (text, "|-"),
    };
    let _ = writeln!(out, " {mark}");
    for line in body.split('\n') {
        match line {
            "" => out.push('\n'),
            line => {
                let _ = writeln!(out, "{:indent$}{line}", "");
            }
        }
    }
}

/// Formats a string as a plain word if every YAML parser reads it as a string, otherwise in quotes.
fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quote(text) }
}

fn is_plain(text: &str) -> bool {
    /// Words that some version of YAML does not read as strings.
    const RESERVED: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan"];
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_./${}:,".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '$'));
    starts
        && text.chars().all(legal)
        && !text.ends_with(':')
        && !RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(text))
}

/// Quotes a string as in JSON. YAML accepts JSON strings without unprintable characters, so those are escaped.
fn quote(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' | '\u{a1}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{10000}'.. => out.push(c),
            other => {
                let _ = write!(out, "\\u{:04x}", u32::from(other));
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value {
        serde_saphyr::from_str(text).unwrap_or_else(|problem| panic!("{problem}:\n{text}"))
    }

    #[test]
    fn a_manifest_is_written_in_block_style() {
        let port = Map::new().with("name", "http").with_comment("Not 80.", "port", 5000_u32);
        let map = Map::new()
            .with("kind", "Service")
            .with_comment("Headless:\nevery pod has a name.", "clusterIP", "None")
            .with("ports", vec![port])
            .with("drop", vec!["ALL"])
            .with("text", "one\n\n  two\n")
            .with("empty", Map::new());
        let wanted = "kind: Service\n# Headless:\n# every pod has a name.\nclusterIP: None\nports:\n  - name: http\n    \
                      # Not 80.\n    port: 5000\ndrop:\n  - ALL\ntext: |\n  one\n\n    two\nempty: {}\n";
        assert_eq!(write(&map), wanted);
        assert_eq!(read(wanted), Node::from(map).json());
    }

    #[test]
    fn every_text_survives_a_round_trip() {
        let odd = [
            "",
            " ",
            "a b",
            "true",
            "No",
            "null",
            "~",
            "1",
            "0x1f",
            "1e3",
            ".inf",
            "-",
            "- a",
            "a: b",
            "a:",
            "a #b",
            "#",
            "&x",
            "*x",
            "!x",
            "|",
            ">",
            "%",
            "@",
            "`",
            "{",
            "[",
            "a,b",
            "'",
            "\"",
            "\\",
            "\t",
            "a\tb",
            "\r",
            "a\r\nb",
            "a\nb",
            "a\nb\n",
            "a\nb\n\n",
            "\na",
            " a\nb",
            "a\n b \n c",
            "#a\nb",
            "ü",
            "\u{7f}",
            "\u{85}",
            "\u{a0}",
            "\u{2028}x",
            "a\n\u{2028}",
            "\u{feff}",
            "🚦",
            "12:30",
            "2026-01-01",
            "${NAME}",
            "=",
            "<<",
            "0o7",
            "y",
            "N",
            "a\n\tb",
            "...",
            "---",
            "a\n---\nb",
            "a\n...\nb\n",
        ];
        for text in odd {
            let map = Map::new().with("value", text).with("list", vec![text]).with(format!("k{text}"), 1_u32);
            let written = write(&map);
            assert_eq!(read(&written), Node::from(map).json(), "{text:?} was written as\n{written}");
        }
    }

    #[test]
    fn a_comment_on_the_first_entry_of_a_list_is_valid() {
        let map = Map::new().with("list", vec![Map::new().with_comment("why", "a", 1_u32).with("b", 2_u32)]);
        assert_eq!(read(&write(&map)), serde_json::json!({"list": [{"a": 1, "b": 2}]}), "{}", write(&map));
    }
}
