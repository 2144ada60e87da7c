//! Windows of event time, and their aggregates.

use std::collections::BTreeMap;
use wasmote_sdk::json::Value;
use wasmote_sdk::{Device, decimal, object};

/// Device and channel. The device is empty if devices are aggregated together.
pub type Key = (String, String);

/// Aggregates of one channel in one window.
#[derive(Default)]
pub struct Series {
    pub count: u64,
    pub sum: f64,
    pub min: f64,
    pub max: f64,
    /// Uniform sample of the values, for percentiles. It holds all values while there is space.
    pub kept: Vec<f64>,
}

impl Series {
    /// Adds a value. True if the sample has grown.
    pub fn record(&mut self, device: &mut Device, value: f64, has_space: bool) -> bool {
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = if self.count == 0 { value } else { self.max.max(value) };
        self.sum += value;
        self.count += 1;
        if has_space {
            self.kept.push(value);
            return true;
        }
        // Reservoir sampling: the value replaces a random one, so that all values are equally likely to be in
        // the sample.
        let index = device.below(self.count) as usize;
        if let Some(other) = self.kept.get_mut(index) {
            *other = value;
        }
        false
    }

    pub fn describe(&self, key: &Key, percentiles: &[f64]) -> Value {
        let mut row = object! {
            "channel": &key.1,
            "count": self.count,
            "min": self.min,
            "max": self.max,
            "mean": self.sum / self.count as f64,
        };
        if !key.0.is_empty() {
            row.set("source", &key.0);
        }
        let mut sorted = self.kept.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut named = object! {};
        for percentile in percentiles {
            named.set(decimal(*percentile, 6).to_string(), nearest_rank(&sorted, *percentile));
        }
        row.set("percentiles", named);
        row
    }
}

/// The smallest value that is at least as large as this percentage of the values.
fn nearest_rank(sorted: &[f64], percentile: f64) -> Option<f64> {
    let rank = (percentile / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// Open windows by number: window `n` begins `n` slides after 1970.
#[derive(Default)]
pub struct Windows(pub BTreeMap<i64, BTreeMap<Key, Series>>);

impl Windows {
    pub fn series(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }

    pub fn kept(&self) -> usize {
        self.0.values().flat_map(BTreeMap::values).map(|series| series.kept.len()).sum()
    }

    pub fn save(&self) -> Value {
        let window = |(number, series): (&i64, &BTreeMap<Key, Series>)| {
            let rows: Value = series.iter().map(save_series).collect();
            object! { "window": *number as f64, "series": rows }
        };
        self.0.iter().map(window).collect()
    }

    /// Restores a snapshot. Unreadable rows are skipped.
    pub fn load(&mut self, saved: Option<&Value>) {
        for window in saved.and_then(Value::list).unwrap_or_default() {
            let number = window.get("window").and_then(Value::number).unwrap_or_default() as i64;
            let rows = window.get("series").and_then(Value::list).unwrap_or_default();
            for (key, series) in rows.iter().filter_map(load_series) {
                self.0.entry(number).or_default().insert(key, series);
            }
        }
    }
}

fn save_series((key, series): (&Key, &Series)) -> Value {
    object! {
        "source": &key.0,
        "channel": &key.1,
        "count": series.count,
        "sum": series.sum,
        "min": series.min,
        "max": series.max,
        "kept": series.kept.clone(),
    }
}

fn load_series(row: &Value) -> Option<(Key, Series)> {
    let text = |name: &str| Some(row.get(name)?.text()?.to_owned());
    let number = |name: &str| row.get(name)?.number();
    let series = Series {
        count: row.get("count")?.unsigned().filter(|count| *count > 0)?,
        sum: number("sum")?,
        min: number("min")?,
        max: number("max")?,
        kept: row.get("kept")?.list()?.iter().filter_map(Value::number).collect(),
    };
    Some(((text("source")?, text("channel")?), series))
}
