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
use crate::printable::Printable;
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
            write!(line, "{strong}{}{strong:#} ", Printable(&fields.device))?;
        }
        // The message about a device contains the values of its fields.
        let other_fields = if event.metadata().target() == DEVICE { "" } else { &fields.other_fields };
        writeln!(line, "{}{}", Printable(&fields.message), Printable(other_fields))
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::format::JsonFields;

    use super::*;
    use crate::logging::json::JsonLines;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    /// Logs texts of a guest, of a broker and of a client in all kinds of fields.
    fn log_hostile_texts() {
        let (guest, topic) =
            ("done\n2026-01-01T00:00:00.000Z  INFO good-0 forged\x1b]0;t\x07", "a/\u{9b}2J\u{202e}b");
        tracing::info!(target: DEVICE, device = "bad-0\x7f", topic, "{guest}");
        tracing::warn!(%topic, "the broker refused it: {}", "reason\r\0\u{2028}");
    }

    #[test]
    fn a_text_line_of_hostile_texts_is_one_line_without_controls() {
        let written = Written::default();
        let writer = written.clone();
        let lines = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false);
        tracing::subscriber::with_default(
            lines.event_format(Lines { colours: false }).finish(),
            log_hostile_texts,
        );
        let text = written.text();
        assert_eq!(text.lines().count(), 2, "{text:?}");
        assert!(text.chars().all(|c| c == '\n' || !crate::printable::is_unsafe(c)), "{text:?}");
        assert!(text.contains("bad-0\\x7f done\\n2026-"), "{text}");
        assert!(text.contains("forged\\x1b]0;t\\x07\n"), "{text}");
        assert!(text.contains("reason\\r\\x00\\u{2028} topic=a/\\u{9b}2J\\u{202e}b"), "{text}");
    }

    #[test]
    fn a_json_line_of_hostile_texts_keeps_them_as_escapes() {
        let written = Written::default();
        let writer = written.clone();
        let format = tracing_subscriber::fmt::format().json().flatten_event(true);
        let lines =
            tracing_subscriber::fmt().with_writer(move || writer.clone()).fmt_fields(JsonFields::new());
        tracing::subscriber::with_default(lines.event_format(JsonLines(format)).finish(), log_hostile_texts);
        let text = written.text();
        assert!(text.chars().all(|c| c == '\n' || !crate::printable::is_unsafe(c)), "{text:?}");
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["device"], "bad-0\x7f");
        assert_eq!(lines[0]["topic"], "a/\u{9b}2J\u{202e}b");
        assert_eq!(lines[1]["message"], "the broker refused it: reason\r\0\u{2028}");
    }
}
