//! What a guest writes to its standard output and error, as log lines.

use wasmote_sim::context::LogLevel;

/// Most bytes that are kept of a line that does not end.
const MAX_LINE_BYTES: usize = 8 << 10;
/// Most lines that are kept until an event takes them, as those written while an instance is made.
const MAX_BUFFERED_LINES: usize = 64;

/// Where the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sink {
    Stdout,
    Stderr,
}

/// What one instance has written and nobody has read.
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

    /// Everything as log lines, an unfinished line too.
    pub(crate) fn drain_lines(&mut self) -> Vec<(LogLevel, String)> {
        self.end_line(Sink::Stdout);
        self.end_line(Sink::Stderr);
        std::mem::take(&mut self.lines)
    }
}
