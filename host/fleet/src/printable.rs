//! Text from outside, made safe for terminals and line-based files.
//!
//! Guests, brokers, devices and files supply texts. A control character in them can move the cursor, change the
//! terminal, or begin a line that looks like a line of another device. This module is the one place that replaces such
//! characters by visible escapes. Lines of the log, `logs/*.log`, `broker.log`, and the output of the program pass it.
//! Digests and `events.ndjson` keep the text as it is.

use std::fmt::{self, Display, Write};

/// A value whose text is one line without control characters. `\n` and `\t` become escapes, too.
#[derive(Clone, Copy, Debug)]
pub struct Printable<T>(pub T);

impl<T: Display> Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaper { out: f, escape: write_escape }, "{}", self.0)
    }
}

/// JSON text in which characters that control a terminal are escapes of JSON. The line breaks of pretty JSON stay.
///
/// JSON libraries escape only the controls below U+0020, which cannot occur in a string, and leave DEL, C1 controls and
/// bidirectional overrides as they are.
#[derive(Clone, Copy, Debug)]
pub struct PrintableJson<T>(pub T);

impl<T: Display> Display for PrintableJson<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaper { out: f, escape: write_json_escape }, "{}", self.0)
    }
}

/// True for a character that does not belong in a line: controls, line separators, and overrides of the direction of
/// writing.
pub fn is_unsafe(c: char) -> bool {
    // Controls are C0, DEL and C1.
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes a character as a visible escape, such as `\n`, `\x1b` or `\u{202e}`.
pub(crate) fn write_escape(out: &mut dyn Write, c: char) -> fmt::Result {
    match c {
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        '\0'..='\u{7f}' => write!(out, "\\x{:02x}", u32::from(c)),
        _ => write!(out, "\\u{{{:x}}}", u32::from(c)),
    }
}

/// Escapes with four digits are sufficient, because all unsafe characters are in the basic plane.
fn write_json_escape(out: &mut dyn Write, c: char) -> fmt::Result {
    match c {
        '\n' => out.write_char(c),
        _ => write!(out, "\\u{:04x}", u32::from(c)),
    }
}

/// Writer that replaces unsafe characters.
struct Escaper<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    escape: fn(&mut dyn Write, char) -> fmt::Result,
}

impl Write for Escaper<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut safe_from = 0;
        for (at, c) in text.char_indices().filter(|(_, c)| is_unsafe(*c)) {
            self.out.write_str(&text[safe_from..at])?;
            (self.escape)(self.out, c)?;
            safe_from = at + c.len_utf8();
        }
        self.out.write_str(&text[safe_from..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_line_separators_and_bidi_overrides_become_visible() {
        for (raw, shown) in [
            ("plain text, ü, 漢, 🌡", "plain text, ü, 漢, 🌡"),
            ("\u{1b}[31mred\u{1b}]0;title\u{7}", "\\x1b[31mred\\x1b]0;title\\x07"),
            ("nul\0del\u{7f}", "nul\\x00del\\x7f"),
            ("one\ntwo\r\nthree\tend", "one\\ntwo\\r\\nthree\\tend"),
            ("\u{9b}31m\u{85}", "\\u{9b}31m\\u{85}"),
            ("a\u{2028}b\u{2029}c", "a\\u{2028}b\\u{2029}c"),
            (
                "\u{202e}evil\u{202c}\u{2066}\u{2069}\u{200f}",
                "\\u{202e}evil\\u{202c}\\u{2066}\\u{2069}\\u{200f}",
            ),
        ] {
            assert_eq!(Printable(raw).to_string(), shown);
        }
    }

    #[test]
    fn json_keeps_its_value() {
        let value = serde_json::json!({"text": "\u{1b}[1m\u{9b}\u{7f}\u{202e}\u{2028}\n\tü"});
        let text = PrintableJson(format_args!("{value:#}")).to_string();
        assert!(text.chars().all(|c| c == '\n' || !is_unsafe(c)), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
