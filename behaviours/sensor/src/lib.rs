//! Samples simulated channels and reports their values.
//!
//! [`Sensor`] is the behaviour: it samples, reports and handles commands. A [`channel`] is a [`signal`]
//! measured by an imperfect instrument, with an [`alarm`]. A [`replay`] is a signal from recorded values.

mod alarm;
mod channel;
mod replay;
mod signal;

use channel::Channel;
use std::time::Duration;
use wasmote_sdk::json::{self, Value};
use wasmote_sdk::{
    Behaviour, Command, ConnectionChange, Device, Message, Outgoing, Qos, Request, Response, StartCause,
    StopReason, config, object,
};

wasmote_sdk::export!(Sensor);

const SAMPLE_TIMER: u32 = 1;
const REPORT_TIMER: u32 = 2;

const MIN_INTERVAL: Duration = Duration::from_millis(10);
const MAX_INTERVAL: Duration = Duration::from_secs(7 * 86_400);

const MAX_CHANNELS: usize = 64;

struct Sensor {
    channels: Vec<Channel>,
    sample_interval: Duration,
    /// Interval of reports; `None` if only changes are reported.
    report_interval: Option<Duration>,
    on_change: bool,
    qos: Qos,
    seq: u64,
    next_sample: Duration,
}

impl Behaviour for Sensor {
    fn start(device: &mut Device, _cause: StartCause) -> Result<Self, String> {
        let config = device.config();
        let whole = config.to_value()?;
        let known = ["sample_interval", "report_interval", "report", "qos", "channels"];
        config::deny_unknown_fields(&whole, "", &known)?;
        let sample_interval =
            config.duration("sample_interval", Duration::from_secs(1), MIN_INTERVAL..=MAX_INTERVAL)?;
        let on_change = config.choice("report", &["interval", "on_change"])? == "on_change";
        // With reports on change, an optional interval limits the time between reports.
        let report_interval = if on_change && !config.contains("report_interval") {
            None
        } else {
            Some(config.duration("report_interval", Duration::from_secs(10), MIN_INTERVAL..=MAX_INTERVAL)?)
        };
        let qos = config.qos("qos", Qos::AtMostOnce)?;
        let mut channels = read_channels(device, &whole)?;
        load_calibration(device, &mut channels);

        device.set_offline_will();
        let own_commands = device.topic("cmd");
        device.subscribe(&own_commands, Qos::AtLeastOnce)?;
        // Random phase, so that sensors that start together do not sample together.
        let next_sample = device.now() + sample_interval.mul_f64(device.uniform());
        device.set_timer_at(SAMPLE_TIMER, next_sample);
        if let Some(interval) = report_interval {
            device.set_timer_at(REPORT_TIMER, next_sample + interval);
        }
        let seq = device.state_get_u64("seq").unwrap_or(0);
        Ok(Sensor { channels, sample_interval, report_interval, on_change, qos, seq, next_sample })
    }

    fn on_timer(&mut self, device: &mut Device, token: u32) {
        if token == REPORT_TIMER {
            return self.report(device);
        }
        self.sample(device);
        self.next_sample += self.sample_interval;
        device.set_timer_at(SAMPLE_TIMER, self.next_sample);
    }

    fn on_message(&mut self, device: &mut Device, message: Message) {
        let Some(command) = Command::read(device, &message) else { return };
        let outcome = match command.name.as_str() {
            "set_interval" => self.set_interval(device, &command.body),
            "calibrate" => self.calibrate(device, &command.body),
            "reset" => self.reset(device),
            _ => Err("cmd: expected set_interval, calibrate or reset".into()),
        };
        command.acknowledge(device, &message, outcome);
    }

    fn on_connection(&mut self, device: &mut Device, change: ConnectionChange) {
        match change {
            ConnectionChange::Up(_) => device.publish_state(true),
            ConnectionChange::Down(reason) => device.debug(format_args!("connection lost: {reason}")),
        }
    }

    fn on_http_request(&mut self, device: &mut Device, request: Request) -> Response {
        match request.route() {
            ("GET", "/") => Response::json(&object! {
                "device": device.id(),
                "seq": self.seq,
                "ts": device.timestamp(),
                "values": self.values(),
                "sample_interval_s": self.sample_interval.as_secs_f64(),
                "report_interval_s": self.report_interval.map(|interval| interval.as_secs_f64()),
                "report": if self.on_change { "on_change" } else { "interval" },
            }),
            ("GET", "/channels") => {
                let channels: Value = self.channels.iter().map(Channel::describe).collect();
                Response::json(&object! { "device": device.id(), "channels": channels })
            }
            _ => Response::fallback(&request, &["/", "/channels"]),
        }
    }

    fn stop(&mut self, device: &mut Device, reason: StopReason) {
        if reason != StopReason::Swap {
            device.publish_state(false);
        }
    }

    fn snapshot(&mut self, _device: &mut Device) -> Result<Vec<u8>, String> {
        let channels: Value = self.channels.iter().map(Channel::save).collect();
        let saved = object! {
            "seq": self.seq,
            "next_sample_s": self.next_sample.as_secs_f64(),
            "sample_interval_s": self.sample_interval.as_secs_f64(),
            "report_interval_s": self.report_interval.map(|interval| interval.as_secs_f64()),
            "channels": channels,
        };
        Ok(saved.to_bytes())
    }

    fn restore(&mut self, device: &mut Device, saved: &[u8]) -> Result<(), String> {
        let saved = json::parse(saved).map_err(|error| error.to_string())?;
        let time =
            |name| saved.get(name).and_then(Value::number).and_then(|s| Duration::try_from_secs_f64(s).ok());
        self.seq = saved.get("seq").and_then(Value::unsigned).ok_or("seq: expected a number")?;
        self.next_sample = time("next_sample_s").ok_or("next_sample_s: expected a time")?;
        self.sample_interval = time("sample_interval_s").unwrap_or(self.sample_interval).max(MIN_INTERVAL);
        self.report_interval = time("report_interval_s").map(|interval| interval.max(MIN_INTERVAL));
        for channel in saved.get("channels").and_then(Value::list).unwrap_or_default() {
            let name = channel.get("name").and_then(Value::text);
            if let Some(own) = self.channels.iter_mut().find(|own| Some(own.name.as_str()) == name) {
                own.load(channel);
            }
        }
        device.set_timer_at(SAMPLE_TIMER, self.next_sample);
        self.schedule_report(device);
        Ok(())
    }
}

impl Sensor {
    fn sample(&mut self, device: &mut Device) {
        for index in 0..self.channels.len() {
            let channel = &mut self.channels[index];
            channel.sample(device);
            if let Some(value) = channel.latest.filter(|value| channel.alarm.update(*value)) {
                publish_alarm(device, channel, value);
            }
        }
        device.count("samples_total", 1.0);
        if self.on_change && self.channels.iter().any(Channel::changed) {
            self.report(device);
        }
    }

    fn report(&mut self, device: &mut Device) {
        self.seq += 1;
        device.state_set_u64("seq", self.seq);
        let mut report = device.report("telemetry");
        report.set("seq", self.seq);
        report.set("values", self.values());
        device.send(&Outgoing::json(device.topic("telemetry"), &report).qos(self.qos));
        device.count("reports_total", 1.0);
        device.debug(format_args!("report {} published: {}", self.seq, self.values()));
        self.channels.iter_mut().for_each(Channel::mark_reported);
        self.schedule_report(device);
    }

    fn schedule_report(&self, device: &mut Device) {
        if let Some(interval) = self.report_interval {
            device.set_timer(REPORT_TIMER, interval);
        }
    }

    /// The latest readings by channel; `null` for a gap.
    fn values(&self) -> Value {
        let mut values = object! {};
        for channel in &self.channels {
            values.set(channel.name.clone(), channel.value());
        }
        values
    }

    fn set_interval(&mut self, device: &mut Device, body: &Value) -> Result<(), String> {
        let sample = read_interval(body, "sample_s")?;
        let report = read_interval(body, "report_s")?;
        if sample.is_none() && report.is_none() {
            return Err("expected sample_s or report_s, in seconds".into());
        }
        if let Some(sample) = sample {
            self.sample_interval = sample;
            self.next_sample = device.now() + sample;
            device.set_timer_at(SAMPLE_TIMER, self.next_sample);
        }
        if report.is_some() {
            self.report_interval = report;
            self.schedule_report(device);
        }
        Ok(())
    }

    fn calibrate(&mut self, device: &mut Device, body: &Value) -> Result<(), String> {
        let name =
            body.get("channel").and_then(Value::text).ok_or("channel: expected the name of a channel")?;
        let channel = self.channels.iter_mut().find(|channel| channel.name == name);
        let channel = channel.ok_or_else(|| format!("channel: there is none named \"{name}\""))?;
        let number =
            |field: &str| body.get(field).and_then(Value::number).filter(|number| number.abs() <= 1e12);
        channel.offset = match (number("offset"), number("value"), channel.latest) {
            (Some(offset), None, _) => offset,
            (None, Some(true_value), Some(latest)) => channel.offset + true_value - latest,
            (None, Some(_), None) => {
                return Err("value: the channel has no reading to compare it with".into());
            }
            _ => return Err("expected either offset or value, a number".into()),
        };
        self.store_calibration(device)
    }

    fn reset(&mut self, device: &mut Device) -> Result<(), String> {
        let now = device.now();
        self.channels.iter_mut().for_each(|channel| channel.reset(now));
        device.state_delete("calibration");
        Ok(())
    }

    /// Stores the calibration, which survives a crash as in flash memory.
    fn store_calibration(&self, device: &mut Device) -> Result<(), String> {
        let mut offsets = object! {};
        for channel in self.channels.iter().filter(|channel| channel.offset != 0.0) {
            offsets.set(channel.name.clone(), channel.offset);
        }
        Ok(device.state_set("calibration", &offsets.to_bytes())?)
    }
}

fn read_channels(device: &Device, whole: &Value) -> Result<Vec<Channel>, String> {
    let config = device.config();
    let Some(listed) = whole.get("channels") else { return Ok(vec![Channel::temperature(device.now())]) };
    let listed = listed.list().filter(|list| !list.is_empty() && list.len() <= MAX_CHANNELS);
    let listed =
        listed.ok_or_else(|| config::field_error("channels", "expected a list of 1 to 64 channels"))?;
    let mut channels: Vec<Channel> = Vec::new();
    for (index, object) in listed.iter().enumerate() {
        let at = format!("/channels/{index}");
        if object.members().is_none() {
            return Err(config::field_error(&at, "expected an object"));
        }
        let channel = Channel::read(&config, &at, object, device.now())?;
        if channels.iter().any(|other| other.name == channel.name) {
            return Err(config::field_error(
                &format!("{at}/name"),
                "expected a name that no other channel has",
            ));
        }
        channels.push(channel);
    }
    Ok(channels)
}

fn load_calibration(device: &Device, channels: &mut [Channel]) {
    let Some(offsets) = device.state_get("calibration").and_then(|kept| json::parse(&kept).ok()) else {
        return;
    };
    for channel in channels {
        channel.offset = offsets.get(&channel.name).and_then(Value::number).unwrap_or(0.0);
    }
}

fn read_interval(body: &Value, field: &str) -> Result<Option<Duration>, String> {
    let Some(value) = body.get(field) else { return Ok(None) };
    let interval = value.number().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match interval.filter(|interval| (MIN_INTERVAL..=MAX_INTERVAL).contains(interval)) {
        Some(interval) => Ok(Some(interval)),
        None => Err(format!("{field}: expected 0.01 to 604800 seconds, found {value}")),
    }
}

fn publish_alarm(device: &mut Device, channel: &Channel, value: f64) {
    let state = channel.alarm.state();
    let mut report = device.report("alarm");
    report.set("channel", &channel.name);
    report.set("state", state);
    report.set("value", value);
    report.set("threshold", channel.alarm.threshold());
    device.send(&Outgoing::json(device.topic("alarm"), &report).qos(Qos::AtLeastOnce));
    device.count("alarms_total", if state == "normal" { 0.0 } else { 1.0 });
    device.info(format_args!("alarm: {} is {state}", channel.name));
}

#[cfg(test)]
mod tests;
