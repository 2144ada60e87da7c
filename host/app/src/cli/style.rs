//! Colours, where somebody can see them.

use std::fmt;
use std::io::IsTerminal;

/// A colour: `{it}` begins it and `{it:#}` ends it.
#[derive(Clone, Copy, Debug)]
pub struct Style(&'static str);

/// Something went wrong.
pub const ERROR: Style = Style("1;31");
/// Something is out of the ordinary.
pub const WARNING: Style = Style("33");
/// Something to look at.
pub const STRONG: Style = Style("1");
/// Something to look past.
pub const FAINT: Style = Style("2");
/// All is well.
pub const GOOD: Style = Style("32");
/// No colour.
pub const PLAIN: Style = Style("");

impl Style {
    /// This colour if the stream shows colours, otherwise none.
    pub fn on(self, stream: &impl IsTerminal) -> Self {
        if shows_colours(stream) { self } else { PLAIN }
    }
}

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, f.alternate()) {
            ("", _) => Ok(()),
            (code, false) => write!(f, "\x1b[{code}m"),
            (_, true) => f.write_str("\x1b[0m"),
        }
    }
}

/// A terminal, unless `NO_COLOR` is set to anything (no-color.org).
pub fn shows_colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
