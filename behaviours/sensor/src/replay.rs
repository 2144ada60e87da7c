//! Replay of recorded values: a column of a table over time. The host reads the table.

use wasmote_sdk::data::{Purpose, Recording};
use wasmote_sdk::json::Value;
use wasmote_sdk::{Config, Device, number};

/// Rows that are read together.
const ROWS: u32 = 16;

/// Digits from which on an integer may be more exact than an `f64`.
const MANY_DIGITS: usize = 16;

/// Fields of a channel that replays values.
pub const FIELDS: [&str; 13] = [
    "csv",
    "column",
    "time_column",
    "header",
    "times",
    "time_unit",
    "format",
    "separator",
    "decimal",
    "between",
    "loop",
    "max_gap",
    "speed",
];

/// Recorded values over time.
#[derive(Debug)]
pub struct Replay {
    recording: Recording,
    linear: bool,
    repeat: bool,
    /// Longest time between two rows over which a value lasts.
    max_gap: f64,
    speed: f64,
    rows: Vec<Row>,
    /// Times from this one on to that of the last of the rows are in the rows.
    from: f64,
    /// Whether the last of the rows is that of the table.
    ends: bool,
    exact: Option<String>,
    failed: bool,
}

#[derive(Debug)]
struct Row {
    at: f64,
    /// Not a number in a gap.
    value: f64,
    /// All digits of an integer that an `f64` may round.
    exact: Option<String>,
}

impl Replay {
    /// Opens the table of the channel at this path of the configuration.
    pub fn read(config: &Config, at: &str) -> Result<Replay, String> {
        let field = |name: &str| [at, "/", name].concat();
        let max_gap = config.optional_duration(&field("max_gap"))?;
        Ok(Replay {
            recording: Recording::open(config, &field("csv"), Purpose::Values)?,
            linear: config.choice(&field("between"), &["linear", "step"])? == "linear",
            repeat: config.boolean(&field("loop"), true)?,
            max_gap: max_gap.map_or(f64::INFINITY, |max_gap| max_gap.as_secs_f64()),
            speed: config.number(&field("speed"), 1.0, 1e-6..=1e6)?,
            rows: Vec::new(),
            from: 0.0,
            ends: false,
            exact: None,
            failed: false,
        })
    }

    /// All digits of the last value, if it is an integer that an `f64` may round.
    pub fn exact(&self) -> Option<&String> {
        self.exact.as_ref()
    }

    /// The value at a time since the start; not a number in a gap.
    pub fn value(&mut self, device: &mut Device, seconds: f64) -> f64 {
        let length = self.recording.length as f64 / 1e9;
        let seconds = seconds * self.speed;
        let seconds = if self.repeat && length > 0.0 { seconds % length } else { seconds };
        self.exact = None;
        if !self.covers(seconds)
            && let Err(problem) = self.load(&device.config(), seconds)
        {
            if !self.failed {
                device.error(format_args!("no recorded values: {problem}"));
            }
            self.failed = true;
            return f64::NAN;
        }
        // The first row after this time.
        let next = self.rows.partition_point(|row| row.at <= seconds);
        let Some(before) = self.rows.get(next.max(1) - 1) else { return f64::NAN };
        match self.rows.get(next) {
            Some(after) if next > 0 && after.at - before.at > self.max_gap && seconds > before.at => f64::NAN,
            Some(after)
                if self.linear
                    && next > 0
                    && after.at > before.at
                    && seconds > before.at
                    && !after.value.is_nan() =>
            {
                before.value + (after.value - before.value) * (seconds - before.at) / (after.at - before.at)
            }
            _ => {
                self.exact = before.exact.clone();
                before.value
            }
        }
    }

    fn covers(&self, seconds: f64) -> bool {
        let last = self.rows.last();
        last.is_some_and(|last| seconds >= self.from && (seconds < last.at || self.ends))
    }

    fn load(&mut self, config: &Config, seconds: f64) -> Result<(), String> {
        let position = self.recording.seek(config, (seconds * 1e9) as u64)?;
        let batch = self.recording.read(config, position, ROWS)?;
        self.rows.clear();
        for row in batch.rows {
            let cell = row.cells.into_iter().next().unwrap_or_default();
            let value = number::parse(&cell).unwrap_or(f64::NAN);
            let is_long = cell.len() >= MANY_DIGITS && !cell.contains(['.', 'e', 'E']);
            self.rows.push(Row {
                at: row.at as f64 / 1e9,
                value,
                exact: if is_long { Some(cell) } else { None },
            });
        }
        // All times before the first row have its value.
        self.from = self.rows.first().map_or(0.0, |row| row.at).min(seconds);
        self.ends = batch.next.is_none();
        Ok(())
    }
}

/// A value as a report has it.
pub fn reported(latest: Option<f64>, exact: Option<&String>) -> Value {
    match exact {
        Some(digits) => Value::Literal(digits.clone()),
        None => latest.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::Replay;
    use wasmote_sdk::bench::device_with;

    /// The values at these times of a channel with this configuration.
    fn values(channel: &str, times: &[f64]) -> Vec<f64> {
        let mut device = device_with(1, &format!(r#"{{"x": {channel}}}"#));
        let mut replay = Replay::read(&device.config(), "/x").unwrap();
        times.iter().map(|seconds| replay.value(&mut device, *seconds)).collect()
    }

    #[test]
    fn a_replay_interpolates_steps_and_repeats() {
        let rows = r#""csv": [[0, 10], [10, 20], [20, 0]]"#;
        assert_eq!(values(&format!("{{{rows}}}"), &[5.0, 25.0, 0.0, 10.0]), [15.0, 15.0, 10.0, 20.0]);
        assert_eq!(values(&format!(r#"{{{rows}, "between": "step"}}"#), &[19.0]), [20.0]);
        assert_eq!(values(&format!(r#"{{{rows}, "loop": false}}"#), &[1_000.0]), [0.0]);
        assert_eq!(values(&format!(r#"{{{rows}, "speed": 2}}"#), &[2.5, 12.5]), [15.0, 15.0]);
        assert_eq!(values(r#"{"csv": [[5, 3]], "loop": false}"#, &[0.0]), [3.0]);
    }

    #[test]
    fn nothing_is_invented_in_a_gap() {
        let channel = r#"{"csv": [[0, 10], [10, null], [20, 0], [100, 8]], "loop": false, "max_gap": 30}"#;
        let found = values(channel, &[5.0, 10.0, 19.0, 20.0, 60.0, 100.0]);
        assert_eq!(found[0], 10.0, "there is no value to interpolate to");
        assert!(found[1].is_nan() && found[2].is_nan());
        assert_eq!(found[3], 0.0);
        assert!(found[4].is_nan(), "the next row is more than 30 s later");
        assert_eq!(found[5], 8.0);
    }

    #[test]
    fn any_order_of_times_finds_the_rows_of_a_long_table() {
        let rows: Vec<String> = (0..5_000).map(|row| format!("[{row}, {}]", row * 3)).collect();
        let channel = format!(r#"{{"csv": [{}], "loop": false}}"#, rows.join(","));
        let times = [0.0, 4_000.5, 17.25, 17.5, 4_999.0, 9_000.0, 1.0];
        assert_eq!(values(&channel, &times), [0.0, 12_001.5, 51.75, 52.5, 14_997.0, 14_997.0, 3.0]);
    }
}
