//! A sensor channel: a signal measured by an imperfect instrument.

use crate::alarm::Alarm;
use crate::replay;
use crate::signal::Signal;
use std::time::Duration;
use wasmote_sdk::config::{self, field_error};
use wasmote_sdk::json::Value;
use wasmote_sdk::{Config, Device, object};

const COMMON_FIELDS: [&str; 11] =
    ["name", "unit", "kind", "noise", "drift", "outliers", "stuck", "gaps", "alarm", "deadband", "decimals"];

pub struct Channel {
    pub name: String,
    unit: String,
    signal: Signal,
    noise: f64,
    /// Drift per hour.
    drift: f64,
    outlier_probability: f64,
    outlier_size: f64,
    stuck_probability: f64,
    stuck_for: Duration,
    gap_probability: f64,
    deadband: f64,
    decimals: u32,
    pub alarm: Alarm,
    /// Calibration offset, added to every reading.
    pub offset: f64,
    /// Start of the drift, since the start of the run.
    drift_start: Duration,
    stuck: Option<(f64, Duration)>,
    /// The last reading; none in a gap.
    pub latest: Option<f64>,
    reported: Option<f64>,
    /// All digits of the last reading, if it is an integer that an `f64` may round.
    exact: Option<String>,
}

impl Channel {
    /// Reads the channel at a path of the configuration.
    pub fn read(config: &Config, at: &str, object: &Value, now: Duration) -> Result<Channel, String> {
        let field = |name: &str| format!("{at}/{name}");
        let name =
            config.text(&field("name"))?.ok_or_else(|| field_error(&field("name"), "expected a name"))?;
        if name.is_empty() || name.chars().count() > 64 {
            return Err(field_error(&field("name"), "expected 1 to 64 characters"));
        }
        let (signal, parameters) = Signal::read(config, at)?;
        config::deny_unknown_fields(object, at, &[&COMMON_FIELDS[..], parameters].concat())?;
        for (part, known) in [
            ("outliers", &["probability", "size"][..]),
            ("stuck", &["probability", "for"]),
            ("gaps", &["probability"]),
        ] {
            match object.get(part) {
                Some(value) if value.members().is_none() => {
                    return Err(field_error(&field(part), "expected an object"));
                }
                Some(value) => config::deny_unknown_fields(value, &field(part), known)?,
                None => {}
            }
        }
        let chance = |part: &str| config.number(&field(&format!("{part}/probability")), 0.0, 0.0..=1.0);
        Ok(Channel {
            name,
            unit: config.text(&field("unit"))?.unwrap_or_default(),
            signal,
            noise: config.number(&field("noise"), 0.0, 0.0..=1e12)?,
            drift: config.number(&field("drift"), 0.0, -1e12..=1e12)?,
            outlier_probability: chance("outliers")?,
            outlier_size: config.number(&field("outliers/size"), 10.0, 0.0..=1e12)?,
            stuck_probability: chance("stuck")?,
            stuck_for: config.duration(&field("stuck/for"), Duration::from_secs(60), ..)?,
            gap_probability: chance("gaps")?,
            deadband: config.number(&field("deadband"), 0.0, 0.0..=1e12)?,
            decimals: config.integer(&field("decimals"), 3, 0..=9)? as u32,
            alarm: Alarm::read(config, &field("alarm"), object.get("alarm"))?,
            offset: 0.0,
            drift_start: now,
            stuck: None,
            latest: None,
            reported: None,
            exact: None,
        })
    }

    /// The default channel.
    pub fn temperature(now: Duration) -> Channel {
        Channel {
            name: "temperature".into(),
            unit: "°C".into(),
            signal: Signal::Daily { mean: 21.0, amplitude: 3.0, peak_hour: 15.0 },
            noise: 0.1,
            drift: 0.0,
            outlier_probability: 0.0,
            outlier_size: 0.0,
            stuck_probability: 0.0,
            stuck_for: Duration::ZERO,
            gap_probability: 0.0,
            deadband: 0.0,
            decimals: 2,
            alarm: Alarm::none(),
            offset: 0.0,
            drift_start: now,
            stuck: None,
            latest: None,
            reported: None,
            exact: None,
        }
    }

    /// Takes a reading.
    pub fn sample(&mut self, device: &mut Device) {
        let now = device.now();
        let seconds = now.saturating_sub(self.drift_start).as_secs_f64();
        // The signal and its random numbers advance even if the reading is lost or stuck.
        let true_value = self.signal.sample(device, seconds);
        let mut reading = true_value + self.offset + self.drift * seconds / 3_600.0;
        if self.noise > 0.0 {
            reading += self.noise * device.normal();
        }
        if device.chance(self.outlier_probability) {
            reading += if device.chance(0.5) { self.outlier_size } else { -self.outlier_size };
            device.count("outliers_total", 1.0);
        }
        self.stuck = self.stuck.filter(|(_, until)| now < *until);
        let is_gap = true_value.is_nan();
        if !is_gap && self.stuck.is_none() && device.chance(self.stuck_probability) {
            self.stuck = Some((self.latest.unwrap_or(reading), now + self.stuck_for));
            device.count("stuck_total", 1.0);
        }
        if let Some((held, _)) = self.stuck {
            reading = held;
        }
        if device.chance(self.gap_probability) || is_gap {
            self.latest = None;
            self.exact = None;
            device.count("gaps_total", 1.0);
            return;
        }
        self.exact = self.signal.exact().filter(|_| reading == true_value).cloned();
        let unit = f64::from(10u32.pow(self.decimals));
        self.latest = Some((reading * unit).round() / unit);
    }

    /// True if the reading has left the deadband around the last reported value.
    pub fn changed(&self) -> bool {
        match (self.latest, self.reported) {
            (Some(latest), Some(reported)) => (latest - reported).abs() > self.deadband,
            (latest, reported) => latest.is_some() != reported.is_some(),
        }
    }

    /// The last reading as reports have it; null in a gap.
    pub fn value(&self) -> Value {
        replay::reported(self.latest, self.exact.as_ref())
    }

    pub fn mark_reported(&mut self) {
        self.reported = self.latest;
    }

    /// Resets calibration, drift, stuck reading, signal and alarm.
    pub fn reset(&mut self, now: Duration) {
        self.offset = 0.0;
        self.drift_start = now;
        self.stuck = None;
        self.signal.reset();
        self.alarm.reset();
    }

    pub fn describe(&self) -> Value {
        object! {
            "name": &self.name,
            "unit": &self.unit,
            "value": self.value(),
            "alarm": self.alarm.state(),
            "offset": self.offset,
            "stuck": self.stuck.is_some(),
        }
    }

    pub fn save(&self) -> Value {
        object! {
            "name": &self.name,
            "offset": self.offset,
            "since_s": self.drift_start.as_secs_f64(),
            "position": self.signal.position(),
            "held": self.stuck.map(|(value, _)| value),
            "held_until_s": self.stuck.map(|(_, until)| until.as_secs_f64()),
            "latest": self.latest,
            "reported": self.reported,
            "alarm": self.alarm.state(),
        }
    }

    /// Restores the snapshot of a channel with the same name. Missing fields stay as configured.
    pub fn load(&mut self, saved: &Value) {
        let number = |name: &str| saved.get(name).and_then(Value::number);
        let time = |name: &str| number(name).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        self.offset = number("offset").unwrap_or(0.0);
        self.drift_start = time("since_s").unwrap_or(self.drift_start);
        if let Some(position) = number("position") {
            self.signal.set_position(position);
        }
        self.stuck = number("held").zip(time("held_until_s"));
        self.latest = number("latest");
        self.reported = number("reported");
        self.alarm.load(saved.get("alarm").and_then(Value::text));
    }
}
