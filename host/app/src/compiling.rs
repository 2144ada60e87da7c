//! Messages about a component that is being compiled: a line that changes on a terminal, and otherwise one line if it takes long.

use std::fmt;
use std::io::{IsTerminal, Write, stderr};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use wasmote_engine::progress::{Compilation, Observation, observe};
use wasmote_fleet::printable::Printable;
use wasmote_fleet::term::to_stderr;

/// Compilations that take less have no message.
const SHORTEST_SHOWN: Duration = Duration::from_secs(1);
/// Interval of updates of the line.
const REDRAW_INTERVAL: Duration = Duration::from_millis(200);

/// Shows the compilations of this process from now on.
pub fn show() {
    observe(|compilation| {
        let (sender, ended) = mpsc::channel::<()>();
        // Without a thread there is no message, and the compilation goes on.
        let watcher = std::thread::Builder::new().name("compiling".into());
        let watcher = watcher.spawn(move || watch(&compilation, &ended, stderr().is_terminal()));
        Box::new(Showing { sender: Some(sender), watcher: watcher.ok() }) as Observation
    });
}

/// Ends its watcher when the compilation ends, so that its line is gone before the next message.
struct Showing {
    sender: Option<mpsc::Sender<()>>,
    watcher: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Showing {
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(watcher) = self.watcher.take() {
            let _ = watcher.join();
        }
    }
}

fn watch(compilation: &Compilation, ended: &Receiver<()>, is_terminal: bool) {
    let began = Instant::now();
    if !still_runs(ended, SHORTEST_SHOWN) {
        return;
    }
    if !is_terminal {
        to_stderr(format_args!("compiling {}; later starts find the code in the cache", What(compilation)));
        // It ends with the compilation.
        let _ = ended.recv();
        return;
    }
    loop {
        let mut line = stderr().lock();
        let seconds = began.elapsed().as_secs();
        // A terminal that cannot be written to shows nothing.
        let _ =
            write!(line, "\r\x1b[2Kcompiling {}: {seconds} s", What(compilation)).and_then(|()| line.flush());
        drop(line);
        if !still_runs(ended, REDRAW_INTERVAL) {
            let _ = write!(stderr(), "\r\x1b[2K");
            return;
        }
    }
}

/// Waits, and returns whether the compilation goes on.
fn still_runs(ended: &Receiver<()>, span: Duration) -> bool {
    ended.recv_timeout(span) == Err(RecvTimeoutError::Timeout)
}

/// Name and size of a component.
struct What<'a>(&'a Compilation);

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({:.1} MB)", Printable(&self.0.name), self.0.bytes as f64 / 1e6)
    }
}
