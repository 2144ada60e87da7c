//! What devices do, as lines in the log.

mod repeats;
pub mod told;

use std::pin::pin;
use std::time::Duration;

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{MissedTickBehavior, interval};
use wasmote_live::status::Happening;
use wasmote_live::watchers::{Interest, Watch};
use wasmote_sim::action::Notice;
use wasmote_sim::behaviour::TrapKind;
use wasmote_sim::context::LogLevel;

use crate::config::values::LogFormat;
use crate::logging::{DEVICE, Seldom};
use repeats::Repeats;
use told::{Told, message_line};

/// What to write.
#[derive(Clone, Copy, Debug)]
pub struct Observer {
    /// Each message that is sent, received or lost, too.
    pub messages: bool,
    /// For people, or for programs.
    pub format: LogFormat,
}

/// How often the log says that it could not keep up.
const LAG_TOLD: Duration = Duration::from_secs(5);
/// How often it sums up what many devices say alike.
const SUMMED_UP: Duration = Duration::from_secs(1);

/// What the log knows beside its lines.
struct Log {
    observer: Observer,
    repeats: Repeats,
    /// Events that are not in it, and were not told yet.
    missed: u64,
    tells_missed: Seldom,
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

impl Observer {
    /// What there may be a line for.
    pub fn interest(self) -> Interest {
        let detailed = self.messages || tracing::enabled!(target: DEVICE, tracing::Level::DEBUG);
        if detailed { Interest::Everything } else { Interest::Notable }
    }

    /// Write lines until the end, and what has happened until then. Returns why a device was last without
    /// its connection, if one ever was.
    pub async fn watch(self, mut happenings: Watch, end: impl Future<Output = ()>) -> Option<String> {
        let mut log = Log {
            observer: self,
            repeats: Repeats::default(),
            missed: 0,
            tells_missed: Seldom::every(LAG_TOLD),
            last_refusal: None,
        };
        let mut ticks = interval(SUMMED_UP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut end = pin!(end);
        loop {
            tokio::select! {
                happening = happenings.recv() => match happening {
                    Ok(happening) => log.enter(&happening),
                    Err(RecvError::Lagged(missed)) => log.missed += missed,
                    Err(RecvError::Closed) => break,
                },
                _ = ticks.tick() => log.sum_up(),
                () = &mut end => break,
            }
        }
        loop {
            match happenings.try_recv() {
                Ok(happening) => log.enter(&happening),
                Err(TryRecvError::Lagged(missed)) => log.missed += missed,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        log.tells_missed = Seldom::every(Duration::ZERO);
        log.sum_up();
        log.last_refusal
    }

    fn write(self, happening: &Happening) {
        let is_message =
            matches!(happening.notice, Notice::Sent(..) | Notice::Received(..) | Notice::Dropped(..));
        if is_message && !self.messages {
            return;
        }
        let told = Told::of(happening);
        // A line of JSON has topic and payload as fields; a line for people has them in its text.
        let text = match self.format {
            LogFormat::Text => message_line(&happening.notice).unwrap_or(told.text),
            LogFormat::Json => told.text,
        };
        write_line!(
            told.level,
            device = happening.device.id.as_str(),
            group = &*happening.device.group,
            kind = told.kind,
            topic = told.topic,
            payload = told.payload.as_deref(),
            latency_s = told.latency_s,
            fault = told.fault,
            reason = told.reason.as_deref(),
            ends_after_s = told.ends_after_s,
            again_after_s = told.again_after_s,
            version = told.version.as_deref(),
            "{text}"
        );
    }
}

impl Log {
    fn enter(&mut self, happening: &Happening) {
        match &happening.notice {
            Notice::Disconnected(reason, _) => self.last_refusal = Some(reason.clone()),
            // What one device of a group cannot be configured to do, the others cannot either.
            Notice::Trapped(trap, None)
                if trap.kind == TrapKind::Refused && !self.repeats.is_new(&happening.device.group, trap) =>
            {
                return;
            }
            _ => {}
        }
        self.observer.write(happening);
    }

    /// Say what many devices said alike, and what is not in the log.
    fn sum_up(&mut self) {
        self.repeats.tell();
        if self.missed == 0 || !self.tells_missed.is_due() {
            return;
        }
        let missed = std::mem::take(&mut self.missed);
        match self.observer.format {
            LogFormat::Text => {
                tracing::warn!("the log could not keep up; {missed} events are not in it");
            }
            LogFormat::Json => tracing::warn!(missed, "the log could not keep up; events are missing"),
        }
    }
}
