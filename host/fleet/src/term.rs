//! The terminal: lines to stdout and stderr, and their colours.
//!
//! Callers always write the styles of this module. Colours are removed for a stream
//! that is not a terminal, or when `NO_COLOR` or `CLICOLOR=0` is set. `CLICOLOR_FORCE` keeps the colours in pipes.
//!
//! A reader that closes its end early, as `head` does, is not an error.
//!
//! * [`stderr`]: the queue in front of stderr, which log lines also use.

pub mod stderr;

use std::fmt::Display;
use std::io::Write;

use anstyle::{AnsiColor, Style};

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

/// Writes a line of data to stdout.
pub fn to_stdout(line: impl Display) {
    let _ = writeln!(anstream::stdout().lock(), "{line}");
}

/// Writes a line for the user to stderr, after all earlier log lines.
pub fn to_stderr(line: impl Display) {
    stderr::write_line(&line.to_string());
}
