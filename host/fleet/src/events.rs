//! Events of devices as log lines.

pub mod content;
mod dedup;
mod refusal_limit;
pub mod render;
pub mod steps;

use std::pin::pin;
use std::time::Duration;

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{MissedTickBehavior, interval};
use wasmote_live::events::{EventFilter, EventReceiver};
use wasmote_live::status::DeviceEvent;
use wasmote_sim::behaviour::TrapKind;
use wasmote_sim::context::LogLevel;
use wasmote_sim::notice::DeviceNotice;

use crate::config::values::LogFormat;
use crate::logging::{DEVICE, RateLimit};
use dedup::Dedup;
use refusal_limit::RefusalLimit;
use render::{EventText, event_kind, message_line};

/// Writer of device events to the log.
#[derive(Clone, Copy, Debug)]
pub struct EventLogger {
    /// Whether each message that is sent, received or dropped gets a line, too.
    pub messages: bool,
    /// Format of the lines.
    pub format: LogFormat,
}

/// Interval of warnings about missed events.
const LAG_WARNING_INTERVAL: Duration = Duration::from_secs(5);
/// Interval at which repeated lines of many devices are summarized.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(1);

/// State of a running [`EventLogger`].
struct LoggerState {
    logger: EventLogger,
    dedup: Dedup,
    refusals: RefusalLimit,
    /// Events that are missing from the log and not reported yet.
    missed: u64,
    missed_warnings: RateLimit,
}

/// Writes a line at a level that is known only at run time. The names of the fields are an interface for readers of JSON
/// lines.
macro_rules! write_line {
    ($level:expr, $($line:tt)*) => {
        match $level {
            LogLevel::Trace => tracing::trace!(target: DEVICE, $($line)*),
            LogLevel::Debug => tracing::debug!(target: DEVICE, $($line)*),
            LogLevel::Info => tracing::info!(target: DEVICE, $($line)*),
            LogLevel::Warn => tracing::warn!(target: DEVICE, $($line)*),
            LogLevel::Error => tracing::error!(target: DEVICE, $($line)*),
        }
    };
}

impl EventLogger {
    /// Filter for the events that may get a line.
    pub fn interest(self) -> EventFilter {
        let detailed = self.messages || tracing::enabled!(target: DEVICE, tracing::Level::DEBUG);
        if detailed { EventFilter::All } else { EventFilter::Notable }
    }

    /// Writes lines until `end`, and then those of the events that are still queued.
    pub async fn run(self, mut events: EventReceiver, end: impl Future<Output = ()>) {
        let mut log = LoggerState {
            logger: self,
            dedup: Dedup::default(),
            refusals: RefusalLimit::default(),
            missed: 0,
            missed_warnings: RateLimit::every(LAG_WARNING_INTERVAL),
        };
        let mut ticks = interval(SUMMARY_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut end = pin!(end);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => log.handle(&event),
                    Err(RecvError::Lagged(missed)) => log.missed += missed,
                    Err(RecvError::Closed) => break,
                },
                _ = ticks.tick() => log.log_summary(),
                () = &mut end => break,
            }
        }
        loop {
            match events.try_recv() {
                Ok(event) => log.handle(&event),
                Err(TryRecvError::Lagged(missed)) => log.missed += missed,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        log.missed_warnings = RateLimit::every(Duration::ZERO);
        log.log_summary();
        log.refusals.flush();
    }

    fn write(self, event: &DeviceEvent) {
        let is_message = match &event.notice {
            DeviceNotice::Dropped(_, cause, _) => !cause.is_refusal_of_broker(),
            DeviceNotice::Sent(..) | DeviceNotice::Received(..) => true,
            _ => false,
        };
        if (is_message && !self.messages) || !event.in_log {
            return;
        }
        let rendered = EventText::new(event);
        // A JSON line has topic and payload as fields; a text line has them in its message.
        let text = match self.format {
            LogFormat::Text => message_line(event).unwrap_or(rendered.text),
            LogFormat::Json => rendered.text,
        };
        write_line!(
            rendered.level,
            device = event.device.id.as_str(),
            group = &*event.device.group,
            kind = rendered.kind,
            topic = rendered.topic,
            payload = rendered.payload.as_deref(),
            latency_s = rendered.latency_s,
            fault = rendered.fault,
            reason = rendered.reason.as_deref(),
            ends_after_s = rendered.ends_after_s,
            again_after_s = rendered.again_after_s,
            packet = rendered.packet,
            code = rendered.code,
            code_name = rendered.code_name,
            reason_string = rendered.reason_string.as_deref(),
            version = rendered.version.as_deref(),
            "{text}"
        );
    }
}

impl LoggerState {
    fn handle(&mut self, event: &DeviceEvent) {
        match &event.notice {
            notice if event_kind(notice) == "refused" && !self.refusals.admits(event) => return,
            // All devices of a group have one configuration, so the others refuse it for the same reason.
            DeviceNotice::Trapped(trap, None)
                if trap.kind == TrapKind::Refused && !self.dedup.is_new(&event.device.group, trap) =>
            {
                return;
            }
            _ => {}
        }
        self.logger.write(event);
    }

    /// Writes the summary of repeated lines, and the number of missed events.
    fn log_summary(&mut self) {
        self.dedup.flush();
        self.refusals.tick();
        if self.missed == 0 || !self.missed_warnings.is_due() {
            return;
        }
        let missed = std::mem::take(&mut self.missed);
        match self.logger.format {
            LogFormat::Text => {
                tracing::warn!("the log could not keep up; {missed} events are not in it");
            }
            LogFormat::Json => tracing::warn!(missed, "the log could not keep up; events are missing"),
        }
    }
}
