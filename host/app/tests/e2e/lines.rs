//! Output lines of a child process.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Default timeout of waiting in tests.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Lines read so far from a stream.
#[derive(Clone, Default)]
pub struct Lines(Arc<(Mutex<Buffer>, Condvar)>);

#[derive(Default)]
struct Buffer {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    /// Starts a thread that reads a stream.
    pub fn of(stream: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let reader = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                reader.lock().lines.push(line);
                reader.0.1.notify_all();
            }
            reader.lock().ended = true;
            reader.0.1.notify_all();
        });
        lines
    }

    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.0.0.lock().expect("readers do not panic")
    }

    /// All lines so far.
    pub fn all(&self) -> Vec<String> {
        self.lock().lines.clone()
    }

    pub fn count(&self, wanted: impl Fn(&str) -> bool) -> usize {
        self.lock().lines.iter().filter(|line| wanted(line)).count()
    }

    /// Waits until `count` lines match, and returns the matching lines.
    pub fn wait(&self, count: usize, timeout: Duration, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let end = Instant::now() + timeout;
        let mut read = self.lock();
        loop {
            let found: Vec<String> = read.lines.iter().filter(|line| wanted(line)).cloned().collect();
            if found.len() >= count {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !read.ended,
                "{} of {count} wanted lines within {timeout:?} ({}); the last lines are:\n{}",
                found.len(),
                if read.ended { "the stream ended" } else { "the stream is open" },
                read.lines[read.lines.len().saturating_sub(30)..].join("\n")
            );
            read = self.0.1.wait_timeout(read, left).expect("readers do not panic").0;
        }
    }

    /// Waits for a line that contains this text.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait(1, DEFAULT_TIMEOUT, |line| line.contains(text)).swap_remove(0)
    }

    /// Waits for the end of the stream, and returns all lines.
    pub fn to_end(&self) -> Vec<String> {
        let end = Instant::now() + DEFAULT_TIMEOUT;
        let mut read = self.lock();
        while !read.ended {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the stream does not end");
            read = self.0.1.wait_timeout(read, left).expect("readers do not panic").0;
        }
        read.lines.clone()
    }
}
