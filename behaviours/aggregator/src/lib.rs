//! Aggregates the telemetry of other devices in time windows.
//!
//! [`Aggregator`] is the behaviour: it adds each value to the [`window`]s of its timestamp. It publishes a
//! window when its end and the allowed lateness have passed by the device's own clock.

mod window;

use std::collections::BTreeMap;
use std::time::Duration;
use wasmote_sdk::config::field_error;
use wasmote_sdk::json::{self, Limits, Value};
use wasmote_sdk::{
    Behaviour, ConnectionChange, Device, Message, Outgoing, Qos, Request, Response, StartCause, StopReason,
    object,
};
use window::{Key, Series, Windows};

wasmote_sdk::export!(Aggregator);

const CLOSE_TIMER: u32 = 1;

/// Maximum number of windows of one value.
const MAX_OVERLAPS: f64 = 100.0;

const MAX_NAME_BYTES: usize = 64;

struct Aggregator {
    window: f64,
    slide: f64,
    lateness: f64,
    percentiles: Vec<f64>,
    per_device: bool,
    max_values: usize,
    max_series: usize,
    qos: Qos,
    open: Windows,
    kept: usize,
    series: usize,
    /// Windows before this number are closed.
    closed_before: i64,
    last: Value,
    seq: u64,
    counters: Counters,
}

/// Counts of values and messages.
#[derive(Default)]
struct Counters {
    values: u64,
    /// Values that arrived after one of their windows was closed.
    late: u64,
    /// Values with a timestamp further ahead than the length of a window.
    early: u64,
    /// Values that are aggregated but not in the sample for percentiles.
    not_kept: u64,
    /// Values ignored because of the limit on series.
    left_out: u64,
    /// Messages that are not telemetry, or whose timestamp is no time.
    malformed: u64,
}

impl Behaviour for Aggregator {
    fn start(device: &mut Device, _cause: StartCause) -> Result<Self, String> {
        let config = device.config();
        config.deny_unknown_fields(&[
            "topics",
            "window",
            "slide",
            "lateness",
            "percentiles",
            "per_device",
            "max_values",
            "max_series",
            "qos",
        ])?;
        let shortest = Duration::from_millis(100);
        let longest = Duration::from_secs(7 * 86_400);
        let window = config.duration("window", Duration::from_secs(60), shortest..=longest)?;
        let slide = config.duration("slide", window, shortest..=window)?;
        if window.as_secs_f64() / slide.as_secs_f64() > MAX_OVERLAPS {
            return Err(field_error("slide", "expected at least a hundredth of the window"));
        }
        let lateness = config.duration("lateness", Duration::from_secs(5), ..=longest)?;
        let per_device = config.boolean("per_device", false)?;
        let max_values = config.integer("max_values", 4_096, 0..=1_000_000)? as usize;
        let max_series = config.integer("max_series", 256, 1..=100_000)? as usize;
        let qos = config.qos("qos", Qos::AtMostOnce)?;
        let whole = config.to_value()?;
        let percentiles = read_percentiles(whole.get("percentiles"))?;
        let topics = read_topics(device, whole.get("topics"))?;

        device.set_offline_will();
        for topic in topics {
            device
                .subscribe(&topic, Qos::AtLeastOnce)
                .map_err(|reason| field_error("topics", String::from(reason)))?;
        }
        Ok(Aggregator {
            window: window.as_secs_f64(),
            slide: slide.as_secs_f64(),
            lateness: lateness.as_secs_f64(),
            percentiles,
            per_device,
            max_values,
            max_series,
            qos,
            open: Windows::default(),
            kept: 0,
            series: 0,
            closed_before: i64::MIN,
            last: Value::Null,
            seq: device.state_get_u64("seq").unwrap_or(0),
            counters: Counters::default(),
        })
    }

    fn on_message(&mut self, device: &mut Device, message: Message) {
        let topic_device = device.sender(&message).map_or("", |(sender, _)| sender);
        let body = message.json().ok();
        let Some(values) = body.as_ref().and_then(|body| body.get("values")?.members()) else {
            self.counters.malformed += 1;
            return device.count("malformed_total", 1.0);
        };
        let field = |name: &str| body.as_ref().and_then(|body| body.get(name));
        let source = field("device").and_then(Value::text).unwrap_or(topic_device);
        let now = device.timestamp();
        let at = match field("ts") {
            // A message without a timestamp gets the time of its arrival.
            None | Some(Value::Null) => Some(now),
            Some(stamp) => stamp.timestamp(),
        };
        let Some(at) = at else {
            self.counters.malformed += 1;
            return device.count("malformed_total", 1.0);
        };
        if at > now + self.window {
            self.counters.early += 1;
            return device.count("early_total", 1.0);
        }
        let (first, last) =
            (((at - self.window) / self.slide).floor() as i64 + 1, (at / self.slide).floor() as i64);
        let open_from = first.max(self.closed_before).max(self.first_open(now));
        if open_from > first {
            self.counters.late += 1;
            device.count("late_total", 1.0);
        }
        for (channel, value) in values {
            if let Some(value) = value.number() {
                self.counters.values += 1;
                for number in open_from..=last {
                    self.record(device, number, source, channel, value);
                }
            }
        }
        self.schedule(device);
    }

    fn on_timer(&mut self, device: &mut Device, _token: u32) {
        let first_open = self.first_open(device.timestamp());
        while let Some(entry) = self.open.0.first_entry().filter(|entry| *entry.key() < first_open) {
            let (number, series) = entry.remove_entry();
            self.publish(device, number, series);
        }
        self.closed_before = self.closed_before.max(first_open);
        self.kept = self.open.kept();
        self.series = self.open.series();
        self.schedule(device);
    }

    fn on_connection(&mut self, device: &mut Device, change: ConnectionChange) {
        match change {
            ConnectionChange::Up(_) => device.publish_state(true),
            ConnectionChange::Down(reason) => device.debug(format_args!("connection lost: {reason}")),
        }
    }

    fn on_http_request(&mut self, device: &mut Device, request: Request) -> Response {
        match request.route() {
            ("GET", "/") => Response::json(&self.describe(device)),
            ("GET", "/windows") => {
                let open: Value =
                    self.open.0.iter().map(|(number, series)| self.report(*number, series)).collect();
                Response::json(&object! { "device": device.id(), "open": open, "last": self.last.clone() })
            }
            _ => Response::fallback(&request, &["/", "/windows"]),
        }
    }

    fn stop(&mut self, device: &mut Device, reason: StopReason) {
        if reason != StopReason::Swap {
            device.publish_state(false);
        }
    }

    fn snapshot(&mut self, _device: &mut Device) -> Result<Vec<u8>, String> {
        let Counters { values, late, early, not_kept, left_out, malformed } = self.counters;
        let saved = object! {
            "seq": self.seq,
            "closed_before": self.closed_before as f64,
            "tally": vec![values, late, early, not_kept, left_out, malformed],
            "open": self.open.save(),
        };
        Ok(saved.to_bytes())
    }

    fn restore(&mut self, device: &mut Device, saved: &[u8]) -> Result<(), String> {
        // Space for all sampled values, and for nine fields of each series.
        let values = (self.max_values + 9 * self.max_series).min(10_000_000) as u32 + 100;
        let saved =
            json::parse_with_limits(saved, Limits { depth: 8, values }).map_err(|error| error.to_string())?;
        self.seq = saved.get("seq").and_then(Value::unsigned).ok_or("seq: expected a number")?;
        let closed =
            saved.get("closed_before").and_then(Value::number).ok_or("closed_before: expected a number")?;
        self.closed_before = closed as i64;
        let counters = saved.get("tally").and_then(Value::list).unwrap_or_default();
        if let [values, late, early, not_kept, left_out, malformed] = counters {
            let whole = |value: &Value| value.unsigned().unwrap_or(0);
            self.counters = Counters {
                values: whole(values),
                late: whole(late),
                early: whole(early),
                not_kept: whole(not_kept),
                left_out: whole(left_out),
                malformed: whole(malformed),
            };
        }
        self.open.load(saved.get("open"));
        self.kept = self.open.kept();
        self.series = self.open.series();
        self.schedule(device);
        Ok(())
    }
}

impl Aggregator {
    /// The first window whose end plus lateness is in the future.
    fn first_open(&self, now: f64) -> i64 {
        ((now - self.lateness - self.window) / self.slide).floor() as i64 + 1
    }

    fn record(&mut self, device: &mut Device, number: i64, source: &str, channel: &str, value: f64) {
        if source.len() > MAX_NAME_BYTES || channel.len() > MAX_NAME_BYTES {
            self.counters.left_out += 1;
            return device.count("left_out_total", 1.0);
        }
        let source = if self.per_device { source } else { "" };
        let key = (source.to_owned(), channel.to_owned());
        let window = self.open.0.entry(number).or_default();
        if !window.contains_key(&key) {
            if self.series >= self.max_series {
                self.counters.left_out += 1;
                return device.count("left_out_total", 1.0);
            }
            self.series += 1;
        }
        let series = window.entry(key).or_default();
        if series.record(device, value, self.kept < self.max_values) {
            self.kept += 1;
        } else {
            self.counters.not_kept += 1;
            device.count("not_kept_total", 1.0);
        }
    }

    fn schedule(&self, device: &mut Device) {
        if let Some((number, _)) = self.open.0.first_key_value() {
            let due = *number as f64 * self.slide + self.window + self.lateness - device.timestamp();
            // One millisecond later, because rounding could make the timer fire before the window ends.
            device.set_timer(CLOSE_TIMER, Duration::try_from_secs_f64(due + 0.001).unwrap_or_default());
        }
    }

    fn publish(&mut self, device: &mut Device, number: i64, series: BTreeMap<Key, Series>) {
        if series.is_empty() {
            return;
        }
        self.seq += 1;
        device.state_set_u64("seq", self.seq);
        let mut report = device.report("aggregate");
        report.set("seq", self.seq);
        let window = self.report(number, &series);
        for (name, value) in window.members().unwrap_or_default() {
            report.set(name.clone(), value.clone());
        }
        report.set("late", self.counters.late);
        report.set("not_kept", self.counters.not_kept);
        device.send(&Outgoing::json(device.topic("aggregate"), &report).qos(self.qos));
        device.count("windows_total", 1.0);
        let values: u64 = series.values().map(|series| series.count).sum();
        device.debug(format_args!("window {} published: {} series, {values} values", self.seq, series.len()));
        self.last = window;
    }

    fn report(&self, number: i64, series: &BTreeMap<Key, Series>) -> Value {
        let start = number as f64 * self.slide;
        let rows: Value =
            series.iter().map(|(key, series)| series.describe(key, &self.percentiles)).collect();
        object! { "start": start, "end": start + self.window, "series": rows }
    }

    fn describe(&self, device: &Device) -> Value {
        object! {
            "device": device.id(),
            "seq": self.seq,
            "window_s": self.window,
            "slide_s": self.slide,
            "lateness_s": self.lateness,
            "open_windows": self.open.0.len(),
            "series": self.series,
            "kept": self.kept,
            "values": self.counters.values,
            "late": self.counters.late,
            "early": self.counters.early,
            "not_kept": self.counters.not_kept,
            "left_out": self.counters.left_out,
            "malformed": self.counters.malformed,
        }
    }
}

fn read_percentiles(listed: Option<&Value>) -> Result<Vec<f64>, String> {
    let Some(listed) = listed else { return Ok(vec![50.0, 95.0, 99.0]) };
    let refusal = || field_error("percentiles", "expected a list of at most 16 numbers from 0 to 100");
    let listed = listed.list().filter(|list| list.len() <= 16).ok_or_else(refusal)?;
    let number = |value: &Value| value.number().filter(|number| (0.0..=100.0).contains(number));
    listed.iter().map(|value| number(value).ok_or_else(refusal)).collect()
}

fn read_topics(device: &Device, listed: Option<&Value>) -> Result<Vec<String>, String> {
    let Some(listed) = listed else { return Ok(vec![device.topic_of("+", "telemetry")]) };
    let refusal = || field_error("topics", "expected a list of 1 to 64 topic filters");
    let listed = listed.list().filter(|list| !list.is_empty() && list.len() <= 64).ok_or_else(refusal)?;
    listed.iter().map(|value| value.text().map(String::from).ok_or_else(refusal)).collect()
}

#[cfg(test)]
mod tests;
