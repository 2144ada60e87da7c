//! Data to stdout and words to stderr. Whoever reads them may have gone, as `head` does; that is no error.

use std::fmt::Display;
use std::io::{Write, stdout};

use crate::logging;

/// A line of data.
pub fn to_stdout(line: impl Display) {
    let _ = writeln!(stdout().lock(), "{line}");
}

/// A line for the user.
pub fn to_stderr(line: impl Display) {
    logging::write_line(&line.to_string());
}
