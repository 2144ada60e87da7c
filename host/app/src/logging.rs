//! How log lines look: short for people, or JSON with stable fields. They go to stderr.

mod text;

use std::io::stderr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;

use crate::cli::style::shows_colours;
use crate::config::values::LogFormat;

/// The target of lines about a device; their fields are `device`, `group` and what the event has.
pub const DEVICE: &str = "wasmote::device";

/// What is written where `RUST_LOG` says nothing: the libraries only speak up when something is wrong.
const DEFAULT: &str = "warn,wasmote=info,wasmote_live=info,wasmote_engine=info";

/// Write log lines from now on. A second call changes nothing.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let _ = match format {
        LogFormat::Json => {
            let json = tracing_subscriber::fmt::format().json().flatten_event(true).with_span_list(false);
            let json = json.with_current_span(false);
            lines.fmt_fields(JsonFields::new()).event_format(json).try_init()
        }
        LogFormat::Text => {
            let text = text::Lines { colours: shows_colours(&stderr()) };
            lines.with_ansi(text.colours).event_format(text).try_init()
        }
    };
}
