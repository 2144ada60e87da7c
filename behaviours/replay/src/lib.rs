//! Publishes the rows of a recording as messages, at the times of the recording.
//!
//! [`Replay`] is the behaviour: it reads rows ahead and publishes each when it is due. [`record`] makes topic and payload of
//! a row.

mod record;

use record::Record;
use std::collections::VecDeque;
use std::time::Duration;
use wasmote_sdk::config::{self, field_error};
use wasmote_sdk::data::{Purpose, Recording, Row};
use wasmote_sdk::json::{self, Value};
use wasmote_sdk::{
    Behaviour, ConnectionChange, Device, Outgoing, Qos, Request, Response, StartCause, StopReason, object,
};

wasmote_sdk::export!(Replay);

const ROW_TIMER: u32 = 1;

/// Rows that are read together.
const ROWS: u32 = 100;
/// Rows that one call looks at, so that it ends within its fuel.
const MAX_ROWS_PER_CALL: u32 = 400;

const MIN_INTERVAL: Duration = Duration::from_millis(1);
const MAX_TIME: Duration = Duration::from_secs(366 * 86_400);

const FIELDS: [&str; 20] = [
    "data",
    "format",
    "header",
    "time_column",
    "times",
    "time_unit",
    "separator",
    "decimal",
    "topic",
    "topic_column",
    "payload",
    "payload_column",
    "payload_encoding",
    "columns",
    "device_column",
    "qos",
    "retain",
    "loop",
    "speed",
    "interval",
];
const MORE_FIELDS: [&str; 2] = ["pause", "spread"];

struct Replay {
    recording: Recording,
    record: Record,
    qos: Qos,
    retain: bool,
    repeat: bool,
    speed: f64,
    /// Time between two rows of a recording without times.
    interval: Duration,
    /// Time between the last row and the first of the next pass.
    pause: Duration,
    /// Beginning of the present pass; none before the first connection, because rows at QoS 0 would be lost.
    began: Option<Duration>,
    /// Delay of the first pass after the connection.
    delay: Duration,
    pass: u64,
    /// Rows of this device that were taken in this pass.
    taken: u64,
    /// Rows that were read ahead.
    rows: VecDeque<Row>,
    /// Position of the row after them; none at the end.
    next: Option<u64>,
    /// Position of the last row that was published in this pass.
    last: Option<u64>,
    sent: u64,
    ended: bool,
}

impl Behaviour for Replay {
    fn start(device: &mut Device, _cause: StartCause) -> Result<Self, String> {
        let config = device.config();
        config.deny_unknown_fields(&[&FIELDS[..], &MORE_FIELDS].concat())?;
        let recording = Recording::open(&config, "data", Purpose::Records)?;
        let record = Record::read(device, &recording)?;
        let speed = config.number("speed", 1.0, 1e-6..=1e6)?;
        if config.contains("interval") && recording.has_times {
            return Err(field_error(
                "interval",
                "the recording has times of its own; expected no interval, but a speed",
            ));
        }
        let interval = config.duration("interval", Duration::from_secs(1), MIN_INTERVAL..=MAX_TIME)?;
        let length = Duration::from_nanos(recording.length);
        // After the last row follows the mean time between two rows.
        let usual = match recording.has_times {
            true => length.checked_div(recording.rows.saturating_sub(1).try_into().unwrap_or(u32::MAX)),
            false => Some(interval),
        };
        let usual = usual.unwrap_or(interval).max(MIN_INTERVAL);
        let pause = config.duration("pause", usual.div_f64(speed), MIN_INTERVAL..=MAX_TIME)?;
        let spread = config.duration("spread", Duration::ZERO, ..=MAX_TIME)?;
        let qos = config.qos("qos", Qos::AtMostOnce)?;
        let (retain, repeat) = (config.boolean("retain", false)?, config.boolean("loop", false)?);

        device.set_offline_will();
        let mut replay = Replay {
            recording,
            record,
            qos,
            retain,
            repeat,
            speed,
            interval: interval.div_f64(speed),
            pause,
            began: None,
            delay: spread.mul_f64(device.uniform()),
            pass: 0,
            taken: 0,
            rows: VecDeque::new(),
            next: Some(0),
            last: None,
            sent: 0,
            ended: false,
        };
        let kept = device.state_get("progress").and_then(|kept| json::parse(&kept).ok());
        if kept.and_then(|kept| replay.resume(device, &kept)).is_some() && device.connected() {
            device.set_timer_at(ROW_TIMER, device.now());
        }
        Ok(replay)
    }

    fn on_timer(&mut self, device: &mut Device, _token: u32) {
        if let Err(problem) = self.publish_due(device) {
            self.ended = true;
            device.error(format_args!("the replay ends: {problem}"));
            device.count("replays_failed_total", 1.0);
        }
    }

    fn on_connection(&mut self, device: &mut Device, change: ConnectionChange) {
        match change {
            ConnectionChange::Up(_) => {
                device.publish_state(true);
                let began = *self.began.get_or_insert(device.now().saturating_add(self.delay));
                device.set_timer_at(ROW_TIMER, began);
            }
            ConnectionChange::Down(reason) => device.debug(format_args!("connection lost: {reason}")),
        }
    }

    fn on_http_request(&mut self, device: &mut Device, request: Request) -> Response {
        match request.route() {
            ("GET", "/") => Response::json(&object! {
                "device": device.id(),
                "rows": self.recording.rows,
                "pass": self.pass,
                "taken": self.taken,
                "sent": self.sent,
                "ended": self.ended,
            }),
            _ => Response::fallback(&request, &["/"]),
        }
    }

    fn stop(&mut self, device: &mut Device, reason: StopReason) {
        if reason != StopReason::Swap {
            device.publish_state(false);
        }
    }

    fn snapshot(&mut self, _device: &mut Device) -> Result<Vec<u8>, String> {
        Ok(self.progress().to_bytes())
    }

    fn restore(&mut self, device: &mut Device, saved: &[u8]) -> Result<(), String> {
        let saved = json::parse(saved).map_err(|error| error.to_string())?;
        let has_begun = saved.get("began_ns").is_some_and(|began| began.unsigned().is_some());
        if has_begun {
            self.resume(device, &saved).ok_or("expected the progress of a replay")?;
            device.set_timer_at(ROW_TIMER, device.now());
        }
        Ok(())
    }
}

impl Replay {
    fn progress(&self) -> Value {
        object! {
            "began_ns": self.began.map(|began| began.as_nanos() as u64),
            "pass": self.pass,
            "taken": self.taken,
            "last": self.last.map(Value::from),
            "sent": self.sent,
            "ended": self.ended,
        }
    }

    /// Continues after a crash or a swap, where the recording would be now. None if the progress cannot be read.
    fn resume(&mut self, device: &Device, progress: &Value) -> Option<()> {
        let whole = |name: &str| progress.get(name)?.unsigned();
        let mut began = Duration::from_nanos(whole("began_ns")?);
        (self.pass, self.sent) = (whole("pass")?, whole("sent")?);
        self.ended = progress.get("ended")?.boolean()?;
        self.taken = whole("taken")?;
        self.last = whole("last");
        self.rows.clear();
        let config = device.config();
        self.next = match self.last {
            Some(last) => self.recording.read(&config, last, 1).ok()?.next,
            None => Some(0),
        };
        if self.recording.has_times {
            // A device that was off has missed the rows of that time, but for the last one.
            let passed = device.now().saturating_sub(began);
            let at = passed.mul_f64(self.speed).as_nanos().min(u128::from(self.recording.length));
            let due = self.recording.seek(&config, at as u64).ok()?;
            self.next = self.next.map(|next| next.max(due));
        } else {
            // Without times, it goes on where it was.
            began = device
                .now()
                .saturating_sub(self.interval.saturating_mul(self.taken.try_into().unwrap_or(u32::MAX)));
        }
        self.began = Some(began);
        Some(())
    }

    /// Publishes the rows that are due, and sets the timer for the next one.
    fn publish_due(&mut self, device: &mut Device) -> Result<(), String> {
        for _ in 0..MAX_ROWS_PER_CALL {
            if self.ended {
                return Ok(());
            }
            let Some(row) = self.rows.front() else {
                self.read_ahead(device)?;
                continue;
            };
            if !self.record.is_of(device, row) {
                self.rows.pop_front();
                continue;
            }
            let due = self.due(row);
            if due > device.now() {
                device.set_timer_at(ROW_TIMER, due);
                return Ok(());
            }
            let Some(row) = self.rows.pop_front() else { continue };
            self.taken += 1;
            self.last = Some(row.position);
            self.publish(device, &row);
        }
        device.set_timer_at(ROW_TIMER, device.now());
        Ok(())
    }

    fn due(&self, row: &Row) -> Duration {
        let after = match self.recording.has_times {
            true => Duration::from_nanos(row.at).div_f64(self.speed),
            false => self.interval.saturating_mul(self.taken.try_into().unwrap_or(u32::MAX)),
        };
        self.began.unwrap_or_default().saturating_add(after)
    }

    /// Reads the next rows, or begins the next pass.
    fn read_ahead(&mut self, device: &mut Device) -> Result<(), String> {
        if let Some(position) = self.next {
            let batch = self.recording.read(&device.config(), position, ROWS)?;
            (self.rows, self.next) = (batch.rows.into(), batch.next);
            return Ok(());
        }
        if !self.repeat {
            self.ended = true;
            self.keep(device);
            device.info(format_args!("the replay ends after {} messages", self.sent));
            return Ok(());
        }
        let length = match self.recording.has_times {
            true => Duration::from_nanos(self.recording.length).div_f64(self.speed),
            false => {
                self.interval.saturating_mul(self.taken.saturating_sub(1).try_into().unwrap_or(u32::MAX))
            }
        };
        self.began = self.began.map(|began| began.saturating_add(length).saturating_add(self.pause));
        self.pass += 1;
        (self.taken, self.last, self.next) = (0, None, Some(0));
        self.keep(device);
        Ok(())
    }

    fn publish(&mut self, device: &mut Device, row: &Row) {
        match self.record.message(device, row) {
            Ok((topic, payload)) => {
                let message = Outgoing::new(topic, payload).qos(self.qos);
                device.send(&if self.retain { message.retained() } else { message });
                self.sent += 1;
                device.count("rows_published_total", 1.0);
            }
            Err(problem) => {
                device.warn(format_args!("a row is not published: {problem}"));
                device.count("rows_invalid_total", 1.0);
            }
        }
        self.keep(device);
    }

    /// Stores the progress, which survives a crash.
    fn keep(&self, device: &mut Device) {
        if let Err(reason) = device.state_set("progress", &self.progress().to_bytes()) {
            device.error(format_args!("progress not kept: {}", String::from(reason)));
        }
    }
}

/// Position of a column.
fn column(recording: &Recording, field: &str, name: &str) -> Result<usize, String> {
    let known: Vec<&str> = recording.columns.iter().map(String::as_str).collect();
    known.iter().position(|known| *known == name).ok_or_else(|| {
        let hint = wasmote_sdk::template::suggestion(name, &known);
        config::field_error(field, format_args!("there is no column `{name}`{hint}"))
    })
}

#[cfg(test)]
mod tests;
