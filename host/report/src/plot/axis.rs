//! Axes: a label with its unit, a scale, and ticks.

use super::scale::{Scale, decades, multiples, nice, nice_step};
use crate::number::{LONGEST_LATENCY, PERCENT, PLAIN, Unit, seconds, significant, time_unit, trimmed};

/// An axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// With the unit.
    pub label: String,
    /// From figures to places.
    pub scale: Scale,
    /// Figures with what to write there; some are left blank.
    pub ticks: Vec<(f64, String)>,
    /// How a figure read off the axis is written.
    pub unit: Unit,
}

/// About how many parts an axis has.
const PARTS: f64 = 5.0;

impl Axis {
    /// Numbers in a unit.
    pub fn numbers(what: &str, lo: f64, hi: f64, unit: Unit) -> Self {
        let (scale, ticks) = nice(lo * unit.factor, hi * unit.factor, PARTS);
        Self { label: unit.heading(what), scale: rescaled(scale, unit), ticks: labelled(&ticks, unit), unit }
    }

    /// Whole numbers from zero.
    pub fn counts(what: &str, hi: f64) -> Self {
        let (scale, mut ticks) = nice(0.0, hi.max(1.0), PARTS);
        ticks.retain(|tick| tick.fract() == 0.0);
        Self { label: what.to_owned(), scale, ticks: labelled(&ticks, PLAIN), unit: PLAIN }
    }

    /// Shares of one as percentages; from zero, unless all are in the upper half. It ends at 100 % if they do.
    pub fn percent(what: &str, lo: f64, hi: f64) -> Self {
        let lo = if lo >= 0.5 { lo } else { 0.0 };
        let axis = Self::numbers(what, lo.min(hi - 0.01), hi, PERCENT);
        let (low, high) = axis.scale.ends();
        if hi > 1.0 || high <= 1.0 {
            return axis;
        }
        let ticks = axis.ticks.into_iter().filter(|(tick, _)| *tick <= 1.0 + 1e-9).collect();
        Self { scale: Scale::Linear { lo: low, hi: 1.0 }, ticks, ..axis }
    }

    /// Time since the start of a run; it ends where the run does.
    pub fn time(duration: f64) -> Self {
        let duration = if duration > 0.0 { duration } else { 1.0 };
        let unit = time_unit(duration);
        let end = duration * unit.factor;
        let step = match unit.name {
            // Seconds and minutes are counted by sixties.
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

    /// Latencies from zero.
    pub fn latency(what: &str, hi: f64) -> Self {
        Self::numbers(what, 0.0, hi, time_unit(hi.clamp(1e-6, LONGEST_LATENCY)))
    }

    /// Latencies by powers of ten.
    pub fn latency_log(what: &str, lo: f64, hi: f64) -> Self {
        let (scale, ticks) = decades(lo.max(1e-6), hi.max(2e-6));
        let ticks = ticks.into_iter().map(|tick| (tick, seconds(tick))).collect();
        Self { label: what.to_owned(), scale, ticks, unit: time_unit(hi.min(LONGEST_LATENCY)) }
    }

    /// Numbers above zero by powers of ten.
    pub fn numbers_log(what: &str, lo: f64, hi: f64) -> Self {
        let (scale, ticks) = decades(lo, hi);
        Self { label: what.to_owned(), scale, ticks: labelled(&ticks, PLAIN), unit: PLAIN }
    }

    /// The same with room before its first and behind its last figure.
    pub fn with_room(self) -> Self {
        let scale = match self.scale {
            Scale::Linear { lo, hi } => {
                let room = (hi - lo) * 0.05;
                Scale::Linear { lo: lo - room, hi: hi + room }
            }
            Scale::Log { lo, hi } => {
                let room = (hi / lo).powf(0.05);
                Scale::Log { lo: lo / room, hi: hi * room }
            }
        };
        Self { scale, ..self }
    }

    /// Names side by side: the first at 0, the next at 1.
    pub fn names(what: &str, names: &[String]) -> Self {
        let end = names.len() as f64 - 0.5;
        let ticks = names.iter().enumerate().map(|(i, name)| (i as f64, name.clone())).collect();
        Self {
            label: what.to_owned(),
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
    fn time_is_counted_as_clocks_do() {
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
