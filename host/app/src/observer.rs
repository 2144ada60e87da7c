//! What devices do, as lines in the log.

pub mod told;

use std::sync::Arc;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use wasmote_live::status::Happening;
use wasmote_sim::action::Notice;
use wasmote_sim::context::LogLevel;

use crate::config::values::LogFormat;
use crate::logging::DEVICE;
use told::{Told, message_line};

/// What to write.
#[derive(Clone, Copy, Debug)]
pub struct Observer {
    /// Each message that is sent, received or lost, too.
    pub messages: bool,
    /// For people, or for programs.
    pub format: LogFormat,
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
    /// Write lines until the fleet is gone.
    pub async fn watch(self, mut happenings: Receiver<Arc<Happening>>) {
        loop {
            match happenings.recv().await {
                Ok(happening) => self.write(&happening),
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "the log could not keep up; {missed} events are not in it");
                }
                Err(RecvError::Closed) => return,
            }
        }
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
            "{text}"
        );
    }
}
