//! Format of JSON log lines.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use crate::printable::PrintableJson;

/// Formatter of JSON lines whose strings contain no characters that control a terminal.
#[derive(Clone, Copy, Debug)]
pub struct JsonLines<F>(pub F);

impl<S, N, F> FormatEvent<S, N> for JsonLines<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut line: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut json = String::new();
        self.0.format_event(context, Writer::new(&mut json), event)?;
        write!(line, "{}", PrintableJson(json))
    }
}
