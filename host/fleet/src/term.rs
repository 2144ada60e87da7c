//! The terminal: lines to stdout and stderr, and their colours.
//!
//! Callers always write the styles of this module. A stream that shows no colours gets the text without them: one that
//! is no terminal, or when `NO_COLOR` or `CLICOLOR=0` is set. `CLICOLOR_FORCE` keeps the colours in pipes.
//!
//! A reader that closes its end early, as `head` does, is no error.
//!
//! * [`stderr`]: the queue in front of stderr, which log lines use, too.

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

/// Writes a line for the user to stderr, after all that was logged before.
pub fn to_stderr(line: impl Display) {
    stderr::write_line(&line.to_string());
}
