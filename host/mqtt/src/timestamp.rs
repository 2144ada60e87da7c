//! Times that programs write into payloads: seconds since 1970 as a number, in quotes or not, or a date in ISO 8601.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::time::WallTime;

/// A field of a JSON payload that should be a time.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Stamp<'a> {
    /// Seconds since 1970, or a sequence number.
    Whole(u64),
    /// Seconds since 1970.
    Number(f64),
    /// A number or a date as text.
    #[serde(borrow)]
    Text(Cow<'a, str>),
    /// Another type, which is no time.
    Other(IgnoredAny),
}

impl Stamp<'_> {
    /// The time; `None` if it is none, or before 1970.
    pub(crate) fn time(&self) -> Option<WallTime> {
        let nanos = match self {
            Self::Whole(seconds) => Some(*seconds as f64 * 1e9),
            Self::Number(seconds) => (*seconds >= 0.0).then_some(*seconds * 1e9),
            Self::Text(text) => match text.trim().parse::<f64>() {
                Ok(seconds) => (seconds >= 0.0).then_some(seconds * 1e9),
                Err(_) => return parse_date(text.trim()),
            },
            Self::Other(_) => None,
        };
        // The cast saturates.
        nanos.map(|nanos| WallTime::from_nanos(nanos as u64))
    }

    /// The number, if it is a whole one.
    pub(crate) fn whole(&self) -> Option<u64> {
        match self {
            Self::Whole(number) => Some(*number),
            Self::Number(number) if *number >= 0.0 && number.fract() == 0.0 => Some(*number as u64),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
}

/// Parses a date with a time, such as `2026-01-01T00:00:30.5Z` or `2026-01-01 01:00+01:00`. Without an offset it is UTC.
fn parse_date(text: &str) -> Option<WallTime> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.split('-');
    let (year, month, day) =
        (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    if parts.next().is_some()
        || !(1..=12).contains(&month)
        || !(1..=days_in_month(year, month)).contains(&day)
    {
        return None;
    }
    let midnight = days_since_1970(year, month, day) * 86_400;
    let (seconds, nanos) = match rest.strip_prefix(['T', 't', ' ']) {
        None if rest.is_empty() => (0, 0),
        None => return None,
        Some(rest) => time_of_day(rest)?,
    };
    let seconds = u64::try_from(midnight + seconds).ok()?;
    Some(WallTime::from_nanos(seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?))
}

/// Seconds since midnight in UTC, and nanoseconds.
fn time_of_day(text: &str) -> Option<(i64, u64)> {
    let (clock, offset) = match text.strip_suffix(['Z', 'z']) {
        Some(clock) => (clock, 0),
        None => match text.rfind(['+', '-']) {
            Some(sign) => (&text[..sign], offset(&text[sign..])?),
            None => (text, 0),
        },
    };
    let (clock, nanos) = match clock.split_once(['.', ',']) {
        Some((clock, fraction)) => (clock, fraction_nanos(fraction)?),
        None => (clock, 0),
    };
    let mut parts = clock.split(':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let second = parts.next().map_or(Some(0), |second| digits(second, 2))?;
    let valid = parts.next().is_none() && hour < 24 && minute < 60 && second <= 60;
    valid.then_some((hour * 3_600 + minute * 60 + second - offset, nanos))
}

/// An offset from UTC such as `+01:00`, `-0500` or `+01`, in seconds.
fn offset(text: &str) -> Option<i64> {
    let (sign, digits_only) = (if text.starts_with('-') { -1 } else { 1 }, text[1..].replacen(':', "", 1));
    let (hours, minutes) = match digits_only.len() {
        2 => (digits(&digits_only, 2)?, 0),
        4 => (digits(digits_only.get(..2)?, 2)?, digits(digits_only.get(2..)?, 2)?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Nanoseconds of a fraction of a second. Further digits are cut off.
fn fraction_nanos(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{digits:0<9}").get(..9)?.parse().ok()
}

/// A number of exactly this many digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date. The year begins in March here, so that a leap day is the last day of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 719_469
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds since 1970.
    fn time(json: &str) -> Option<u64> {
        let stamp: Stamp<'_> = serde_json::from_str(json).unwrap();
        stamp.time().map(|time| time.as_nanos() / 1_000_000)
    }

    #[test]
    fn numbers_quoted_numbers_and_dates_are_times() {
        for (json, millis) in [
            ("1767225600", 1_767_225_600_000),
            ("1767225600.5", 1_767_225_600_500),
            ("\"1767225600.5\"", 1_767_225_600_500),
            ("\"2026-01-01T00:00:00Z\"", 1_767_225_600_000),
            ("\"2026-01-01 01:00:30.25+01:00\"", 1_767_225_630_250),
            ("\"2025-12-31T19:00-0500\"", 1_767_225_600_000),
            ("\"2024-02-29T23:59:60Z\"", 1_709_251_200_000),
            ("\"1970-01-01\"", 0),
            ("\"2000-03-01\"", 951_868_800_000),
        ] {
            assert_eq!(time(json), Some(millis), "{json}");
        }
    }

    #[test]
    fn sequence_numbers_keep_all_their_digits() {
        for (json, whole) in [
            ("9007199254740993", Some(9_007_199_254_740_993)),
            ("\"9007199254740993\"", Some(9_007_199_254_740_993)),
            ("7.0", Some(7)),
            ("7.5", None),
            ("-7", None),
            ("null", None),
        ] {
            let stamp: Stamp<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(stamp.whole(), whole, "{json}");
        }
    }

    #[test]
    fn everything_else_is_no_time() {
        for json in [
            "null",
            "true",
            "[1]",
            "{}",
            "-1",
            "\"\"",
            "\"noon\"",
            "\"2026-02-29\"",
            "\"2026-13-01\"",
            "\"10:00\"",
            "\"2026-01-01T24:00Z\"",
            "\"2026-01-01T10:00:00.Z\"",
            "\"2026-01-01T10:00+25:00\"",
            "\"2026-01-01Tx\"",
            "\"2026-01-01-\"",
            "\"2026-01-0é\"",
            "\"1969-12-31\"",
            "\"2026-01-01T1:00\"",
            "\"2026-01-01T10:00é\"",
        ] {
            assert_eq!(time(json), None, "{json}");
        }
    }
}
