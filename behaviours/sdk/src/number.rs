//! Conversions between numbers and text, much smaller than those of the standard library.
//!
//! The conversions of the standard library are exact to the last bit and add 40 KB of code and tables to each
//! guest and each device. These are exact to 15 significant digits, which exceeds the precision of any
//! sensor.

use std::fmt;

/// All integers up to this one are exact.
const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;

/// Maximum number of decimals.
const MAX_DECIMALS: u32 = 9;

/// A number formatted with a maximum number of decimals, without trailing zeros.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    number: f64,
    places: u32,
}

/// Formats a number with at most this many decimals, up to nine.
pub fn decimal(number: f64, places: u32) -> Decimal {
    Decimal { number, places: places.min(MAX_DECIMALS) }
}

/// Formats a number with the highest precision.
pub fn shortest(number: f64) -> Decimal {
    Decimal { number, places: MAX_DECIMALS }
}

/// Formats an integer with all its digits.
pub(crate) fn integer(number: u64) -> String {
    let mut text = Vec::new();
    write_whole(&mut text, number);
    String::from_utf8(text).unwrap_or_default()
}

/// Parses the digits of an integer of 64 bits. `None` if there is anything else, or too many digits.
pub(crate) fn parse_integer(text: &str) -> Option<u64> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    let add = |number: u64, byte| number.checked_mul(10)?.checked_add(digit(byte)?);
    text.bytes().try_fold(0, add).filter(|_| !text.is_empty())
}

/// True if [`shortest`] is known to write the number of this JSON text with the same text. The check is cheap and passes
/// usual readings and counts; it may return false for a text that would stay the same.
pub(crate) fn is_canonical(text: &str) -> bool {
    const MAX_INTEGER_DIGITS: usize = 15;
    /// Whole digits with which a product of nine decimals stays exact.
    const MAX_WHOLE_DIGITS: usize = 6;
    let text = text.as_bytes();
    let unsigned = match text {
        [b'-', rest @ ..] => rest,
        rest => rest,
    };
    let whole = unsigned.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match unsigned.get(whole..) {
        Some([]) => whole <= MAX_INTEGER_DIGITS && text != b"-0",
        Some([b'.', fraction @ ..]) => {
            whole <= MAX_WHOLE_DIGITS
                && fraction.len() <= MAX_DECIMALS as usize
                && fraction.iter().all(u8::is_ascii_digit)
                && fraction.last() != Some(&b'0')
                // Smaller numbers are written with an exponent.
                && !(unsigned.first() == Some(&b'0') && fraction.starts_with(b"00000"))
        }
        _ => false,
    }
}

impl Decimal {
    /// Appends the text to a buffer.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let size = self.number.abs();
        if self.number.is_nan() {
            return out.extend_from_slice(b"not a number");
        }
        if self.number < 0.0 {
            out.push(b'-');
        }
        if size.is_infinite() {
            return out.extend_from_slice(b"infinity");
        }
        let tiny = size > 0.0 && size < 1e-6 && self.places == MAX_DECIMALS;
        if size >= MAX_EXACT_INTEGER || tiny {
            let (digits, exponent) = scientific(size);
            write_fixed(out, digits, 14);
            out.extend_from_slice(if exponent < 0 { b"e-".as_slice() } else { b"e" });
            return write_whole(out, exponent.unsigned_abs().into());
        }
        let whole = size as u64;
        if whole as f64 == size {
            return write_whole(out, whole);
        }
        let mut places = self.places;
        while places > 0 && size * power_of_ten(places) >= MAX_EXACT_INTEGER {
            places -= 1;
        }
        write_fixed(out, (size * power_of_ten(places)).round() as u64, places);
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        self.write(&mut text);
        out.write_str(&String::from_utf8_lossy(&text))
    }
}

/// Writes `digits` / 10^`places` without trailing zeros.
fn write_fixed(out: &mut Vec<u8>, digits: u64, places: u32) {
    let unit = 10u64.pow(places);
    let (mut fraction, mut width) = (digits % unit, places as usize);
    write_whole(out, digits / unit);
    if fraction == 0 {
        return;
    }
    while fraction % 10 == 0 {
        fraction /= 10;
        width -= 1;
    }
    out.push(b'.');
    write_digits(out, fraction, width);
}

fn write_whole(out: &mut Vec<u8>, number: u64) {
    write_digits(out, number, 1);
}

/// Writes a number with at least this many digits.
fn write_digits(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        if number == 0 {
            break;
        }
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        start -= 1;
    }
    start = start.min(digits.len() - width.min(digits.len()));
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

/// A positive number as fifteen digits, the first before the point, and a power of ten.
fn scientific(mut number: f64) -> (u64, i32) {
    // Scaled in the largest exact powers of ten, because each step rounds once.
    let mut exponent = 0;
    while number >= 1e22 {
        number /= 1e22;
        exponent += 22;
    }
    while number < 1.0 {
        number *= 1e22;
        exponent -= 22;
    }
    let step = (0..22).rev().find(|step| number >= power_of_ten(*step)).unwrap_or(0);
    number /= power_of_ten(step);
    ((number * 1e14).round() as u64, exponent + step as i32)
}

/// The exact powers of ten: their odd factor fits 53 bits.
const POWERS_OF_TEN: [f64; 23] = {
    let mut powers = [1.0; 23];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10.0;
        exponent += 1;
    }
    powers
};

/// 10^`exponent`, for exponents up to 22.
fn power_of_ten(exponent: u32) -> f64 {
    POWERS_OF_TEN.get(exponent as usize).copied().unwrap_or(f64::INFINITY)
}

/// Parses a decimal number such as `-12.5e-3`. `None` if it is invalid or not finite.
pub fn parse(text: &str) -> Option<f64> {
    let (negative, text) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut digits = 0u64;
    let mut exponent = 0i32;
    let (mut any, mut point) = (false, false);
    let mut rest = text.iter();
    for letter in rest.by_ref() {
        match letter {
            b'0'..=b'9' => {
                any = true;
                // Digits beyond the 18th exceed the precision of an `f64`.
                if digits < 100_000_000_000_000_000 {
                    digits = digits * 10 + u64::from(letter - b'0');
                    exponent -= i32::from(point);
                } else {
                    exponent += i32::from(!point);
                }
            }
            b'.' if !point && any => point = true,
            b'e' | b'E' if any => {
                exponent = exponent.saturating_add(parse_exponent(rest.as_slice())?);
                break;
            }
            _ => return None,
        }
    }
    if !any {
        return None;
    }
    let number = scale(digits as f64, exponent);
    number.is_finite().then_some(if negative { -number } else { number })
}

fn parse_exponent(text: &[u8]) -> Option<i32> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] | digits => (1, digits),
    };
    if digits.is_empty() {
        return None;
    }
    digits
        .iter()
        .try_fold(0i32, |exponent, digit| match digit {
            // Clamped to an exponent that already means zero or infinity.
            b'0'..=b'9' => Some((exponent * 10 + i32::from(digit - b'0')).min(10_000)),
            _ => None,
        })
        .map(|exponent| sign * exponent)
}

fn scale(mut number: f64, mut exponent: i32) -> f64 {
    while exponent != 0 && number != 0.0 && number.is_finite() {
        let step = exponent.unsigned_abs().min(22);
        let power = power_of_ten(step);
        if exponent > 0 {
            number *= power;
            exponent -= step as i32;
        } else {
            number /= power;
            exponent += step as i32;
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use super::{decimal, is_canonical, parse, shortest};

    #[test]
    fn a_canonical_text_is_written_again() {
        let mut texts: Vec<String> =
            ["0", "-7", "999999999999999", "0.00001", "-0.5", "999999.999999999", "123456.1"]
                .map(String::from)
                .into();
        let mut state = 1u64;
        for _ in 0..2_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (whole, fraction) = (state >> 44, (state >> 12) % 1_000_000_000);
            texts.push(format!("{}.{fraction:09}", whole % 1_000_000).trim_end_matches('0').into());
        }
        for text in texts.iter().filter(|text| is_canonical(text)) {
            assert_eq!(&shortest(parse(text).unwrap()).to_string(), text);
        }
        assert!(texts.iter().filter(|text| is_canonical(text)).count() > 1_900);
        for text in ["-0", "1.0", "1e3", "1E3", "9007199254740993", "0.0000001", "1234567.5", "0.1234567890"]
        {
            assert!(!is_canonical(text), "{text}");
        }
    }

    #[test]
    fn numbers_are_written_as_short_as_they_are() {
        for (number, text) in [
            (0.0, "0"),
            (12.0, "12"),
            (-0.25, "-0.25"),
            (0.1, "0.1"),
            (1_790_000_000.123457, "1790000000.123457"),
            (20.000_05, "20.00005"),
            (1e-9, "1e-9"),
            (1.5e300, "1.5e300"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (1e21, "1e21"),
        ] {
            assert_eq!(shortest(number).to_string(), text);
            assert_eq!(parse(text), Some(number), "{text}");
        }
    }

    #[test]
    fn decimals_are_rounded() {
        assert_eq!(decimal(17.249, 1).to_string(), "17.2");
        assert_eq!(decimal(17.96, 1).to_string(), "18");
        assert_eq!(decimal(1e-9, 2).to_string(), "0");
        assert_eq!(decimal(f64::NAN, 1).to_string(), "not a number");
        assert_eq!(decimal(f64::NEG_INFINITY, 1).to_string(), "-infinity");
    }

    #[test]
    fn fifteen_digits_survive_the_round_trip() {
        let mut number = 1.234_567_890_123_45e-290;
        while number < 1e290 {
            let back = parse(&shortest(number).to_string()).unwrap();
            // Below 2⁵³ nine decimals bound the absolute error, above it fifteen digits bound the relative
            // error.
            let error = (back - number).abs();
            assert!(error <= 5.1e-10 && number < 1e16 || error / number < 1e-13, "{number} became {back}");
            number *= 7.3;
        }
    }

    #[test]
    fn parsing_agrees_with_the_standard_library() {
        for text in
            ["0.5", "-3.25e2", "123456789012345", "98.6", "1e22", "0.000001", "6.02214076e23", "2.5E+3"]
        {
            assert_eq!(parse(text), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn invalid_numbers_are_rejected() {
        for text in ["", "-", ".5", "1e", "1e+", "1.2.3", "1x", "e5", "1e999", "nan", "inf"] {
            assert_eq!(parse(text), None, "{text}");
        }
        let long = "9".repeat(400);
        assert_eq!(parse(&long), None);
        assert_eq!(parse(&format!("0.{}1", "0".repeat(400))), Some(0.0));
    }
}
