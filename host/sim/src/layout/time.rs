//! Formats of times, exact to the nanosecond.

use wasmote_mqtt::timestamp::parse_iso8601;

use super::value::{Value, is_number};

/// Format of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeFormat {
    /// Text such as `2026-01-01T00:00:30.125Z`.
    Iso8601,
    /// An integer of seconds, milliseconds, microseconds or nanoseconds since 1970, with the nanoseconds of one unit.
    Epoch(i128),
}

/// The formats with their names in a layout.
pub(super) const FORMATS: [(&str, TimeFormat); 5] = [
    ("iso8601", TimeFormat::Iso8601),
    ("epoch_s", TimeFormat::Epoch(SECOND)),
    ("epoch_ms", TimeFormat::Epoch(1_000_000)),
    ("epoch_us", TimeFormat::Epoch(1_000)),
    ("epoch_ns", TimeFormat::Epoch(1)),
];

const SECOND: i128 = 1_000_000_000;
const DAY_SECONDS: i128 = 86_400;

impl TimeFormat {
    /// A time in seconds since 1970, as behaviours write it, in this format. Other values stay as they are.
    pub(super) fn write(self, seconds: &Value) -> Value {
        let Value::Number(text) = seconds else { return seconds.clone() };
        let Some(nanos) = scaled(text, 9) else { return seconds.clone() };
        match self {
            Self::Iso8601 => iso8601(nanos).map_or_else(|| seconds.clone(), Value::Text),
            Self::Epoch(unit) => Value::Number(nanos.div_euclid(unit).to_string()),
        }
    }

    /// A time in this format as seconds since 1970. Other values stay as they are.
    pub(super) fn read(self, time: &Value) -> Value {
        let nanos = match (self, time) {
            (Self::Iso8601, Value::Text(text)) => parse_iso8601(text),
            (Self::Epoch(unit), Value::Number(text)) => {
                scaled(text, 0).and_then(|count| count.checked_mul(unit))
            }
            _ => None,
        };
        nanos.map_or_else(|| time.clone(), |nanos| Value::Number(seconds(nanos)))
    }
}

/// Nanoseconds as seconds, with the decimals that are needed.
fn seconds(nanos: i128) -> String {
    let (sign, size) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    let (whole, fraction) = (size / SECOND.unsigned_abs(), size % SECOND.unsigned_abs());
    let text = format!("{sign}{whole}.{fraction:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number of JSON times 10^`places`, rounded down, exactly. `None` beyond 30 digits.
pub(crate) fn scaled(text: &str, places: i32) -> Option<i128> {
    const MAX_DIGITS: usize = 30;
    if !is_number(text) {
        return None;
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (sign, unsigned) = mantissa.strip_prefix('-').map_or((1, mantissa), |rest| (-1, rest));
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let shift = exponent.parse::<i32>().ok()?.checked_add(places)?;
    let digits = [whole, fraction].concat();
    let digits = digits.trim_start_matches('0');
    // Digits of the result, from the left; missing ones are zeros.
    let kept = digits.len() as i64 - fraction.len() as i64 + i64::from(shift);
    if digits.is_empty() || kept <= 0 {
        return Some(if sign < 0 && !digits.is_empty() { -1 } else { 0 });
    }
    let kept = usize::try_from(kept).ok().filter(|kept| *kept <= MAX_DIGITS)?;
    let (taken, lost) = digits.split_at(kept.min(digits.len()));
    let number: i128 = format!("{taken:0<kept$}").parse().ok()?;
    let is_exact = lost.bytes().all(|digit| digit == b'0');
    Some(if sign < 0 { -number - i128::from(!is_exact) } else { number })
}

/// The time in ISO 8601, with three, six or nine decimals. `None` before the year 0 and after 9999.
fn iso8601(nanos: i128) -> Option<String> {
    let (total, fraction) = (nanos.div_euclid(SECOND), nanos.rem_euclid(SECOND));
    let (days, second) = (total.div_euclid(DAY_SECONDS), total.rem_euclid(DAY_SECONDS));
    let (year, month, day) = date(days);
    if !(0..=9_999).contains(&year) {
        return None;
    }
    let decimals = match fraction {
        _ if fraction % 1_000_000 == 0 => format!("{:03}", fraction / 1_000_000),
        _ if fraction % 1_000 == 0 => format!("{:06}", fraction / 1_000),
        _ => format!("{fraction:09}"),
    };
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{decimals}Z"))
}

/// The date this many days after 1970-01-01.
fn date(days_since_1970: i128) -> (i128, i128, i128) {
    let day = days_since_1970 + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year_of_era + carry, month, day)
}

#[cfg(test)]
mod tests {
    use wasmote_mqtt::timestamp::days_since_1970;

    use super::*;

    fn number(text: &str) -> Value {
        Value::Number(text.into())
    }

    #[test]
    fn times_are_exact_in_every_format() {
        let ts = number("1767225610.250001");
        for (name, written) in [
            ("iso8601", Value::Text("2026-01-01T00:00:10.250001Z".into())),
            ("epoch_s", number("1767225610")),
            ("epoch_ms", number("1767225610250")),
            ("epoch_us", number("1767225610250001")),
            ("epoch_ns", number("1767225610250001000")),
        ] {
            let (_, format) = FORMATS.into_iter().find(|(known, _)| *known == name).unwrap();
            assert_eq!(format.write(&ts), written, "{name}");
            let read = format.read(&written);
            let expected = match name {
                "epoch_s" => number("1767225610"),
                "epoch_ms" => number("1767225610.25"),
                _ => ts.clone(),
            };
            assert_eq!(read, expected, "{name}");
        }
        assert_eq!(
            TimeFormat::Iso8601.write(&number("-0.5")),
            Value::Text("1969-12-31T23:59:59.500Z".into())
        );
        assert_eq!(TimeFormat::Iso8601.write(&number("1e3")), Value::Text("1970-01-01T00:16:40.000Z".into()));
        assert_eq!(TimeFormat::Iso8601.write(&number("1e40")), number("1e40"));
        assert_eq!(TimeFormat::Iso8601.write(&Value::Null), Value::Null);
    }

    #[test]
    fn every_day_of_eight_centuries_survives() {
        for day in (-150_000..150_000).map(i128::from) {
            let (year, month, of_month) = date(day);
            assert_eq!(days_since_1970(year, month, of_month), day);
        }
        let offset = Value::Text("2024-02-29T01:00:00.5+01:00".into());
        assert_eq!(TimeFormat::Iso8601.read(&offset), number("1709164800.5"));
        for (text, nanos) in [
            ("2024-02-29", 1_709_164_800),
            ("2024-02-29 01:00", 1_709_168_400),
            ("2024-02-29T01:00:00-0130", 1_709_173_800),
        ] {
            assert_eq!(parse_iso8601(text), Some(nanos * SECOND), "{text}");
        }
        for wrong in [
            "",
            "2024-13-01T00:00:00Z",
            "2023-02-29",
            "yesterday at the office",
            "2024-02-29T25:00Z",
            "2024-02-29T1",
        ] {
            let wrong = Value::Text(wrong.into());
            assert_eq!(TimeFormat::Iso8601.read(&wrong), wrong);
        }
    }
}
