//! How log lines look: short for people, or JSON with stable fields. They go to stderr.
//!
//! Nothing ever waits for stderr. Lines go through a queue that one thread empties; when nobody reads them
//! and the queue is full, further ones are lost and counted, and the end of the program says how many.

mod rate_limit;
mod text;

use std::io::{Write, stderr};
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::{Duration, Instant};

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::JsonFields;

use crate::cli::style::shows_colours;
use crate::config::values::LogFormat;
pub use rate_limit::RateLimit;

/// The target of lines about a device; their fields are `device`, `group` and what the event has.
pub const DEVICE: &str = "wasmote::device";

/// What is written where `RUST_LOG` says nothing: the libraries only speak up when something is wrong.
const DEFAULT_FILTER: &str = "warn,wasmote=info,wasmote_live=info,wasmote_engine=info";
/// Lines that may wait to be read.
const MAX_QUEUED_LINES: usize = 32_768;
/// How long the end waits for them.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

static STDERR: OnceLock<Queue> = OnceLock::new();

/// The queue before stderr, and what its thread lives by.
struct Queue {
    lines: NonBlocking,
    guard: Mutex<Option<WorkerGuard>>,
}

/// Write log lines from now on. A second call changes nothing.
pub fn start(format: LogFormat) {
    let lines = STDERR.get_or_init(Queue::new).lines.clone();
    let lines = tracing_subscriber::fmt().with_env_filter(filter()).with_writer(lines);
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

/// Write a line for the user, after all that was logged before.
pub fn write_line(line: &str) {
    let line = format!("{line}\n");
    // Whoever reads may have gone, as `head` does; that is no error.
    let _ = match STDERR.get() {
        Some(queue) => queue.lines.clone().write_all(line.as_bytes()),
        None => stderr().lock().write_all(line.as_bytes()),
    };
}

/// Let the last lines out, for as long as somebody reads them. Later ones are not written.
pub fn finish() {
    let Some(queue) = STDERR.get() else { return };
    queue.report_lost_lines();
    let Some(guard) = queue.guard.lock().ok().and_then(|mut guard| guard.take()) else { return };
    let (done, ended) = mpsc::channel::<()>();
    // To let go of the guard is to wait for stderr, which may take for ever.
    std::thread::spawn(move || {
        drop(guard);
        drop(done);
    });
    let _ = ended.recv_timeout(FLUSH_TIMEOUT);
}

fn filter() -> EnvFilter {
    let chosen = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let chosen = if chosen.trim().is_empty() { DEFAULT_FILTER.into() } else { chosen };
    EnvFilter::try_new(chosen).unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER))
}

impl Queue {
    fn new() -> Self {
        let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(MAX_QUEUED_LINES);
        let (lines, guard) = builder.thread_name("stderr").finish(stderr());
        Self { lines, guard: Mutex::new(Some(guard)) }
    }

    /// Say how many lines were lost, once there is room for a line that says so.
    fn report_lost_lines(&self) {
        let counter = self.lines.error_counter();
        let lost = counter.dropped_lines();
        let end = Instant::now() + FLUSH_TIMEOUT;
        while lost > 0 && Instant::now() < end {
            let before = counter.dropped_lines();
            tracing::warn!("{lost} lines are missing above, as stderr was not read fast enough");
            if counter.dropped_lines() == before {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
