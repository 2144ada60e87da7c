//! Alarms with hysteresis: a value that fluctuates around a threshold raises one alarm, not many.

use wasmote_sdk::Config;
use wasmote_sdk::config::{self, field_error};
use wasmote_sdk::json::Value;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Normal,
    High,
    Low,
}

pub struct Alarm {
    high: Option<f64>,
    low: Option<f64>,
    hysteresis: f64,
    state: State,
}

impl Alarm {
    pub fn none() -> Alarm {
        Alarm { high: None, low: None, hysteresis: 0.0, state: State::Normal }
    }

    pub fn read(config: &Config, at: &str, object: Option<&Value>) -> Result<Alarm, String> {
        let Some(object) = object else { return Ok(Alarm::none()) };
        if object.members().is_none() {
            return Err(field_error(at, "expected an object"));
        }
        config::deny_unknown_fields(object, at, &["high", "low", "hysteresis"])?;
        let high = config.optional_number(&format!("{at}/high"))?;
        let low = config.optional_number(&format!("{at}/low"))?;
        let hysteresis = config.number(&format!("{at}/hysteresis"), 0.0, 0.0..=1e12)?;
        let overlap = high.zip(low).is_some_and(|(high, low)| low + hysteresis > high - hysteresis);
        if overlap {
            return Err(field_error(at, "expected low and high to lie two hystereses apart"));
        }
        Ok(Alarm { high, low, hysteresis, state: State::Normal })
    }

    /// Evaluates a reading. True if the state has changed.
    pub fn update(&mut self, value: f64) -> bool {
        let before = self.state;
        let above = |limit: Option<f64>, margin: f64| limit.is_some_and(|limit| value > limit - margin);
        let below = |limit: Option<f64>, margin: f64| limit.is_some_and(|limit| value < limit + margin);
        let margin = |state: State| if before == state { self.hysteresis } else { 0.0 };
        self.state = if above(self.high, margin(State::High)) {
            State::High
        } else if below(self.low, margin(State::Low)) {
            State::Low
        } else {
            State::Normal
        };
        self.state != before
    }

    pub fn state(&self) -> &'static str {
        match self.state {
            State::Normal => "normal",
            State::High => "high",
            State::Low => "low",
        }
    }

    /// The crossed threshold, during an alarm.
    pub fn threshold(&self) -> Option<f64> {
        match self.state {
            State::Normal => None,
            State::High => self.high,
            State::Low => self.low,
        }
    }

    pub fn reset(&mut self) {
        self.state = State::Normal;
    }

    pub fn load(&mut self, saved: Option<&str>) {
        self.state = match saved {
            Some("high") => State::High,
            Some("low") => State::Low,
            _ => State::Normal,
        };
    }
}
