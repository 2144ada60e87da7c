//! Format of text log lines: time, level, device, and message.

use std::fmt::{self, Write};
use std::time::SystemTime;

use anstyle::Style;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use super::DEVICE;
use crate::term::{ERROR, FAINT, STRONG, WARNING};

/// Formatter of lines.
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    /// True if stderr shows colours.
    pub colours: bool,
}

/// The parts of a line.
#[derive(Default)]
struct LineFields {
    device: String,
    message: String,
    other_fields: String,
}

impl Visit for LineFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "device" => write!(self.device, "{value:?}"),
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.other_fields, " {name}={value:?}"),
        };
    }
}

impl Lines {
    fn style(self, style: Style) -> Style {
        if self.colours { style } else { Style::new() }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = LineFields::default();
        event.record(&mut fields);
        let time = humantime::format_rfc3339_millis(SystemTime::now());
        let level = *event.metadata().level();
        let faint = self.style(FAINT);
        let level_style = self.style(match level {
            Level::ERROR => ERROR,
            Level::WARN => WARNING,
            Level::INFO => Style::new(),
            _ => FAINT,
        });
        write!(line, "{faint}{time}{faint:#} {level_style}{level:5}{level_style:#} ")?;
        if !fields.device.is_empty() {
            let strong = self.style(STRONG);
            write!(line, "{strong}{}{strong:#} ", fields.device)?;
        }
        // The message about a device contains the values of its fields.
        let other_fields = if event.metadata().target() == DEVICE { "" } else { &fields.other_fields };
        writeln!(line, "{}{other_fields}", fields.message)
    }
}
