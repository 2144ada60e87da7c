//! Text format of numbers: units, and as many digits as are significant.

/// Unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit {
    /// Factor from the base unit to this unit.
    pub factor: f64,
    /// Symbol of the unit; empty for a plain number.
    pub name: &'static str,
}

/// A number without a unit.
pub const PLAIN: Unit = Unit { factor: 1.0, name: "" };
/// A fraction of 1 as a percentage.
pub const PERCENT: Unit = Unit { factor: 100.0, name: "%" };

/// Longest time in seconds that is written in seconds; longer latencies still are.
pub const LONGEST_LATENCY: f64 = 180.0;

/// The unit for times of up to `seconds`.
pub fn time_unit(seconds: f64) -> Unit {
    match seconds {
        s if s < 1e-3 => Unit { factor: 1e6, name: "µs" },
        s if s < 1.0 => Unit { factor: 1e3, name: "ms" },
        s if s <= LONGEST_LATENCY => Unit { factor: 1.0, name: "s" },
        s if s <= 3.0 * 3600.0 => Unit { factor: 1.0 / 60.0, name: "min" },
        _ => Unit { factor: 1.0 / 3600.0, name: "h" },
    }
}

impl Unit {
    /// A heading with the unit in parentheses.
    pub fn heading(self, quantity: &str) -> String {
        if self.name.is_empty() { quantity.to_owned() } else { format!("{quantity} ({})", self.name) }
    }

    /// A figure in this unit, without the symbol.
    pub fn figure(self, value: f64) -> String {
        significant(value * self.factor, 4)
    }

    /// A figure with the symbol of the unit.
    pub fn with_unit(self, value: f64) -> String {
        if self.name.is_empty() {
            self.figure(value)
        } else {
            format!("{}\u{a0}{}", self.figure(value), self.name)
        }
    }

    /// A figure with its uncertainty. The uncertainty has two significant digits, and the figure as many decimals.
    pub fn estimate(self, value: f64, half_width: Option<f64>) -> String {
        match half_width {
            None => self.figure(value),
            Some(half) => {
                let (value, half) = (value * self.factor, half * self.factor);
                let decimals = match half {
                    // The sum of equal values has a rounding error, which is not an uncertainty.
                    h if h > value.abs() * 1e-9 => decimals_for(h, 2).min(6),
                    _ => decimals_for(value, 4),
                };
                format!("{} ± {}", fixed(value, decimals), fixed(half, decimals))
            }
        }
    }

    /// A difference with its sign and its uncertainty.
    pub fn difference(self, value: f64, half_width: Option<f64>) -> String {
        let text = match half_width {
            None => trimmed(value * self.factor, decimals_for(value * self.factor, 3)),
            Some(_) => self.estimate(value, half_width),
        };
        if value > 0.0 { format!("+{text}") } else { text }
    }
}

/// A duration in a suitable unit.
pub fn seconds(value: f64) -> String {
    let unit = time_unit(value);
    format!("{}\u{a0}{}", trimmed(value * unit.factor, 3), unit.name)
}

/// A number with `digits` significant digits; an integer with all of its digits.
pub fn significant(value: f64, digits: i32) -> String {
    if value == value.trunc() && value.abs() < 1e15 {
        return fixed(value, 0);
    }
    fixed(value, decimals_for(value, digits))
}

/// A number with at most `decimals` decimals and without trailing zeros.
pub fn trimmed(value: f64, decimals: usize) -> String {
    let text = fixed(value, decimals);
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number with `decimals` decimals, commas between thousands and the minus sign U+2212.
pub fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "∞".to_owned();
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    let mut shown = String::new();
    let is_zero = text.bytes().all(|b| matches!(b, b'0' | b'.'));
    if value < 0.0 && !is_zero {
        shown.push('−');
    }
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            shown.push(',');
        }
        shown.push(digit);
    }
    if let Some(fraction) = fraction {
        shown.push('.');
        shown.push_str(fraction);
    }
    shown
}

fn decimals_for(value: f64, digits: i32) -> usize {
    if value == 0.0 {
        return 0;
    }
    let magnitude = value.abs().log10().floor() as i32;
    usize::try_from((digits - 1 - magnitude).max(0)).unwrap_or(0).min(9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uncertainty_determines_the_number_of_digits() {
        assert_eq!(PERCENT.estimate(0.91234, Some(0.0065)), "91.23 ± 0.65");
        assert_eq!(PLAIN.estimate(12345.6, Some(120.0)), "12,346 ± 120");
        assert_eq!(PERCENT.estimate(0.9, Some(0.0)), "90.00 ± 0.00");
        assert_eq!(PLAIN.estimate(499.122, Some(1e-13)), "499.1 ± 0.0");
        assert_eq!(time_unit(0.5).estimate(0.25512, None), "255.1");
        assert_eq!(PERCENT.difference(0.05, Some(0.011)), "+5.0 ± 1.1");
        assert_eq!(PERCENT.difference(-0.05, None), "−5");
    }

    #[test]
    fn spans_are_short() {
        assert_eq!(seconds(1200.0), "20\u{a0}min");
        assert_eq!(seconds(0.0105), "10.5\u{a0}ms");
        assert_eq!(seconds(30.0), "30\u{a0}s");
    }
}
