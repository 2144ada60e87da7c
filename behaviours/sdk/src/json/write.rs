//! Compact writer, without line breaks.
//!
//! It appends bytes to a buffer and does not use the formatting of the standard library, which would dominate
//! the cost of a report.

use super::Value;
use crate::number::shortest;
use std::fmt;

impl Value {
    /// The JSON text as bytes, for a payload.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(INITIAL_CAPACITY);
        self.write(&mut text);
        text
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(true) => out.extend_from_slice(b"true"),
            Value::Bool(false) => out.extend_from_slice(b"false"),
            Value::Number(number) if number.is_finite() => shortest(*number).write(out),
            Value::Number(_) => out.extend_from_slice(b"null"),
            Value::Literal(text) => out.extend_from_slice(text.as_bytes()),
            Value::Text(text) => write_text(out, text),
            Value::List(items) => {
                out.push(b'[');
                for (position, item) in items.iter().enumerate() {
                    separate(out, position);
                    item.write(out);
                }
                out.push(b']');
            }
            Value::Object(members) => {
                out.push(b'{');
                for (position, (name, value)) in members.iter().enumerate() {
                    separate(out, position);
                    write_text(out, name);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

/// Initial capacity, which suffices for most reports.
const INITIAL_CAPACITY: usize = 128;

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

fn separate(out: &mut Vec<u8>, position: usize) {
    if position > 0 {
        out.push(b',');
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if text.bytes().any(is_special) {
        text.bytes().for_each(|byte| write_byte(out, byte));
    } else {
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
}

/// True if a byte must be escaped in a string.
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn write_byte(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0..0x20 => {
            out.extend_from_slice(if byte < 0x10 { b"\\u000" } else { b"\\u001" });
            let digit = byte % 16;
            out.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
        }
        _ => out.push(byte),
    }
}
