//! Parser with limits.

use super::Value;
use crate::number;
use std::fmt;

/// Limits of a text.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Depth of nested arrays and objects.
    pub depth: u32,
    /// Number of values, including arrays and objects.
    pub values: u32,
}

impl Default for Limits {
    /// Sufficient for the messages of devices: depth 16, 4,096 values.
    fn default() -> Self {
        Limits { depth: 16, values: 4_096 }
    }
}

/// Reason why a text is not valid JSON, or exceeds the limits.
#[derive(Clone, Debug, PartialEq)]
pub struct ParseError {
    /// Offset of the byte in error.
    pub at: usize,
    /// The expected syntax, or the exceeded limit.
    pub reason: &'static str,
}

impl fmt::Display for ParseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} at byte {}", self.reason, self.at)
    }
}

impl std::error::Error for ParseError {}

/// Parses a JSON text with the default [`Limits`].
pub fn parse(text: &[u8]) -> Result<Value, ParseError> {
    parse_with_limits(text, Limits::default())
}

/// Parses a JSON text with other limits.
pub fn parse_with_limits(text: &[u8], limits: Limits) -> Result<Value, ParseError> {
    // Checked once here, so that slices between ASCII bytes are valid UTF-8.
    let text = str::from_utf8(text)
        .map_err(|error| ParseError { at: error.valid_up_to(), reason: "expected UTF-8" })?;
    // Some editors begin a text with a byte order mark (RFC 8259, 8.1).
    let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut parser = Parser { text, at, values: limits.values };
    let value = parser.value(limits.depth)?;
    parser.skip_whitespace();
    if parser.at < text.len() {
        return Err(parser.error("expected the end"));
    }
    Ok(value)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    values: u32,
}

impl Parser<'_> {
    fn error(&self, reason: &'static str) -> ParseError {
        ParseError { at: self.at, reason }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The text from an offset to the current position. The bytes at both ends are ASCII, so the slice is
    /// valid.
    fn slice_from(&self, from: usize) -> &str {
        self.text.get(from..self.at).unwrap_or_default()
    }

    fn starts_with_word(&self, word: &str) -> bool {
        self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word))
    }

    fn skip_whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn consume(&mut self, byte: u8) -> bool {
        self.skip_whitespace();
        let matched = self.peek() == Some(byte);
        self.at += usize::from(matched);
        matched
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, ParseError> {
        if self.starts_with_word(word) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.error("expected a value"))
        }
    }

    fn value(&mut self, depth: u32) -> Result<Value, ParseError> {
        self.skip_whitespace();
        self.values = self.values.checked_sub(1).ok_or_else(|| self.error("too many values"))?;
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Value::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(self.error("expected a value")),
        }
    }

    fn descend(&self, depth: u32) -> Result<u32, ParseError> {
        depth.checked_sub(1).ok_or_else(|| self.error("nested too deeply"))
    }

    fn list(&mut self, depth: u32) -> Result<Value, ParseError> {
        let depth = self.descend(depth)?;
        self.at += 1;
        let mut items = Vec::new();
        if self.consume(b']') {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            if self.consume(b']') {
                return Ok(Value::List(items));
            }
            if !self.consume(b',') {
                return Err(self.error("expected , or ]"));
            }
        }
    }

    fn object(&mut self, depth: u32) -> Result<Value, ParseError> {
        let depth = self.descend(depth)?;
        self.at += 1;
        let mut members = Vec::new();
        if self.consume(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_whitespace();
            if self.peek() != Some(b'"') {
                return Err(self.error("expected a name in quotes"));
            }
            let name = self.string()?;
            if !self.consume(b':') {
                return Err(self.error("expected :"));
            }
            members.push((name.into(), self.value(depth)?));
            if self.consume(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.consume(b',') {
                return Err(self.error("expected , or }"));
            }
        }
    }

    fn digits(&mut self) -> Result<(), ParseError> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == from { Err(self.error("expected a digit")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Value, ParseError> {
        let from = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let first = self.peek();
        let whole = self.at;
        self.digits()?;
        if first == Some(b'0') && self.at > whole + 1 {
            return Err(self.error("expected no leading zero"));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let text = self.slice_from(from);
        let number = number::parse(text).ok_or_else(|| self.error("number too large"))?;
        Ok(if number::is_canonical(text) { Value::Number(number) } else { Value::Literal(text.into()) })
    }

    fn string(&mut self) -> Result<String, ParseError> {
        self.at += 1;
        let mut text = String::new();
        let mut plain = self.at;
        loop {
            match self.peek() {
                None => return Err(self.error("expected a closing quote")),
                Some(b'"') => {
                    text.push_str(self.slice_from(plain));
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    text.push_str(self.slice_from(plain));
                    self.at += 1;
                    text.push(self.escape()?);
                    plain = self.at;
                }
                Some(0..0x20) => return Err(self.error("expected no control character")),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<char, ParseError> {
        let escaped = match self.peek() {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(plain @ (b'"' | b'\\' | b'/')) => char::from(plain),
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.error("expected an escape")),
        };
        self.at += 1;
        Ok(escaped)
    }

    fn unicode(&mut self) -> Result<char, ParseError> {
        let high = self.hex4()?;
        if !(0xd800..0xe000).contains(&high) {
            return char::from_u32(high).ok_or_else(|| self.error("expected a character"));
        }
        // A pair of surrogates encodes one character; a single surrogate is an error.
        if self.starts_with_word("\\u") {
            self.at += 2;
            let low = self.hex4()?;
            if high < 0xdc00 && (0xdc00..0xe000).contains(&low) {
                let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                return char::from_u32(code).ok_or_else(|| self.error("expected a character"));
            }
        }
        Err(self.error("expected a pair of surrogates"))
    }

    fn hex4(&mut self) -> Result<u32, ParseError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            code = code * 16 + digit.ok_or_else(|| self.error("expected four hex digits"))?;
            self.at += 1;
        }
        Ok(code)
    }
}
