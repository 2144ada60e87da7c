//! The true value of a channel over time.

use std::f64::consts::TAU;
use std::time::Duration;
use wasmote_sdk::config::field_error;
use wasmote_sdk::{Config, Device};

use crate::replay::{self, Replay};

const DAY: f64 = 86_400.0;

#[derive(Debug)]
pub enum Signal {
    Constant {
        value: f64,
    },
    /// Linear from one value to another, repeated.
    Ramp {
        from: f64,
        to: f64,
        period: f64,
    },
    Sine {
        mean: f64,
        amplitude: f64,
        period: f64,
        phase: f64,
    },
    /// Daily sine with its maximum at one hour of the day, by the device's own clock (UTC).
    Daily {
        mean: f64,
        amplitude: f64,
        peak_hour: f64,
    },
    /// Random walk with normal steps, within bounds.
    RandomWalk {
        value: f64,
        start: f64,
        step: f64,
        min: f64,
        max: f64,
    },
    Replay(Replay),
}

impl Signal {
    /// Reads the kind of a channel and its parameters.
    pub fn read(config: &Config, at: &str) -> Result<(Signal, &'static [&'static str]), String> {
        let field = |name: &str| format!("{at}/{name}");
        let number = |name: &str, default: f64| config.number(&field(name), default, -1e12..=1e12);
        let shortest = Duration::from_millis(1);
        let period =
            |default| Ok::<_, String>(config.duration(&field("period"), default, shortest..)?.as_secs_f64());
        let kinds = ["constant", "ramp", "sine", "daily", "random_walk", "csv"];
        Ok(match config.choice(&field("kind"), &kinds)? {
            "ramp" => {
                let period = period(Duration::from_secs(60))?;
                (
                    Signal::Ramp { from: number("from", 0.0)?, to: number("to", 1.0)?, period },
                    &["from", "to", "period"],
                )
            }
            "sine" => {
                let period = period(Duration::from_secs(60))?;
                let (mean, amplitude, phase) =
                    (number("mean", 0.0)?, number("amplitude", 1.0)?, number("phase", 0.0)?);
                (Signal::Sine { mean, amplitude, period, phase }, &["mean", "amplitude", "period", "phase"])
            }
            "daily" => {
                let peak_hour = config.number(&field("peak_hour"), 14.0, 0.0..24.0)?;
                let (mean, amplitude) = (number("mean", 15.0)?, number("amplitude", 5.0)?);
                (Signal::Daily { mean, amplitude, peak_hour }, &["mean", "amplitude", "peak_hour"])
            }
            "random_walk" => {
                let start = number("start", 0.0)?;
                let step = config.number(&field("step"), 1.0, 0.0..=1e12)?;
                let (min, max) = (number("min", -1e12)?, number("max", 1e12)?);
                if min > max {
                    return Err(field_error(&field("min"), "expected no more than max"));
                }
                let value = start.max(min).min(max);
                (Signal::RandomWalk { value, start: value, step, min, max }, &["start", "step", "min", "max"])
            }
            "csv" => (Signal::Replay(Replay::read(config, at)?), &replay::FIELDS),
            _ => (Signal::Constant { value: number("value", 0.0)? }, &["value"]),
        })
    }

    /// The true value `seconds` after the start; not a number in a gap. A random walk takes one step.
    pub fn sample(&mut self, device: &mut Device, seconds: f64) -> f64 {
        match self {
            Signal::Constant { value } => *value,
            Signal::Ramp { from, to, period } => *from + (*to - *from) * (seconds % *period) / *period,
            Signal::Sine { mean, amplitude, period, phase } => {
                *mean + *amplitude * sine(seconds / *period + *phase)
            }
            Signal::Daily { mean, amplitude, peak_hour } => {
                let since_peak = (device.timestamp() - *peak_hour * 3_600.0) % DAY / DAY;
                *mean + *amplitude * sine(since_peak + 0.25)
            }
            Signal::RandomWalk { value, step, min, max, .. } => {
                *value = (*value + *step * device.normal()).max(*min).min(*max);
                *value
            }
            Signal::Replay(replay) => replay.value(device, seconds),
        }
    }

    /// All digits of the last value, if it is an integer that an `f64` may round.
    pub fn exact(&self) -> Option<&String> {
        match self {
            Signal::Replay(replay) => replay.exact(),
            _ => None,
        }
    }

    /// Resets a random walk to its start.
    pub fn reset(&mut self) {
        if let Signal::RandomWalk { value, start, .. } = self {
            *value = *start;
        }
    }

    /// Value of a random walk. Other signals have no state.
    pub fn position(&self) -> Option<f64> {
        match self {
            Signal::RandomWalk { value, .. } => Some(*value),
            _ => None,
        }
    }

    pub fn set_position(&mut self, position: f64) {
        if let Signal::RandomWalk { value, min, max, .. } = self {
            *value = position.max(*min).min(*max);
        }
    }
}

/// Sine of a number of turns, to twelve digits. The standard library's sine adds 8 KB, for arguments that do
/// not occur here.
fn sine(turns: f64) -> f64 {
    let turns = turns - turns.floor();
    // The second and third quarter mirror the others.
    let quarter = if turns < 0.25 {
        turns
    } else if turns < 0.75 {
        0.5 - turns
    } else {
        turns - 1.0
    };
    let x = quarter * TAU;
    let (mut term, mut sum, mut n) = (x, x, 2.0);
    while n < 20.0 {
        term *= -x * x / (n * (n + 1.0));
        sum += term;
        n += 2.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::sine;

    #[test]
    fn sine_agrees_with_the_standard_library() {
        for step in -400..400 {
            let turns = f64::from(step) / 97.0;
            assert!((sine(turns) - (turns * std::f64::consts::TAU).sin()).abs() < 1e-12, "{turns}");
        }
    }
}
