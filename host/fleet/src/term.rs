//! The terminal: lines to stdout and stderr, and their colours.
//!
//! Callers always write the styles of this module. Colours are removed for a stream
//! that is not a terminal, or when `NO_COLOR` or `CLICOLOR=0` is set. `CLICOLOR_FORCE` keeps the colours in pipes.
//!
//! A reader that closes its end early, as `head` does, is not an error. Any other error of stdout, such as a full disk, is kept
//! for the end of the program: see [`take_stdout_error`].
//!
//! * [`stderr`]: the queue in front of stderr, which log lines also use.

pub mod stderr;

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};

use crate::printable::{PrintableJson, is_unsafe, write_escape};

/// Errors.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();
/// Warnings.
pub const WARNING: Style = AnsiColor::Yellow.on_default();
/// Names and headings.
pub const STRONG: Style = Style::new().bold();
/// Details of less interest.
pub const FAINT: Style = Style::new().dimmed();
/// Success.
pub const GOOD: Style = AnsiColor::Green.on_default();

/// Sequence that clears the screen, which callers may write like a style.
pub const CLEAR_SCREEN: &str = "\x1b[H\x1b[2J";

/// Writes a line of data to stdout.
pub fn to_stdout(line: impl Display) {
    keep_error(writeln!(anstream::stdout().lock(), "{}", escape_foreign(&line.to_string())));
}

/// Writes JSON to stdout.
pub fn json_to_stdout(json: impl Display) {
    keep_error(writeln!(anstream::stdout().lock(), "{}", PrintableJson(json)));
}

/// The first error of stdout.
static STDOUT_ERROR: Mutex<Option<io::Error>> = Mutex::new(None);

fn keep_error(outcome: io::Result<()>) {
    if let Err(problem) = outcome
        && problem.kind() != io::ErrorKind::BrokenPipe
    {
        STDOUT_ERROR.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(problem);
    }
}

/// Takes the first error of stdout. A program whose output is lost has failed, whatever it did before.
pub fn take_stdout_error() -> Option<io::Error> {
    STDOUT_ERROR.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Writes a line for the user to stderr, after all earlier log lines.
pub fn to_stderr(line: impl Display) {
    stderr::write_line(&escape_foreign(&line.to_string()));
}

/// Escapes everything that can control a terminal and is not from this module. Line breaks stay, because tables have
/// several lines; a text from outside that must stay on its line is [`Printable`](crate::printable::Printable).
fn escape_foreign(text: &str) -> String {
    let ours: Vec<String> = [ERROR, WARNING, STRONG, FAINT, GOOD]
        .iter()
        .flat_map(|style| [style.render().to_string(), style.render_reset().to_string()])
        .chain([CLEAR_SCREEN.to_owned()])
        .collect();
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let sequence = match c {
            '\x1b' => ours.iter().find(|sequence| rest.starts_with(sequence.as_str())),
            _ => None,
        };
        let taken = sequence.map_or(c.len_utf8(), String::len);
        if sequence.is_some() || c == '\n' || !is_unsafe(c) {
            clean.push_str(&rest[..taken]);
        } else {
            let _ = write_escape(&mut clean, c);
        }
        rest = &rest[taken..];
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_styles_and_line_breaks_stay_and_foreign_controls_become_visible() {
        let own = format!("{CLEAR_SCREEN}{ERROR}error:{ERROR:#} {FAINT}a{FAINT:#}\n{WARNING}b{WARNING:#}");
        assert_eq!(escape_foreign(&own), own);
        assert_eq!(escape_foreign("\x1b]0;t\x07\x1b[2Kü\u{202e}\0"), "\\x1b]0;t\\x07\\x1b[2Kü\\u{202e}\\x00");
    }
}
