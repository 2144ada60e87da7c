//! Axes: a label with its unit, a scale, and ticks.

use super::scale::{Scale, decades, multiples, nice, nice_step};
use crate::number::{LONGEST_LATENCY, PERCENT, PLAIN, Unit, seconds, significant, time_unit, trimmed};

/// An axis of a plot.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Label with the unit.
    pub label: String,
    /// Mapping from figures to positions.
    pub scale: Scale,
    /// Figures with their labels; labels may be empty.
    pub ticks: Vec<(f64, String)>,
    /// Unit of figures read from the axis.
    pub unit: Unit,
}

/// Approximate number of intervals between ticks.
const PARTS: f64 = 5.0;

impl Axis {
    /// An axis of numbers in a unit.
    pub fn numbers(quantity: &str, lo: f64, hi: f64, unit: Unit) -> Self {
        let (scale, ticks) = nice(lo * unit.factor, hi * unit.factor, PARTS);
        Self {
            label: unit.heading(quantity),
            scale: rescaled(scale, unit),
            ticks: labelled(&ticks, unit),
            unit,
        }
    }

    /// An axis of integers from zero.
    pub fn counts(quantity: &str, hi: f64) -> Self {
        let (scale, mut ticks) = nice(0.0, hi.max(1.0), PARTS);
        ticks.retain(|tick| tick.fract() == 0.0);
        Self { label: quantity.to_owned(), scale, ticks: labelled(&ticks, PLAIN), unit: PLAIN }
    }

    /// An axis of percentages. It starts at zero unless `lo` is at least 50 %, and does not exceed 100 % unless `hi` does.
    pub fn percent(quantity: &str, lo: f64, hi: f64) -> Self {
        let lo = if lo >= 0.5 { lo } else { 0.0 };
        let axis = Self::numbers(quantity, lo.min(hi - 0.01), hi, PERCENT);
        let (low, high) = axis.scale.ends();
        if hi > 1.0 || high <= 1.0 {
            return axis;
        }
        let ticks = axis.ticks.into_iter().filter(|(tick, _)| *tick <= 1.0 + 1e-9).collect();
        Self { scale: Scale::Linear { lo: low, hi: 1.0 }, ticks, ..axis }
    }

    /// An axis of time from the start to the end of a run.
    pub fn time(duration: f64) -> Self {
        let duration = if duration > 0.0 { duration } else { 1.0 };
        let unit = time_unit(duration);
        let end = duration * unit.factor;
        let step = match unit.name {
            // Steps that divide 60.
            "s" | "min" if end > 12.0 => [5.0, 10.0, 15.0, 20.0, 30.0, 60.0]
                .into_iter()
                .find(|step| end / step <= 7.0)
                .unwrap_or_else(|| nice_step(end, PARTS)),
            _ => nice_step(end, PARTS),
        };
        let ticks = multiples(0.0, end, step);
        Self {
            label: unit.heading("time"),
            scale: Scale::Linear { lo: 0.0, hi: duration },
            ticks: labelled(&ticks, unit),
            unit,
        }
    }

    /// An axis of latencies from zero.
    pub fn latency(quantity: &str, hi: f64) -> Self {
        Self::numbers(quantity, 0.0, hi, time_unit(hi.clamp(1e-6, LONGEST_LATENCY)))
    }

    /// A logarithmic axis of latencies.
    pub fn latency_log(quantity: &str, lo: f64, hi: f64) -> Self {
        let (scale, ticks) = decades(lo.max(1e-6), hi.max(2e-6));
        let ticks = ticks.into_iter().map(|tick| (tick, seconds(tick))).collect();
        Self { label: quantity.to_owned(), scale, ticks, unit: time_unit(hi.min(LONGEST_LATENCY)) }
    }

    /// A logarithmic axis of positive numbers.
    pub fn numbers_log(quantity: &str, lo: f64, hi: f64) -> Self {
        let (scale, ticks) = decades(lo, hi);
        Self { label: quantity.to_owned(), scale, ticks: labelled(&ticks, PLAIN), unit: PLAIN }
    }

    /// The axis with padding of 5 % at both ends.
    pub fn with_padding(self) -> Self {
        let scale = match self.scale {
            Scale::Linear { lo, hi } => {
                let padding = (hi - lo) * 0.05;
                Scale::Linear { lo: lo - padding, hi: hi + padding }
            }
            Scale::Log { lo, hi } => {
                let padding = (hi / lo).powf(0.05);
                Scale::Log { lo: lo / padding, hi: hi * padding }
            }
        };
        Self { scale, ..self }
    }

    /// An axis of names at 0, 1, 2, ...
    pub fn names(quantity: &str, names: &[String]) -> Self {
        let end = names.len() as f64 - 0.5;
        let ticks = names.iter().enumerate().map(|(i, name)| (i as f64, name.clone())).collect();
        Self {
            label: quantity.to_owned(),
            scale: Scale::Linear { lo: -0.5, hi: end.max(0.5) },
            ticks,
            unit: PLAIN,
        }
    }
}

fn rescaled(scale: Scale, unit: Unit) -> Scale {
    let (lo, hi) = scale.ends();
    Scale::Linear { lo: lo / unit.factor, hi: hi / unit.factor }
}

fn labelled(ticks: &[f64], unit: Unit) -> Vec<(f64, String)> {
    let widest = ticks.iter().fold(0.0f64, |widest, tick| widest.max(tick.abs()));
    let label = |tick: f64| match widest {
        w if w >= 1e6 => format!("{}\u{a0}M", trimmed(tick / 1e6, 2)),
        w if w < 1e-3 => significant(tick, 2),
        _ => trimmed(tick, 4),
    };
    ticks.iter().map(|&tick| (tick / unit.factor, label(tick))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn ticks_of_time_divide_sixty() {
        let axis = Axis::time(1200.0);
        assert_eq!((axis.label.as_str(), labels(&axis)), ("time (min)", vec!["0", "5", "10", "15", "20"]));
        let axis = Axis::time(120.0);
        assert_eq!(
            (axis.label.as_str(), labels(&axis)),
            ("time (s)", vec!["0", "20", "40", "60", "80", "100", "120"])
        );
        assert_eq!(Axis::time(24.0 * 3600.0).label, "time (h)");
    }

    #[test]
    fn shares_end_at_a_hundred_percent() {
        let axis = Axis::percent("delivered", 0.91, 0.9999);
        assert_eq!(axis.scale.ends().1, 1.0);
        assert_eq!(labels(&axis).last(), Some(&"100"));
        assert_eq!(Axis::percent("delivered", 0.2, 0.6).scale.ends().0, 0.0);
        assert!(Axis::percent("delivered", 1.0, 1.0).ticks.len() > 1);
    }

    #[test]
    fn counts_are_whole() {
        assert_eq!(labels(&Axis::counts("devices", 1.0)), ["0", "1"]);
        assert_eq!(labels(&Axis::counts("devices", 50.0)), ["0", "10", "20", "30", "40", "50"]);
    }
}
