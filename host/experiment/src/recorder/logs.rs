//! `logs/<device>.log`: readable log of one device.

use std::fmt::{self, Write as _};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use wasmote_fleet::events::render::{EventText, message_line};
use wasmote_fleet::printable::Printable;
use wasmote_live::status::DeviceEvent;
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::time::WallTime;
use wasmote_sim::context::LogLevel;
use wasmote_sim::device::Now;

use super::line_writer::append;

/// Bytes of lines that are buffered per device. Files do not stay open, because a fleet can have more devices than a
/// process may have open files.
const BUFFER_SIZE: usize = 32 << 10;
/// Bytes of lines that are kept per device while the process has no descriptor for a file. HTTP clients may take all
/// descriptors for some seconds, which must not end a run of hours.
const MAX_KEPT: usize = 1 << 20;

pub(super) struct DeviceLogs {
    folder: PathBuf,
    logs: Vec<Log>,
}

struct Log {
    path: PathBuf,
    lines: String,
}

impl DeviceLogs {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let folder = folder.join("logs");
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, logs: Vec::new() })
    }

    pub(super) fn add(&mut self, identity: &Identity, behaviour: &str, at: Now) -> io::Result<()> {
        let path = self.folder.join(format!("{}.log", identity.id));
        let mut log = Log { path, lines: String::new() };
        log.line(
            at.wall,
            LogLevel::Info,
            format_args!("{} of group {}: {behaviour}", identity.id, identity.group),
        );
        // The file is written at once, so that every device has one.
        log.write()?;
        self.logs.push(log);
        Ok(())
    }

    pub(super) fn notice(&mut self, device: usize, happening: &DeviceEvent) -> io::Result<()> {
        let event = EventText::new(happening);
        let text = message_line(happening).unwrap_or(event.text);
        let log = &mut self.logs[device];
        log.line(happening.at.wall, event.level, format_args!("{text}"));
        if log.lines.len() >= BUFFER_SIZE { log.write_unless_out_of_descriptors() } else { Ok(()) }
    }

    /// Writes a line to the logs of all devices.
    pub(super) fn note(&mut self, at: Now, text: &str) {
        for log in &mut self.logs {
            log.line(at.wall, LogLevel::Info, format_args!("{text}"));
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.unwritten().try_for_each(Log::write_unless_out_of_descriptors)
    }

    /// Writes all lines at the end of a run.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.unwritten().try_for_each(Log::write)
    }

    fn unwritten(&mut self) -> impl Iterator<Item = &mut Log> {
        self.logs.iter_mut().filter(|log| !log.lines.is_empty())
    }
}

impl Log {
    fn line(&mut self, at: WallTime, level: LogLevel, text: fmt::Arguments<'_>) {
        let level = match level {
            LogLevel::Trace => "TRACE",
            LogLevel::Debug => "DEBUG",
            LogLevel::Info => "INFO",
            LogLevel::Warn => "WARN",
            LogLevel::Error => "ERROR",
        };
        // Writing to memory never fails.
        let _ = writeln!(self.lines, "{} {level:5} {}", Timestamp(at), Printable(text));
    }

    /// Writes the lines, or keeps them for a later attempt.
    fn write_unless_out_of_descriptors(&mut self) -> io::Result<()> {
        match self.write() {
            Err(problem) if is_out_of_descriptors(&problem) && self.lines.len() < MAX_KEPT => Ok(()),
            outcome => outcome,
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        let mut length = file.metadata()?.len();
        append(&mut file, &mut length, self.lines.as_bytes())?;
        self.lines.clear();
        Ok(())
    }
}

/// Whether the process (`EMFILE`) or the system (`ENFILE`) has too many open files.
fn is_out_of_descriptors(problem: &io::Error) -> bool {
    cfg!(unix) && matches!(problem.raw_os_error(), Some(23 | 24))
}

/// Wall-clock time, formatted in UTC with milliseconds.
pub(super) struct Timestamp(pub(super) WallTime);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = UNIX_EPOCH + Duration::from_nanos(self.0.as_nanos());
        humantime::format_rfc3339_millis(time).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_hostile_guest_is_one_line_without_controls() {
        let mut log = Log { path: PathBuf::new(), lines: String::new() };
        let text = "done\n1970-01-01T00:00:00.000Z INFO  forged \x1b[2J\t\u{202e}";
        log.line(WallTime::default(), LogLevel::Info, format_args!("{text}"));
        let shown = "INFO  done\\n1970-01-01T00:00:00.000Z INFO  forged \\x1b[2J\\t\\u{202e}\n";
        assert_eq!(log.lines, format!("1970-01-01T00:00:00.000Z {shown}"));
    }
}
