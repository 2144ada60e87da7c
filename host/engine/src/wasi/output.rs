//! Standard output and error of a guest, converted to log lines.

use wasmote_sim::context::LogLevel;

/// Longest line; longer ones are split.
const MAX_LINE_BYTES: usize = 8 << 10;
/// Maximum number of lines in the buffer before the end of the call flushes it.
const MAX_BUFFERED_LINES: usize = 64;

/// One of the two output streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    Stdout,
    Stderr,
}

/// Buffered output of one instance.
#[derive(Debug, Default)]
pub(crate) struct WasiOutput {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    lines: Vec<(LogLevel, String)>,
}

impl WasiOutput {
    pub(super) fn write(&mut self, sink: Sink, bytes: &[u8]) {
        for &byte in bytes {
            let line = self.line(sink);
            if byte != b'\n' {
                line.push(byte);
            }
            if byte == b'\n' || line.len() >= MAX_LINE_BYTES {
                self.end_line(sink);
            }
        }
    }

    fn line(&mut self, sink: Sink) -> &mut Vec<u8> {
        match sink {
            Sink::Stdout => &mut self.stdout,
            Sink::Stderr => &mut self.stderr,
        }
    }

    fn end_line(&mut self, sink: Sink) {
        let line = std::mem::take(self.line(sink));
        let level = match sink {
            Sink::Stdout => LogLevel::Info,
            Sink::Stderr => LogLevel::Warn,
        };
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if !text.is_empty() && self.lines.len() < MAX_BUFFERED_LINES {
            self.lines.push((level, text.to_owned()));
        }
    }

    /// The lines of standard error that are in the buffer, as one text: all if they are few, else the first two and the last.
    pub(crate) fn errors(&self) -> Option<String> {
        const MOST: usize = 4;
        let unfinished = String::from_utf8_lossy(&self.stderr);
        let finished =
            self.lines.iter().filter(|(level, _)| *level == LogLevel::Warn).map(|(_, line)| &**line);
        let lines =
            finished.chain(std::iter::once(&*unfinished)).map(str::trim).filter(|line| !line.is_empty());
        let lines: Vec<&str> = lines.collect();
        let text = match &*lines {
            [] => return None,
            [first, second, .., last] if lines.len() > MOST => format!("{first} / {second} / … / {last}"),
            few => few.join(" / "),
        };
        Some(shortened(&text))
    }

    /// Takes all output as log lines, including an unfinished line.
    pub(crate) fn drain_lines(&mut self) -> Vec<(LogLevel, String)> {
        self.end_line(Sink::Stdout);
        self.end_line(Sink::Stderr);
        std::mem::take(&mut self.lines)
    }
}

/// A text for the reason of a trap, cut after some bytes.
pub(crate) fn shortened(text: &str) -> String {
    const BYTES: usize = 600;
    match text.len() > BYTES {
        true => format!("{}…", &text[..text.floor_char_boundary(BYTES)]),
        false => text.to_owned(),
    }
}
