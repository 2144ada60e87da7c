//! Trace: what the behaviours of a run get and do, with their times.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use wasmote_fleet::payload_bytes;
use wasmote_mqtt::device_id::Identity;
use wasmote_mqtt::message::{Message, Qos};
use wasmote_mqtt::time::Time;
use wasmote_mqtt::topic::TopicFilter;
use wasmote_sim::behaviour::{Behaviour, BehaviourFactory, Trap};
use wasmote_sim::context::{Context, Effect, LogLevel};
use wasmote_sim::event::{ConnectionChange, Event, StartCause, StopReason};
use wasmote_sim::http::{HttpRequest, HttpResponse};

use crate::wrapped::WrappedFactory;

/// Largest trace, with the bytes of its messages. Longer runs are for experiments, which write files.
const MAX_BYTES: usize = 256 << 20;
/// Bytes of an entry besides those of its message.
const ENTRY_BYTES: usize = 200;

/// Entries of a run, in order.
#[derive(Debug, Default)]
pub struct Trace {
    /// The devices, by position.
    pub devices: Vec<Arc<Identity>>,
    /// The entries.
    pub entries: Vec<Entry>,
    /// Whether entries are missing because the trace is full.
    pub is_full: bool,
    bytes: usize,
}

/// One entry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Time of the run.
    pub at: Time,
    /// The device.
    pub device: Arc<Identity>,
    /// What happened.
    pub what: What,
}

/// What happened to a device, or what its behaviour did.
#[derive(Clone, Debug)]
pub enum What {
    /// The behaviour got an event.
    Event(Event),
    /// The behaviour published a message.
    Publish(Message),
    /// The behaviour subscribed.
    Subscribe(TopicFilter, Qos),
    /// The behaviour removed a subscription.
    Unsubscribe(TopicFilter),
    /// The behaviour wrote a log line.
    Log(LogLevel, String),
    /// The behaviour sent an HTTP request with this number.
    Request(u64, HttpRequest),
    /// The device answered an HTTP request.
    Answer(HttpResponse),
    /// The behaviour trapped or refused to start; the device restarts after this time, or never.
    Trap(Trap, Option<Duration>),
    /// The device lost power.
    Crash,
    /// A message of the device reached the broker.
    AtBroker(Message),
}

/// A trace that the devices of a run share. A run is one thread, so the lock is never contended.
#[derive(Clone, Debug, Default)]
pub struct SharedTrace(Arc<Mutex<Trace>>);

impl SharedTrace {
    /// Calls `access` with the trace.
    pub fn with<T>(&self, access: impl FnOnce(&mut Trace) -> T) -> T {
        access(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds an entry.
    pub fn add(&self, at: Time, device: &Arc<Identity>, what: What) {
        self.with(|trace| {
            let bytes = ENTRY_BYTES + what.bytes();
            trace.is_full |= trace.bytes + bytes > MAX_BYTES;
            if !trace.is_full {
                trace.bytes += bytes;
                trace.entries.push(Entry { at, device: Arc::clone(device), what });
            }
        });
    }
}

impl What {
    fn bytes(&self) -> usize {
        match self {
            Self::Event(Event::Message(message)) | Self::Publish(message) | Self::AtBroker(message) => {
                message.footprint()
            }
            Self::Log(_, text) => text.len(),
            Self::Request(_, request) => request.body.len() + request.url.len(),
            Self::Answer(response) => response.body.len(),
            _ => 0,
        }
    }

    /// Whether it is in golden traces: messages at the broker repeat what the behaviours published.
    pub fn is_of_behaviour(&self) -> bool {
        !matches!(self, Self::AtBroker(_))
    }
}

/// Factory of behaviours whose events and effects are traced.
pub fn traced(inner: Arc<dyn BehaviourFactory>, trace: SharedTrace) -> Arc<dyn BehaviourFactory> {
    let wrap = move |inner: Box<dyn Behaviour>, identity: &Identity| -> Box<dyn Behaviour> {
        Box::new(Traced { device: Arc::new(identity.clone()), inner, trace: trace.clone() })
    };
    Arc::new(WrappedFactory { inner, wrap })
}

struct Traced {
    device: Arc<Identity>,
    inner: Box<dyn Behaviour>,
    trace: SharedTrace,
}

impl Traced {
    fn add(&self, at: Time, what: What) {
        self.trace.add(at, &self.device, what);
    }

    /// Adds the effects that take effect: after a trap, only log lines.
    fn add_effects(&self, context: &Context, takes_effect: impl Fn(&Effect) -> bool) {
        for effect in context.effects().iter().filter(|effect| takes_effect(effect)) {
            let what = match effect.clone() {
                Effect::Publish(message) => What::Publish(message),
                Effect::Subscribe(filter, qos) => What::Subscribe(filter, qos),
                Effect::Unsubscribe(filter) => What::Unsubscribe(filter),
                Effect::Log(level, text) => What::Log(level, text),
                Effect::HttpSend(number, request, _) => What::Request(number, request),
                // The device answers, also in place of a behaviour that does not run.
                Effect::HttpRespond(..) => continue,
            };
            self.add(context.now(), what);
        }
    }
}

impl Behaviour for Traced {
    fn handle(&mut self, event: Event, context: Context) -> (Context, Result<(), Trap>) {
        self.add(context.now(), What::Event(event.clone()));
        // Of a new version, the effects of its start take effect after it has restored its state; of an old version that
        // stops, its messages do.
        let is_swapped_in = event == Event::Started(StartCause::Swap);
        let is_swapped_out = event == Event::Stopping(StopReason::Swap);
        let (context, outcome) = self.inner.handle(event, context);
        let is_ok = outcome.is_ok();
        self.add_effects(&context, |effect| match effect {
            Effect::Log(..) => true,
            Effect::Publish(_) => is_ok && !is_swapped_in,
            _ => is_ok && !is_swapped_in && !is_swapped_out,
        });
        (context, outcome)
    }

    fn snapshot(&mut self, context: Context) -> (Context, Result<Vec<u8>, Trap>) {
        self.inner.snapshot(context)
    }

    fn restore(&mut self, saved: &[u8], context: Context) -> (Context, Result<(), Trap>) {
        let (context, outcome) = self.inner.restore(saved, context);
        let is_ok = outcome.is_ok();
        self.add_effects(&context, |effect| is_ok || matches!(effect, Effect::Log(..)));
        (context, outcome)
    }
}

/// A time of the run in seconds.
pub fn seconds(at: Time) -> String {
    let nanos = at.elapsed().as_nanos();
    let text = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    // Milliseconds are always there, so that most times of a list have one width.
    format!("{whole}.{fraction:0<3}")
}

/// Bytes as text on one line, or in Base64.
pub fn bytes_as_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t' && c != '\r') => {
            text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t")
        }
        _ => format!("base64:{}", payload_bytes::encode(bytes)),
    }
}

/// The line of an entry in golden traces and messages.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>11}  {}  {}", seconds(self.at), self.device.id, self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => fmt_event(event, f),
            Self::Publish(message) => {
                f.write_str("> publish ")?;
                fmt_message(message, f)
            }
            Self::AtBroker(message) => {
                f.write_str("> at the broker ")?;
                fmt_message(message, f)
            }
            Self::Subscribe(filter, qos) => {
                write!(f, "> subscribe {} qos {}", filter.as_str(), u8::from(*qos))
            }
            Self::Unsubscribe(filter) => write!(f, "> unsubscribe {}", filter.as_str()),
            Self::Log(level, text) => {
                write!(f, "> log {} {}", level_name(*level), bytes_as_text(text.as_bytes()))
            }
            Self::Request(number, request) => {
                let (method, url, body) = (&request.method, &request.url, bytes_as_text(&request.body));
                write!(f, "> request {number} {method} {url} {body}").map(drop)
            }
            Self::Answer(response) => {
                write!(f, "> answer {} {}", response.status, bytes_as_text(&response.body))
            }
            Self::Trap(trap, restart) => {
                write!(f, "! {}", bytes_as_text(trap.to_string().as_bytes()))?;
                match restart {
                    Some(pause) => write!(f, " (restart after {} s)", pause.as_secs_f64()),
                    None => f.write_str(" (no restart)"),
                }
            }
            Self::Crash => f.write_str("! crash"),
        }
    }
}

/// Name of a level in files.
pub fn level_name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}

fn fmt_event(event: &Event, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match event {
        Event::Started(cause) => f.write_str(match cause {
            StartCause::PowerOn => "< start power-on",
            StartCause::Restart => "< start restart",
            StartCause::Swap => "< start swap",
        }),
        Event::Message(message) => {
            f.write_str("< message ")?;
            fmt_message(message, f)
        }
        Event::Timer(token) => write!(f, "< timer {token}"),
        Event::Connection(ConnectionChange::Up { session_present: true }) => {
            f.write_str("< connected to its session")
        }
        Event::Connection(ConnectionChange::Up { session_present: false }) => f.write_str("< connected"),
        Event::Connection(ConnectionChange::Down(reason)) => write!(f, "< disconnected: {reason}"),
        Event::HttpRequest(_, request) => {
            write!(f, "< request {} {} {}", request.method, request.url, bytes_as_text(&request.body))
        }
        Event::HttpReply(number, Ok(response)) => {
            write!(f, "< reply {number} {} {}", response.status, bytes_as_text(&response.body))
        }
        Event::HttpReply(number, Err(failure)) => write!(f, "< reply {number} failed: {failure}"),
        Event::Stopping(reason) => f.write_str(match reason {
            StopReason::Requested => "< stop requested",
            StopReason::Shutdown => "< stop shutdown",
            StopReason::Swap => "< stop swap",
        }),
    }
}

fn fmt_message(message: &Message, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let retain = if message.retain { " retain" } else { "" };
    let payload = bytes_as_text(&message.payload);
    write!(f, "{} qos {}{retain} {payload}", message.topic, u8::from(message.qos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_no_more_zeros() {
        let at = |nanos: u64| seconds(Time::ZERO + Duration::from_nanos(nanos));
        assert_eq!([at(0), at(1_500_000_000), at(2_000_100)], ["0.000", "1.500", "0.0020001"]);
    }

    #[test]
    fn bytes_stay_on_one_line() {
        assert_eq!(bytes_as_text(b"a\nb\\"), "a\\nb\\\\");
        assert_eq!(bytes_as_text(b"\x00\xff"), "base64:AP8=");
    }
}
