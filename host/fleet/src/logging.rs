//! Log lines on stderr: short text, or JSON with stable fields.

mod json;
mod rate_limit;
mod text;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;

use crate::config::values::LogFormat;
use crate::term::stderr;
pub use rate_limit::RateLimit;

/// The target of lines about a device; their fields are `device`, `group` and those of the event.
pub const DEVICE: &str = "wasmote::device";

/// Filter when `RUST_LOG` is not set: only warnings and errors of libraries.
const DEFAULT_FILTER: &str = "warn,wasmote=info,wasmote_live=info,wasmote_engine=info";

/// Writes log lines from now on. A second call changes nothing.
pub fn start(format: LogFormat) {
    let lines = tracing_subscriber::fmt().with_env_filter(filter()).with_writer(stderr::queue());
    let _ = match format {
        LogFormat::Json => {
            let format = tracing_subscriber::fmt::format().json().flatten_event(true).with_span_list(false);
            let format = format.with_current_span(false);
            lines.fmt_fields(JsonFields::new()).event_format(json::JsonLines(format)).try_init()
        }
        LogFormat::Text => {
            let text = text::Lines { colours: stderr::has_colours() };
            lines.with_ansi(text.colours).event_format(text).try_init()
        }
    };
}

fn filter() -> EnvFilter {
    let chosen = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let chosen = if chosen.trim().is_empty() { DEFAULT_FILTER.into() } else { chosen };
    EnvFilter::try_new(chosen).unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER))
}
