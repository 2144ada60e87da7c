//! Binary encodings of JSON values: CBOR (RFC 8949) and MessagePack.
//!
//! Integers of 64 bits stay integers; every other number is a double. A number that is written with a point or an
//! exponent stays a double, so that a reading has the same type in every message.

use super::value::{MAX_DEPTH, Value, is_number};

/// Numbers as the encodings distinguish them.
enum Number {
    Unsigned(u64),
    Negative(i64),
    Float(f64),
}

fn number(text: &str) -> Number {
    if let Ok(unsigned) = text.parse() {
        return Number::Unsigned(unsigned);
    }
    match text.parse() {
        Ok(negative) => Number::Negative(negative),
        Err(_) => Number::Float(text.parse().unwrap_or(f64::NAN)),
    }
}

/// Appends a value as CBOR.
pub(super) fn write_cbor(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(truth) => out.push(if *truth { 0xf5 } else { 0xf4 }),
        Value::Number(text) => match number(text) {
            Number::Unsigned(number) => cbor_head(out, 0, number),
            // -1 is 0, -2 is 1 and so on.
            Number::Negative(number) => cbor_head(out, 1, !number.cast_unsigned()),
            Number::Float(number) => {
                out.push(0xfb);
                out.extend_from_slice(&number.to_be_bytes());
            }
        },
        Value::Text(text) => {
            cbor_head(out, 3, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
        Value::List(items) => {
            cbor_head(out, 4, items.len() as u64);
            items.iter().for_each(|item| write_cbor(item, out));
        }
        Value::Object(members) => {
            cbor_head(out, 5, members.len() as u64);
            for (name, value) in members {
                cbor_head(out, 3, name.len() as u64);
                out.extend_from_slice(name.as_bytes());
                write_cbor(value, out);
            }
        }
    }
}

/// Writes the head of an item with the shortest form of its number.
fn cbor_head(out: &mut Vec<u8>, major: u8, number: u64) {
    let kind = major << 5;
    match number {
        0..24 => out.push(kind | number as u8),
        24..0x100 => out.extend_from_slice(&[kind | 24, number as u8]),
        0x100..0x1_0000 => {
            out.push(kind | 25);
            out.extend_from_slice(&(number as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            out.push(kind | 26);
            out.extend_from_slice(&(number as u32).to_be_bytes());
        }
        _ => {
            out.push(kind | 27);
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// Reads one value of CBOR, without its tags. `None` if the bytes are not exactly that, or have values that JSON lacks.
pub(super) fn read_cbor(bytes: &[u8]) -> Option<Value> {
    let mut reader = Reader { rest: bytes };
    let value = reader.cbor(MAX_DEPTH)?;
    reader.rest.is_empty().then_some(value)
}

struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn take(&mut self, count: u64) -> Option<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(usize::try_from(count).ok()?)?;
        self.rest = rest;
        Some(taken)
    }

    /// A number of this many bytes, the highest first.
    fn unsigned(&mut self, bytes: u64) -> Option<u64> {
        Some(self.take(bytes)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn text(&mut self, length: u64) -> Option<String> {
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }

    /// Each item takes at least one byte, so a count beyond the rest is wrong, and no memory is reserved for it.
    fn list(&mut self, count: u64, mut item: impl FnMut(&mut Self) -> Option<Value>) -> Option<Value> {
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Some(Value::List(items))
    }

    fn object(&mut self, count: u64, mut item: impl FnMut(&mut Self) -> Option<Value>) -> Option<Value> {
        let mut members = Vec::new();
        for _ in 0..count {
            let name = item(self)?.plain();
            members.push((name, item(self)?));
        }
        Some(Value::Object(members))
    }

    fn cbor(&mut self, depth: u32) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        let head = self.byte()?;
        let (major, short) = (head >> 5, head & 31);
        if major == 7 {
            return Some(match short {
                20 => Value::Bool(false),
                21 => Value::Bool(true),
                22 | 23 => Value::Null,
                25 => Value::float(half(self.unsigned(2)? as u16)),
                26 => Value::float(f64::from(f32::from_bits(self.unsigned(4)? as u32))),
                27 => Value::float(f64::from_bits(self.unsigned(8)?)),
                _ => return None,
            });
        }
        if short == 31 {
            return self.cbor_indefinite(major, depth);
        }
        let number = match short {
            0..24 => u64::from(short),
            24..28 => self.unsigned(1 << (short - 24))?,
            _ => return None,
        };
        match major {
            0 => Some(Value::Number(number.to_string())),
            1 => Some(Value::Number((-1 - i128::from(number)).to_string())),
            2 => Some(Value::Text(base64(self.take(number)?))),
            3 => self.text(number).map(Value::Text),
            4 => self.list(number, |reader| reader.cbor(depth)),
            5 => self.object(number, |reader| reader.cbor(depth)),
            // A tag, such as that of a time, is skipped: JSON has none.
            _ => self.cbor(depth),
        }
    }

    /// Lists and objects that end with a break.
    fn cbor_indefinite(&mut self, major: u8, depth: u32) -> Option<Value> {
        const BREAK: u8 = 0xff;
        let mut items = Vec::new();
        while *self.rest.first()? != BREAK {
            items.push(self.cbor(depth)?);
        }
        self.byte()?;
        match major {
            3 => Some(Value::Text(items.iter().map(Value::plain).collect())),
            4 => Some(Value::List(items)),
            5 => {
                let mut members = Vec::new();
                let mut items = items.into_iter();
                while let Some(name) = items.next() {
                    members.push((name.plain(), items.next()?));
                }
                Some(Value::Object(members))
            }
            _ => None,
        }
    }

    fn message_pack(&mut self, depth: u32) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        let head = self.byte()?;
        let integer = |number: i64| Some(Value::Number(number.to_string()));
        match head {
            0..0x80 => integer(head.into()),
            0xe0.. => integer(i64::from(head.cast_signed())),
            0x80..0x90 => self.object(u64::from(head & 15), |reader| reader.message_pack(depth)),
            0x90..0xa0 => self.list(u64::from(head & 15), |reader| reader.message_pack(depth)),
            0xa0..0xc0 => self.text(u64::from(head & 31)).map(Value::Text),
            0xc0 => Some(Value::Null),
            0xc2 => Some(Value::Bool(false)),
            0xc3 => Some(Value::Bool(true)),
            0xc4..=0xc6 => {
                let length = self.unsigned(1 << (head - 0xc4))?;
                Some(Value::Text(base64(self.take(length)?)))
            }
            0xca => Some(Value::float(f64::from(f32::from_bits(self.unsigned(4)? as u32)))),
            0xcb => Some(Value::float(f64::from_bits(self.unsigned(8)?))),
            0xcc..=0xcf => Some(Value::Number(self.unsigned(1 << (head - 0xcc))?.to_string())),
            0xd0 => integer(i64::from((self.unsigned(1)? as u8).cast_signed())),
            0xd1 => integer(i64::from((self.unsigned(2)? as u16).cast_signed())),
            0xd2 => integer(i64::from((self.unsigned(4)? as u32).cast_signed())),
            0xd3 => integer(self.unsigned(8)?.cast_signed()),
            0xd9..=0xdb => {
                let length = self.unsigned(1 << (head - 0xd9))?;
                self.text(length).map(Value::Text)
            }
            0xdc | 0xdd => {
                let count = self.unsigned(2 << (head - 0xdc))?;
                self.list(count, |reader| reader.message_pack(depth))
            }
            0xde | 0xdf => {
                let count = self.unsigned(2 << (head - 0xde))?;
                self.object(count, |reader| reader.message_pack(depth))
            }
            _ => None,
        }
    }
}

/// Value of a number in half precision. Powers of two are exact.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (bits >> 10 & 31, f64::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction / 16_777_216.0,
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1_024.0 + fraction) * f64::from(1_u32 << exponent) / 33_554_432.0,
    };
    if bits & 0x8000 == 0 { size } else { -size }
}

/// Bytes as a text in Base64, because JSON has no bytes.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for letter in 0..4 {
            let known = letter <= chunk.len();
            text.push(if known { LETTERS[(bits >> (18 - 6 * letter) & 63) as usize].into() } else { '=' });
        }
    }
    text
}

/// Appends a value as MessagePack.
pub(super) fn write_message_pack(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xc0),
        Value::Bool(truth) => out.push(if *truth { 0xc3 } else { 0xc2 }),
        Value::Number(text) => match number(text) {
            Number::Unsigned(number @ 0..0x80) => out.push(number as u8),
            Number::Unsigned(number) => sized(out, number, 0xcc, 8),
            Number::Negative(number @ -32..) => out.push((number as i8).cast_unsigned()),
            Number::Negative(number) => {
                let (code, bytes) = match number {
                    -0x80.. => (0xd0, 1),
                    -0x8000.. => (0xd1, 2),
                    -0x8000_0000.. => (0xd2, 4),
                    _ => (0xd3, 8),
                };
                out.push(code);
                out.extend_from_slice(&number.to_be_bytes()[8 - bytes..]);
            }
            Number::Float(number) => {
                out.push(0xcb);
                out.extend_from_slice(&number.to_be_bytes());
            }
        },
        Value::Text(text) => {
            match text.len() {
                length @ 0..32 => out.push(0xa0 | length as u8),
                length => sized(out, length as u64, 0xd9, 4),
            }
            out.extend_from_slice(text.as_bytes());
        }
        Value::List(items) => {
            count(out, items.len(), 0x90, 0xdc);
            items.iter().for_each(|item| write_message_pack(item, out));
        }
        Value::Object(members) => {
            count(out, members.len(), 0x80, 0xde);
            for (name, value) in members {
                write_message_pack(&Value::Text(name.clone()), out);
                write_message_pack(value, out);
            }
        }
    }
}

/// Writes a code for a number of 1, 2, 4 or 8 bytes, with the fewest bytes. `code` is that of one byte.
fn sized(out: &mut Vec<u8>, number: u64, code: u8, most: usize) {
    let (step, bytes) = match number {
        0..0x100 => (0, 1),
        0x100..0x1_0000 => (1, 2),
        0x1_0000..0x1_0000_0000 => (2, 4),
        _ => (3, most),
    };
    out.push(code + step);
    out.extend_from_slice(&number.to_be_bytes()[8 - bytes..]);
}

fn count(out: &mut Vec<u8>, count: usize, short: u8, long: u8) {
    match count {
        0..16 => out.push(short | count as u8),
        16..0x1_0000 => {
            out.push(long);
            out.extend_from_slice(&(count as u16).to_be_bytes());
        }
        _ => {
            out.push(long + 1);
            out.extend_from_slice(&(count as u32).to_be_bytes());
        }
    }
}

/// Reads one value of MessagePack. `None` if the bytes are not exactly that.
pub(super) fn read_message_pack(bytes: &[u8]) -> Option<Value> {
    let mut reader = Reader { rest: bytes };
    let value = reader.message_pack(MAX_DEPTH)?;
    reader.rest.is_empty().then_some(value)
}

/// A number of JSON that is a double in every encoding.
pub(super) fn as_float(text: &str) -> String {
    let is_integer = is_number(text) && !text.contains(['.', 'e', 'E']);
    if is_integer { format!("{text}.0") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::value::parse;
    use super::*;

    const TEXTS: [&str; 14] = [
        "null",
        "true",
        "0",
        "23",
        "-1",
        "-32",
        "-33",
        "255",
        "65536",
        "18446744073709551615",
        "-9223372036854775808",
        "21.5",
        r#"{"a":[1,2,{"b":"ü"}],"c":null,"":false}"#,
        r#""a longer text than thirty-one bytes is""#,
    ];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn values_survive_both_encodings() {
        for text in TEXTS {
            let value = parse(text).unwrap();
            let (mut cbor, mut pack) = (Vec::new(), Vec::new());
            write_cbor(&value, &mut cbor);
            write_message_pack(&value, &mut pack);
            assert_eq!(read_cbor(&cbor), Some(value.clone()), "{text}: {}", hex(&cbor));
            assert_eq!(read_message_pack(&pack), Some(value), "{text}: {}", hex(&pack));
        }
        for size in [15, 16, 31, 32, 255, 256, 65_535, 65_536] {
            let list = Value::List(vec![Value::Bool(true); size]);
            let text = Value::Text("x".repeat(size));
            for value in [list, text] {
                let (mut cbor, mut pack) = (Vec::new(), Vec::new());
                write_cbor(&value, &mut cbor);
                write_message_pack(&value, &mut pack);
                assert_eq!(read_cbor(&cbor).as_ref(), Some(&value));
                assert_eq!(read_message_pack(&pack).as_ref(), Some(&value));
            }
        }
    }

    /// Examples of RFC 8949, appendix A, and of the specification of MessagePack.
    #[test]
    fn the_bytes_are_those_of_the_specifications() {
        for (text, cbor, pack) in [
            ("1000000000000", "1b000000e8d4a51000", "cf000000e8d4a51000"),
            ("-1000", "3903e7", "d1fc18"),
            ("1.1", "fb3ff199999999999a", "cb3ff199999999999a"),
            (r#"{"a":1,"b":[2,3]}"#, "a26161016162820203", "82a16101a162920203"),
            ("-9223372036854775808", "3b7fffffffffffffff", "d38000000000000000"),
            ("21.0", "fb4035000000000000", "cb4035000000000000"),
        ] {
            let value = parse(text).unwrap();
            let mut out = Vec::new();
            write_cbor(&value, &mut out);
            assert_eq!(hex(&out), cbor, "{text}");
            out.clear();
            write_message_pack(&value, &mut out);
            assert_eq!(hex(&out), pack, "{text}");
        }
        // Forms that others write: half and single precision, indefinite lengths, tags, bytes.
        for (bytes, text) in [
            (&[0xf9, 0x3c, 0x00][..], "1.0"),
            (&[0xf9, 0xc4, 0x00], "-4.0"),
            (&[0xfa, 0x47, 0xc3, 0x50, 0x00], "100000.0"),
            (&[0x9f, 0x01, 0x02, 0xff], "[1,2]"),
            (&[0xbf, 0x61, 0x61, 0x01, 0xff], r#"{"a":1}"#),
            (&[0xc1, 0x1a, 0x51, 0x4b, 0x67, 0xb0], "1363896240"),
            (&[0x44, 1, 2, 3, 4], r#""AQIDBA==""#),
        ] {
            assert_eq!(read_cbor(bytes), parse(text), "{text}");
        }
    }

    #[test]
    fn hostile_bytes_are_refused_without_memory() {
        for bytes in [
            &[][..],
            &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x01, 0x01],
            &[0x81; 100],
            &[0xff],
            b"{\"id\": 1}",
        ] {
            assert_eq!(read_cbor(bytes), None, "{bytes:?}");
        }
        for bytes in
            [&[][..], &[0xdd, 0xff, 0xff, 0xff, 0xff], &[0xdb, 0xff, 0xff, 0xff, 0xff], &[0x91; 100], &[0xc1]]
        {
            assert_eq!(read_message_pack(bytes), None, "{bytes:?}");
        }
    }
}
