//! Times in text: ISO 8601 (RFC 3339), and numbers in quotes.

use crate::number;

const DAY: i64 = 86_400;

/// Parses a time as seconds since 1970: a number of seconds, or a date such as `2026-01-01`, with a time such as
/// `2026-01-01T00:00:30.5Z` or `2026-01-01 01:00+01:00`. A time without an offset is UTC. `None` for any other text.
pub fn parse(text: &str) -> Option<f64> {
    let text = text.trim_ascii();
    number::parse(text).or_else(|| parse_date(text))
}

fn parse_date(text: &str) -> Option<f64> {
    let mut rest = text.as_bytes();
    let year = digits(&mut rest, 4)?;
    let month = after(&mut rest, b"-").and_then(|()| digits(&mut rest, 2))?;
    let day = after(&mut rest, b"-").and_then(|()| digits(&mut rest, 2))?;
    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let midnight = (days_since_1970(year, month, day) * DAY) as f64;
    if rest.is_empty() {
        return Some(midnight);
    }
    after(&mut rest, b"Tt ")?;
    let hour = digits(&mut rest, 2)?;
    let minute = after(&mut rest, b":").and_then(|()| digits(&mut rest, 2))?;
    let mut seconds = 0.0;
    if after(&mut rest, b":").is_some() {
        let whole = digits(&mut rest, 2)?;
        seconds = whole as f64 + fraction(&mut rest)?;
    }
    let offset = offset(&mut rest)?;
    let in_range = hour < 24 && minute < 60 && seconds < 61.0 && rest.is_empty();
    in_range.then(|| midnight + (hour * 3_600 + minute * 60 - offset) as f64 + seconds)
}

/// Offset from UTC in seconds; none is zero.
fn offset(rest: &mut &[u8]) -> Option<i64> {
    let sign = match rest.first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(b'Z' | b'z') => {
            *rest = &rest[1..];
            return Some(0);
        }
        _ => return Some(0),
    };
    *rest = &rest[1..];
    let hours = digits(rest, 2)?;
    let colon = after(rest, b":").is_some();
    let minutes = if colon || !rest.is_empty() { digits(rest, 2)? } else { 0 };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// A fraction of a second, if there is one.
fn fraction(rest: &mut &[u8]) -> Option<f64> {
    if after(rest, b".,").is_none() {
        return Some(0.0);
    }
    let (mut value, mut unit, before) = (0.0, 0.1, rest.len());
    while let Some(digit @ b'0'..=b'9') = rest.first() {
        value += f64::from(digit - b'0') * unit;
        unit /= 10.0;
        *rest = &rest[1..];
    }
    (rest.len() < before).then_some(value)
}

/// Takes one of these bytes.
fn after(rest: &mut &[u8], any: &[u8]) -> Option<()> {
    let found = rest.first().is_some_and(|byte| any.contains(byte));
    *rest = if found { &rest[1..] } else { *rest };
    found.then_some(())
}

/// Takes a number of exactly this many digits.
fn digits(rest: &mut &[u8], count: usize) -> Option<i64> {
    let taken = rest.get(..count)?;
    let number = taken
        .iter()
        .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))?;
    *rest = rest.get(count..)?;
    Some(number)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. The year is counted from March, so that the leap day is its
/// last day.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    const FROM_YEAR_0: i64 = 719_468;
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * month + 2) / 5 + day - 1 - FROM_YEAR_0
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn dates_and_quoted_numbers_are_times() {
        for (text, seconds) in [
            ("1970-01-01", 0.0),
            ("2026-01-01T00:00:00Z", 1_767_225_600.0),
            ("2026-01-01t00:00z", 1_767_225_600.0),
            ("2026-01-01 01:00:30.25+01:00", 1_767_225_630.25),
            ("2025-12-31T19:00:00-0500", 1_767_225_600.0),
            ("2025-12-31T19:00:00,5-05", 1_767_225_600.5),
            ("2024-02-29T23:59:60Z", 1_709_251_200.0),
            ("1969-12-31T23:59:59", -1.0),
            ("2000-03-01", 951_868_800.0),
            ("1767225600.25", 1_767_225_600.25),
            (" 12 ", 12.0),
        ] {
            assert_eq!(parse(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in [
            "",
            "soon",
            "2026-13-01",
            "2026-02-29",
            "2026-01-01T",
            "2026-01-01T24:00Z",
            "2026-01-01T10",
            "2026-1-1",
            "2026-01-01T10:00:00.Z",
            "2026-01-01T10:00+25:00",
            "2026-01-01T10:00Z!",
            "01/02/2026",
            "2026-01-01T1é:00",
            "10:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
