//! Path and header fields of the WebSocket handshake, which may hold tokens and appear in no output.

use std::fmt;
use std::str::FromStr;

/// Path of a WebSocket endpoint, with its query.
#[derive(Clone, PartialEq, Eq)]
pub struct WebSocketPath(String);

/// Maximum length of a path with its query, or of a header field, in bytes.
const MAX: usize = 8 << 10;

impl WebSocketPath {
    /// The path with its query, for the request.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The path without its query, which may hold a token.
    pub fn without_query(&self) -> &str {
        self.0.split('?').next().unwrap_or_default()
    }

    /// Whether there is a query.
    pub fn has_query(&self) -> bool {
        self.0.contains('?')
    }
}

impl FromStr for WebSocketPath {
    type Err = String;

    /// The error shows no query.
    fn from_str(text: &str) -> Result<Self, String> {
        let shown = text.split(['?', '#']).next().unwrap_or_default();
        if text.len() > MAX {
            return Err(format!("the path has {} bytes; the maximum is {MAX}", text.len()));
        }
        if text.contains('#') {
            return Err(format!("the path `{shown}` has a fragment (`#`), which is not sent; leave it out"));
        }
        if !text.starts_with('/') || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "the path `{}` has characters that a path cannot have; write them as %XX",
                shown.escape_debug()
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for WebSocketPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.without_query())?;
        if self.has_query() { out.write_str("?…") } else { Ok(()) }
    }
}

impl fmt::Debug for WebSocketPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// Header field of the WebSocket handshake.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderField {
    name: String,
    value: String,
}

impl HeaderField {
    /// Name of the field.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Value of the field.
    pub fn reveal(&self) -> &str {
        &self.value
    }
}

impl FromStr for HeaderField {
    type Err = String;

    /// The error shows no value.
    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "write it like `Authorization: Bearer TOKEN`";
        let Some((name, value)) = text.split_once(':') else {
            return Err(format!("a header has no colon after its name; {FORM}"));
        };
        let (name, value) = (name.trim(), value.trim());
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(format!(
                "a header has a name with other characters than letters, digits and `-`; {FORM}"
            ));
        }
        if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(format!(
                "the value of the header `{name}` has a control character, such as the end of a line"
            ));
        }
        if name.len() + value.len() > MAX {
            return Err(format!("the header `{name}` is longer than {MAX} bytes"));
        }
        let lower = name.to_ascii_lowercase();
        let is_own =
            ["upgrade", "connection", "content-length", "transfer-encoding"].contains(&lower.as_str());
        if is_own || lower.starts_with("sec-websocket-") {
            return Err(format!("the header `{name}` belongs to the handshake itself and cannot be set"));
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

impl fmt::Debug for HeaderField {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: (hidden)", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_checked_and_its_value_is_never_shown() {
        let field: HeaderField = "authorization:  Bearer s3cret ".parse().unwrap();
        assert_eq!((field.name(), field.reveal()), ("authorization", "Bearer s3cret"));
        assert_eq!(format!("{field:?}"), "authorization: (hidden)");
        for (text, expected) in [
            ("s3cret", "no colon"),
            (": s3cret", "with other characters"),
            ("X Y: s3cret", "with other characters"),
            ("X: s3cret\r\nY: z", "control character"),
            ("Upgrade: s3cret", "`Upgrade` belongs to the handshake itself"),
            ("sec-websocket-KEY: s3cret", "belongs to the handshake itself"),
        ] {
            let problem = text.parse::<HeaderField>().unwrap_err();
            assert!(problem.contains(expected) && !problem.contains("s3cret"), "{text}: {problem}");
        }
    }

    #[test]
    fn the_query_of_a_path_is_never_shown() {
        let path: WebSocketPath = "/mqtt?token=s3cret".parse().unwrap();
        assert_eq!((path.to_string(), path.reveal()), ("/mqtt?…".to_owned(), "/mqtt?token=s3cret"));
        assert_eq!(format!("{path:?}"), "/mqtt?…");
        for text in ["/a b?s3cret", "/a\u{1}?s3cret", "/ä?s3cret", "/x#y?s3cret", "mqtt?s3cret"] {
            let problem = text.parse::<WebSocketPath>().unwrap_err();
            assert!(problem.contains("the path `") && !problem.contains("s3cret"), "{text}: {problem}");
        }
    }
}
