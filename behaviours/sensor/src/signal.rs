//! The true value of a channel over time.

use std::f64::consts::TAU;
use std::time::Duration;
use wasmote_sdk::config::field_error;
use wasmote_sdk::json::Value;
use wasmote_sdk::{Config, Device, number};

const DAY: f64 = 86_400.0;

/// Maximum number of rows of a replay: they are in the memory of the device.
const MAX_ROWS: usize = 2_000;

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
    Replay {
        rows: Vec<(f64, f64)>,
        linear: bool,
        repeat: bool,
    },
}

impl Signal {
    /// Reads the kind of a channel and its parameters.
    pub fn read(
        config: &Config,
        at: &str,
        object: &Value,
    ) -> Result<(Signal, &'static [&'static str]), String> {
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
            "csv" => {
                let rows = read_rows(object.get("csv"), &field("csv"))?;
                let linear = config.choice(&field("between"), &["linear", "step"])? == "linear";
                let repeat = config.boolean(&field("loop"), true)?;
                (Signal::Replay { rows, linear, repeat }, &["csv", "between", "loop"])
            }
            _ => (Signal::Constant { value: number("value", 0.0)? }, &["value"]),
        })
    }

    /// The true value `seconds` after the start. A random walk takes one step.
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
            Signal::Replay { rows, linear, repeat } => replay(rows, *linear, *repeat, seconds),
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

/// Rows of a replay as seconds and value, from text lines or a list of pairs.
fn read_rows(csv: Option<&Value>, at: &str) -> Result<Vec<(f64, f64)>, String> {
    let refuse = |row: usize, reason: &str| Err(field_error(at, format_args!("row {}: {reason}", row + 1)));
    let parsed: Vec<Option<(f64, f64)>> = match csv {
        Some(Value::Text(text)) => {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            lines
                .map(|line| {
                    line.split_once(',').and_then(|(time, value)| {
                        Some((number::parse(time.trim())?, number::parse(value.trim())?))
                    })
                })
                .collect()
        }
        Some(Value::List(rows)) => {
            let pair = |row: &Value| match row.list()? {
                [time, value] => Some((time.number()?, value.number()?)),
                _ => None,
            };
            rows.iter().map(pair).collect()
        }
        _ => return Err(field_error(at, "expected lines of seconds,value or a list of [seconds, value]")),
    };
    let mut rows: Vec<(f64, f64)> = Vec::new();
    for (index, row) in parsed.into_iter().enumerate() {
        match row {
            // The first line may be a header.
            None if index == 0 && matches!(csv, Some(Value::Text(_))) => {}
            None => return refuse(index, "expected seconds and a value"),
            Some((time, _)) if time < rows.last().map_or(0.0, |(last, _)| *last) => {
                return refuse(index, "expected seconds that never go back");
            }
            Some(_) if rows.len() == MAX_ROWS => return refuse(index, "expected 2000 rows at most"),
            Some(row) => rows.push(row),
        }
    }
    if rows.is_empty() { Err(field_error(at, "expected at least one row")) } else { Ok(rows) }
}

fn replay(rows: &[(f64, f64)], linear: bool, repeat: bool, seconds: f64) -> f64 {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return 0.0 };
    let seconds = if repeat && last.0 > 0.0 { seconds % last.0 } else { seconds };
    // The first row after this time.
    let next = rows.partition_point(|(time, _)| *time <= seconds);
    let before = if next == 0 { first } else { rows.get(next - 1).unwrap_or(last) };
    match rows.get(next) {
        Some(after) if linear && next > 0 && after.0 > before.0 => {
            before.1 + (after.1 - before.1) * (seconds - before.0) / (after.0 - before.0)
        }
        _ => before.1,
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
    use super::{replay, sine};

    #[test]
    fn sine_agrees_with_the_standard_library() {
        for step in -400..400 {
            let turns = f64::from(step) / 97.0;
            assert!((sine(turns) - (turns * std::f64::consts::TAU).sin()).abs() < 1e-12, "{turns}");
        }
    }

    #[test]
    fn a_replay_interpolates_steps_and_repeats() {
        let rows = [(0.0, 10.0), (10.0, 20.0), (20.0, 0.0)];
        assert_eq!(replay(&rows, true, true, 5.0), 15.0);
        assert_eq!(replay(&rows, false, true, 19.0), 20.0);
        assert_eq!(replay(&rows, true, true, 25.0), 15.0);
        assert_eq!(replay(&rows, true, false, 1_000.0), 0.0);
        assert_eq!(replay(&[(5.0, 3.0)], true, false, 0.0), 3.0);
    }
}
