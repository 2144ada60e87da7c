//! The queue in front of stderr.
//!
//! Writers never block on stderr. One thread empties the queue. While stderr is not read and the queue is full, in lines or in
//! bytes, further lines are dropped and counted, and their number is logged at the end of the program.

use std::io::{self, Write, stderr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::{Duration, Instant};

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;

/// Capacity of the queue.
const MAX_QUEUED_LINES: usize = 32_768;
/// Capacity of the queue in bytes.
const MAX_QUEUED_BYTES: usize = 16 << 20;
/// Longest wait for the queue at the end of the program.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

static QUEUE: OnceLock<Queue> = OnceLock::new();

struct Queue {
    lines: NonBlocking,
    /// Keeps the thread that empties the queue; dropped at the end.
    guard: Mutex<Option<WorkerGuard>>,
}

/// Bytes in the queue.
static QUEUED_BYTES: AtomicUsize = AtomicUsize::new(0);
/// Lines that were dropped because the queue had too many bytes.
static DROPPED_LINES: AtomicUsize = AtomicUsize::new(0);

/// Writer of the queue that drops lines beyond its bytes.
#[derive(Clone, Debug)]
pub struct BoundedLines(NonBlocking);

impl Write for BoundedLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if QUEUED_BYTES.fetch_add(line.len(), Ordering::Relaxed) + line.len() > MAX_QUEUED_BYTES {
            QUEUED_BYTES.fetch_sub(line.len(), Ordering::Relaxed);
            DROPPED_LINES.fetch_add(1, Ordering::Relaxed);
            return Ok(line.len());
        }
        let dropped = self.0.error_counter().dropped_lines();
        let written = self.0.write(line);
        if self.0.error_counter().dropped_lines() > dropped {
            // The queue had no space for another line. Lines that other threads drop at the same time may be counted
            // here instead, which only lets the queue take some more bytes.
            release(line.len());
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<'a> MakeWriter<'a> for BoundedLines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Returns bytes to the queue.
fn release(bytes: usize) {
    let less = |queued: usize| Some(queued.saturating_sub(bytes));
    let _ = QUEUED_BYTES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
}

/// Stderr, which returns the bytes of written lines to the queue.
struct CountedStderr(io::Stderr);

impl Write for CountedStderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.0.write(bytes)?;
        release(written);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// True if stderr shows colours.
pub fn has_colours() -> bool {
    AutoStream::choice(&stderr()) != ColorChoice::Never
}

/// The writer of the queue, which is created by the first call.
pub fn queue() -> BoundedLines {
    BoundedLines(QUEUE.get_or_init(Queue::new).lines.clone())
}

/// Writes a line behind those in the queue.
pub(super) fn write_line(line: &str) {
    let line = if has_colours() { format!("{line}\n") } else { format!("{}\n", strip_str(line)) };
    let _ = match QUEUE.get() {
        Some(queue) => BoundedLines(queue.lines.clone()).write_all(line.as_bytes()),
        None => stderr().lock().write_all(line.as_bytes()),
    };
}

/// Writes the lines in the queue, as long as stderr is read. Later lines are not written.
pub fn finish() {
    let Some(queue) = QUEUE.get() else { return };
    queue.report_lost_lines();
    let Some(guard) = queue.guard.lock().ok().and_then(|mut guard| guard.take()) else { return };
    let (done, ended) = mpsc::channel::<()>();
    // Dropping the guard waits for stderr, possibly for ever.
    let flush = move || {
        drop(guard);
        drop(done);
    };
    // A system without another thread drops the guard here.
    if std::thread::Builder::new().spawn(flush).is_ok() {
        let _ = ended.recv_timeout(FLUSH_TIMEOUT);
    }
}

impl Queue {
    fn new() -> Self {
        let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(MAX_QUEUED_LINES);
        let (lines, guard) = builder.thread_name("stderr").finish(CountedStderr(stderr()));
        Self { lines, guard: Mutex::new(Some(guard)) }
    }

    /// Logs the number of lost lines as soon as the queue has space.
    fn report_lost_lines(&self) {
        let counter = self.lines.error_counter();
        let lost = counter.dropped_lines() + DROPPED_LINES.load(Ordering::Relaxed);
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
