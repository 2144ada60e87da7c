//! Durations as the host reads them from a configuration: `"1m 30s"`, or a number of seconds.

use crate::json::Value;

/// In nanoseconds; None if it is no duration.
pub(crate) fn nanoseconds(value: &Value) -> Option<u64> {
    let nanos = match value {
        Value::Number(seconds) => seconds * 1e9,
        Value::Text(text) => from_text(text)?,
        _ => return None,
    };
    (nanos >= 0.0 && nanos < u64::MAX as f64).then_some(nanos as u64)
}

fn from_text(text: &str) -> Option<f64> {
    let mut total = None;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|letter: char| !letter.is_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ns" => 1.0,
            "us" => 1e3,
            "ms" => 1e6,
            "s" | "sec" => 1e9,
            "m" | "min" => 60e9,
            "h" => 3_600e9,
            "d" | "day" | "days" => 86_400e9,
            _ => return None,
        };
        rest = rest[letters..].trim_start();
        total = Some(total.unwrap_or(0.0) + number * unit);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::nanoseconds;

    #[test]
    fn texts_and_numbers_are_durations() {
        assert_eq!(nanoseconds(&"1m 30s".into()), Some(90_000_000_000));
        assert_eq!(nanoseconds(&"500ms".into()), Some(500_000_000));
        assert_eq!(nanoseconds(&0.5.into()), Some(500_000_000));
        for wrong in ["", "5", "s", "5 lightyears", "-1s"] {
            assert_eq!(nanoseconds(&wrong.into()), None, "{wrong}");
        }
        assert_eq!(nanoseconds(&(-1.0).into()), None);
    }
}
