//! Scales of axes, and round figures for ticks.

/// Mapping from figures to fractions of the length of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Equal distances for equal differences.
    Linear {
        /// Figure at the start.
        lo: f64,
        /// Figure at the end.
        hi: f64,
    },
    /// Equal distances for equal factors; both ends are positive.
    Log {
        /// Figure at the start.
        lo: f64,
        /// Figure at the end.
        hi: f64,
    },
}

impl Scale {
    /// Position of a figure from 0 (start) to 1 (end), clamped to this range.
    pub fn at(self, value: f64) -> f64 {
        let share = match self {
            Self::Linear { lo, hi } => (value - lo) / (hi - lo),
            Self::Log { lo, hi } => (value.max(f64::MIN_POSITIVE) / lo).ln() / (hi / lo).ln(),
        };
        share.clamp(0.0, 1.0)
    }

    /// Figures at both ends.
    pub fn ends(self) -> (f64, f64) {
        match self {
            Self::Linear { lo, hi } | Self::Log { lo, hi } => (lo, hi),
        }
    }
}

/// The step of 1, 2 or 5 times a power of ten that divides `span` into approximately `parts` parts.
pub fn nice_step(span: f64, parts: f64) -> f64 {
    let raw = span / parts;
    let power = 10f64.powf(raw.log10().floor());
    let step = match raw / power {
        it if it < 1.4 => 1.0,
        it if it < 3.2 => 2.0,
        it if it < 7.1 => 5.0,
        _ => 10.0,
    };
    step * power
}

/// Multiples of a step within a range.
pub fn multiples(lo: f64, hi: f64, step: f64) -> Vec<f64> {
    let (first, last) = ((lo / step - 1e-6).ceil() as i64, (hi / step + 1e-6).floor() as i64);
    (first..=last).map(|i| i as f64 * step).collect()
}

/// A linear scale that ends at multiples of a round step, and its ticks.
pub fn nice(lo: f64, hi: f64, parts: f64) -> (Scale, Vec<f64>) {
    let (lo, hi) = if hi > lo { (lo, hi) } else { widened(lo) };
    let step = nice_step(hi - lo, parts);
    let (lo, hi) = ((lo / step + 1e-6).floor() * step, (hi / step - 1e-6).ceil() * step);
    (Scale::Linear { lo, hi }, multiples(lo, hi, step))
}

fn widened(value: f64) -> (f64, f64) {
    if value == 0.0 { (0.0, 1.0) } else { (value - value.abs() * 0.1, value + value.abs() * 0.1) }
}

/// A logarithmic scale that ends at 1, 2 or 5 times a power of ten, and its ticks: powers of ten, and on a short scale
/// also 2 and 5 times those.
pub fn decades(lo: f64, hi: f64) -> (Scale, Vec<f64>) {
    let from = lo.log10().floor() as i32;
    let to = (hi.log10().ceil() as i32).max(from + 1);
    let round = |factor: f64, exponent: i32| factor * 10f64.powi(exponent);
    let all: Vec<f64> =
        (from..=to).flat_map(|power| [1.0, 2.0, 5.0].map(|factor| round(factor, power))).collect();
    let first = all.iter().rposition(|it| *it <= lo * 1.000_001).unwrap_or(0);
    let last = all.iter().position(|it| *it >= hi * 0.999_999).unwrap_or(all.len() - 1);
    let (first, last) = if last > first { (first, last) } else { (0, all.len() - 1) };
    let is_short = last - first <= 7;
    let ticks = (first..=last).filter(|i| is_short || i % 3 == 0).map(|i| all[i]).collect();
    (Scale::Log { lo: all[first], hi: all[last] }, ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_the_scale_contains_the_data() {
        let (scale, ticks) = nice(0.0, 47.0, 5.0);
        assert_eq!(
            (scale, ticks),
            (Scale::Linear { lo: 0.0, hi: 50.0 }, vec![0.0, 10.0, 20.0, 30.0, 40.0, 50.0])
        );
        let (scale, ticks) = nice(0.91, 0.99, 5.0);
        let (lo, hi) = scale.ends();
        assert!(lo <= 0.91 && hi >= 0.99 && (3..=8).contains(&ticks.len()), "{scale:?} {ticks:?}");
        let (lo, hi) = nice(5.0, 5.0, 4.0).0.ends();
        assert!(lo < 5.0 && hi > 5.0, "a single figure has padding");
    }

    #[test]
    fn a_log_scale_ends_on_round_figures() {
        let (scale, ticks) = decades(0.003, 20.0);
        let (lo, hi) = scale.ends();
        assert!((lo - 0.002).abs() < 1e-12 && hi == 20.0, "{lo} {hi}");
        assert_eq!(ticks.len(), 4, "0.01, 0.1, 1, 10: {ticks:?}");
        assert!((scale.at(0.2) - 0.5).abs() < 1e-9);
        assert_eq!((scale.at(1e-9), scale.at(1e9)), (0.0, 1.0));
        assert_eq!(decades(0.01, 0.5).1.len(), 6, "a short scale has more ticks");
        assert!(decades(1.0, 1.0).1.len() > 1);
    }
}
