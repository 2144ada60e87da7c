//! How a message's stamp crosses the broker.
//!
//! On MQTT 5 it is one user property, `wasmote-stamp`, written as
//! `<device>/<sequence>/<nanoseconds since 1970>`. Every user property that begins with `wasmote-` is the
//! host's own and is hidden from behaviours. On 3.1.1, and on MQTT 5 where the property is missing, it is
//! read from what a behaviour put into a JSON object: `device`, a name, and `ts`, seconds since 1970. A
//! payload that says something else has no stamp; that is never an error. Between devices that are linked to
//! the embedded broker, the stamp travels with the message as it is.

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde::Deserialize;

use crate::device_id::DeviceId;
use crate::message::{Message, MessageOrigin, Properties};
use crate::time::WallTime;

/// Names of user properties that belong to the host begin like this.
const RESERVED_PREFIX: &str = "wasmote-";
/// The user property that is the stamp.
pub const PROPERTY: &str = "wasmote-stamp";
/// A time stamp in a payload further from now than this is some other number.
const MAX_CLOCK_SKEW: u64 = 24 * 3600 * 1_000_000_000;
/// Larger payloads are not searched.
const MAX_PAYLOAD: usize = 16 << 10;

/// As the value of a user property.
pub fn display(origin: &MessageOrigin) -> impl Display {
    fmt::from_fn(|f| write!(f, "{}/{}/{}", origin.from, origin.sequence, origin.sent.as_nanos()))
}

/// Bytes that this value has.
pub fn encoded_len(origin: &MessageOrigin) -> usize {
    let digits = |number: u64| number.checked_ilog10().unwrap_or(0) as usize + 1;
    origin.from.as_str().len() + 1 + digits(origin.sequence) + 1 + digits(origin.sent.as_nanos())
}

/// Take the host's own properties out, and read the stamp among them.
pub fn extract(properties: &mut Vec<(String, String)>) -> Option<Box<MessageOrigin>> {
    let mut origin = None;
    properties.retain(|(name, value)| {
        origin = origin.take().or_else(|| from_property(name, value));
        !name.starts_with(RESERVED_PREFIX)
    });
    origin
}

/// What a message has to be before a device is given it, where it did not come over the library: without the
/// host's own properties, and with the stamp that its payload has, if no other.
pub fn normalize(message: &mut Message, now: WallTime) {
    if let Some(properties) = message.properties.as_deref_mut() {
        let origin = extract(&mut properties.user);
        message.origin = message.origin.take().or(origin);
        if *properties == Properties::default() {
            message.properties = None;
        }
    }
    if message.origin.is_none() {
        message.origin = from_payload(&message.payload, now);
    }
}

/// The stamp that a user property is, if it is one.
pub fn from_property(name: &str, value: &str) -> Option<Box<MessageOrigin>> {
    if name == PROPERTY { parse(value) } else { None }
}

fn parse(text: &str) -> Option<Box<MessageOrigin>> {
    let mut parts = text.splitn(3, '/');
    let from = DeviceId::new(parts.next()?).ok()?;
    let sequence = parts.next()?.parse().ok()?;
    let sent = WallTime::from_nanos(parts.next()?.parse().ok()?);
    Some(Box::new(MessageOrigin { from, sequence, sent }))
}

/// The part of a payload that is of interest; everything else in it is skipped.
#[derive(Deserialize)]
struct PayloadOrigin<'a> {
    #[serde(borrow)]
    device: Cow<'a, str>,
    ts: f64,
    #[serde(default)]
    seq: Option<u64>,
}

/// What a behaviour wrote into its payload itself, if it did and if it can be true.
pub fn from_payload(payload: &[u8], now: WallTime) -> Option<Box<MessageOrigin>> {
    if payload.len() > MAX_PAYLOAD || !payload.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let parsed: PayloadOrigin = serde_json::from_slice(payload).ok()?;
    let from = DeviceId::new(&parsed.device).ok()?;
    // Casts from floating point saturate; what is out of range fails the next test.
    let sent = (parsed.ts * 1e9) as u64;
    (sent.abs_diff(now.as_nanos()) < MAX_CLOCK_SKEW).then(|| {
        Box::new(MessageOrigin { from, sequence: parsed.seq.unwrap_or(0), sent: WallTime::from_nanos(sent) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime::from_nanos(1_700_000_000_000_000_000);

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    #[test]
    fn an_origin_round_trips_and_reserved_properties_are_hidden() {
        let origin = MessageOrigin { from: DeviceId::new("a-1").unwrap(), sequence: 7, sent: NOW };
        let mut properties = vec![
            pair("unit", "K"),
            pair(PROPERTY, &display(&origin).to_string()),
            pair("wasmote-later", "x"),
        ];
        assert_eq!(extract(&mut properties).as_deref(), Some(&origin));
        assert_eq!(properties, [pair("unit", "K")]);
    }

    #[test]
    fn a_malformed_origin_is_ignored() {
        for forged in ["", "a", "a/1", "a/b/c", "a b/1/2", "a/1/2/3", "a/-1/2"] {
            assert_eq!(extract(&mut vec![pair(PROPERTY, forged)]), None, "{forged}");
        }
    }

    #[test]
    fn a_payload_with_device_and_time_has_an_origin() {
        let payload = br#" {"seq": 3, "nested": {"ts": 1}, "device": "a", "ts": 1699999999.5}"#;
        let origin = from_payload(payload, NOW).unwrap();
        assert_eq!((origin.from.as_str(), origin.sequence), ("a", 3));
        assert_eq!(NOW.since(origin.sent).as_millis(), 500);
    }

    #[test]
    fn other_payloads_have_no_origin() {
        for payload in [
            &b""[..],
            b"21.5",
            b"[1, 2]",
            b"{",
            br#"{"device": "a"}"#,
            br#"{"device": "a", "ts": "noon"}"#,
            br#"{"device": "a/b", "ts": 1700000000}"#,
            br#"{"device": "a", "ts": 12}"#,
            br#"{"device": "a", "ts": 1e300}"#,
            br#"{"device": "a", "ts": -1}"#,
        ] {
            assert_eq!(from_payload(payload, NOW), None, "{}", String::from_utf8_lossy(payload));
        }
    }
}
