//! What devices do, as lines in the log.

mod dedup;
pub mod render;

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
use render::{EventText, message_line};

/// What to write.
#[derive(Clone, Copy, Debug)]
pub struct EventLogger {
    /// Each message that is sent, received or lost, too.
    pub messages: bool,
    /// For people, or for programs.
    pub format: LogFormat,
}

/// How often the log says that it could not keep up.
const LAG_WARNING_INTERVAL: Duration = Duration::from_secs(5);
/// How often it sums up what many devices say alike.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(1);

/// What the log knows beside its lines.
struct LoggerState {
    logger: EventLogger,
    dedup: Dedup,
    /// Events that are not in it, and were not told yet.
    missed: u64,
    missed_warnings: RateLimit,
    last_refusal: Option<String>,
}

/// An event at a level that is only known now; the fields' names are what readers of JSON lines rely on.
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
    /// What there may be a line for.
    pub fn interest(self) -> EventFilter {
        let detailed = self.messages || tracing::enabled!(target: DEVICE, tracing::Level::DEBUG);
        if detailed { EventFilter::All } else { EventFilter::Notable }
    }

    /// Write lines until the end, and what has happened until then. Returns why a device was last without
    /// its connection, if one ever was.
    pub async fn run(self, mut events: EventReceiver, end: impl Future<Output = ()>) -> Option<String> {
        let mut log = LoggerState {
            logger: self,
            dedup: Dedup::default(),
            missed: 0,
            missed_warnings: RateLimit::every(LAG_WARNING_INTERVAL),
            last_refusal: None,
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
        log.last_refusal
    }

    fn write(self, event: &DeviceEvent) {
        let is_message = matches!(
            event.notice,
            DeviceNotice::Sent(..) | DeviceNotice::Received(..) | DeviceNotice::Dropped(..)
        );
        if is_message && !self.messages {
            return;
        }
        let rendered = EventText::new(event);
        // A line of JSON has topic and payload as fields; a line for people has them in its text.
        let text = match self.format {
            LogFormat::Text => message_line(&event.notice).unwrap_or(rendered.text),
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
            version = rendered.version.as_deref(),
            "{text}"
        );
    }
}

impl LoggerState {
    fn handle(&mut self, event: &DeviceEvent) {
        match &event.notice {
            DeviceNotice::Disconnected(reason, _) => self.last_refusal = Some(reason.clone()),
            // What one device of a group cannot be configured to do, the others cannot either.
            DeviceNotice::Trapped(trap, None)
                if trap.kind == TrapKind::Refused && !self.dedup.is_new(&event.device.group, trap) =>
            {
                return;
            }
            _ => {}
        }
        self.logger.write(event);
    }

    /// Say what many devices said alike, and what is not in the log.
    fn log_summary(&mut self) {
        self.dedup.flush();
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
