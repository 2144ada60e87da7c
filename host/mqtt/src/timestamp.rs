//! Times that programs write into payloads: seconds since 1970 as a number, in quotes or not, or a date in ISO 8601.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::time::WallTime;

const SECOND: i128 = 1_000_000_000;
const DAY_SECONDS: i128 = 86_400;

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
                Err(_) => {
                    let nanos = parse_iso8601(text.trim())?;
                    return u64::try_from(nanos).ok().map(WallTime::from_nanos);
                }
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

/// Nanoseconds since 1970 of a date, such as `2026-01-01`, with a time such as `2026-01-01T00:00:30.5+01:00` or
/// `2026-01-01 00:00`. A time without an offset is UTC.
pub fn parse_iso8601(text: &str) -> Option<i128> {
    let mut rest = text.trim_ascii();
    let (year, month, day) = (digits(&mut rest, 4)?, after(&mut rest, "-", 2)?, after(&mut rest, "-", 2)?);
    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let midnight = days_since_1970(year, month, day) * DAY_SECONDS * SECOND;
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
            fraction = fraction_nanos(&decimals[..end])?;
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

/// Nanoseconds of a fraction of a second, which is a text of digits. Further digits are cut off.
fn fraction_nanos(digits: &str) -> Option<i128> {
    if digits.is_empty() {
        return None;
    }
    format!("{digits:0<9}").get(..9)?.parse().ok()
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
pub fn days_since_1970(year: i128, month: i128, day: i128) -> i128 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 719_469
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
