//! Formats of times, exact to the nanosecond.

use super::value::{Value, is_number};

/// Format of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeFormat {
    /// Text such as `2026-01-01T00:00:30.125Z`.
    Iso8601,
    /// An integer of seconds, milliseconds, microseconds or nanoseconds since 1970, with the nanoseconds of one unit.
    Epoch(i128),
}

/// Names of the formats in a layout.
pub(super) const NAMES: [&str; 5] = ["iso8601", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns"];

const SECOND: i128 = 1_000_000_000;
const DAY_SECONDS: i128 = 86_400;

impl TimeFormat {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "iso8601" => Self::Iso8601,
            "epoch_s" => Self::Epoch(SECOND),
            "epoch_ms" => Self::Epoch(1_000_000),
            "epoch_us" => Self::Epoch(1_000),
            "epoch_ns" => Self::Epoch(1),
            _ => return None,
        })
    }

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

/// Nanoseconds since 1970 of a date, such as `2026-01-01`, with a time such as `2026-01-01T00:00:30.5+01:00` or
/// `2026-01-01 00:00`. A time without an offset is UTC.
pub(crate) fn parse_iso8601(text: &str) -> Option<i128> {
    let mut rest = text.trim_ascii();
    let (year, month, day) = (digits(&mut rest, 4)?, after(&mut rest, "-", 2)?, after(&mut rest, "-", 2)?);
    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let midnight = days(year, month, day) * DAY_SECONDS * SECOND;
    if rest.is_empty() {
        return Some(midnight);
    }
    rest = rest.strip_prefix(['T', 't', ' '])?;
    let (hour, minute) = (digits(&mut rest, 2)?, after(&mut rest, ":", 2)?);
    let (mut second, mut fraction) = (0, 0);
    if rest.starts_with(':') {
        second = after(&mut rest, ":", 2)?;
        if let Some(decimals) = rest.strip_prefix(['.', ',']) {
            let end = decimals.bytes().take_while(u8::is_ascii_digit).count();
            fraction = scaled(&format!("0.{}", &decimals[..end]), 9)?;
            rest = &decimals[end..];
        }
    }
    let offset = match rest {
        "Z" | "z" | "" => 0,
        _ => {
            let sign = if rest.starts_with('-') { -60 } else { 60 };
            rest = rest.strip_prefix(['+', '-'])?;
            let hours = digits(&mut rest, 2)?;
            rest = rest.strip_prefix(':').unwrap_or(rest);
            let minutes = if rest.is_empty() { 0 } else { digits(&mut rest, 2)? };
            if hours > 23 || minutes > 59 || !rest.is_empty() {
                return None;
            }
            sign * (hours * 60 + minutes)
        }
    };
    let in_range = hour < 24 && minute < 60 && second < 61;
    in_range.then(|| midnight + (hour * 3_600 + minute * 60 + second - offset) * SECOND + fraction)
}

/// Takes a number of exactly this many digits.
fn digits(rest: &mut &str, count: usize) -> Option<i128> {
    let taken = rest.get(..count).filter(|taken| taken.bytes().all(|byte| byte.is_ascii_digit()))?;
    *rest = &rest[count..];
    taken.parse().ok()
}

/// Takes a number after a separator.
fn after(rest: &mut &str, separator: &str, count: usize) -> Option<i128> {
    *rest = rest.strip_prefix(separator)?;
    digits(rest, count)
}

fn days_in_month(year: i128, month: i128) -> i128 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i128::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date. The year is counted from March, so that the leap day is its last day.
fn days(year: i128, month: i128, day: i128) -> i128 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 719_469
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
            let format = TimeFormat::of(name).unwrap();
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
            assert_eq!(days(year, month, of_month), day);
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
