//! Transfer of a message's origin (sender, sequence number and time) through the broker.
//!
//! On MQTT 5 the origin is one user property, `wasmote-stamp`, written as `<device>/<sequence>/<nanoseconds
//! since 1970>`. User properties with the prefix `wasmote-` are reserved for the host and hidden from
//! behaviours. On 3.1.1, and on MQTT 5 without the property, the origin is read from a JSON object that a
//! behaviour wrote: `device`, a name, and `ts`, seconds since 1970. Any other payload has no origin, which is
//! not an error. Between devices that are linked to the embedded broker, the origin travels as a field of the
//! message.

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde::Deserialize;

use crate::device_id::DeviceId;
use crate::message::{Message, MessageOrigin, Properties};
use crate::time::WallTime;

/// Prefix of user properties that are reserved for the host.
const RESERVED_PREFIX: &str = "wasmote-";
/// Name of the user property with the origin.
pub const PROPERTY: &str = "wasmote-stamp";
/// Largest accepted difference between a payload's timestamp and now, in nanoseconds. A larger difference
/// means that `ts` is not a timestamp.
const MAX_CLOCK_SKEW: u64 = 24 * 3600 * 1_000_000_000;
/// Maximum size of a payload that is searched for an origin, in bytes.
const MAX_PAYLOAD: usize = 16 << 10;

/// Formats an origin as the value of the user property.
pub fn display(origin: &MessageOrigin) -> impl Display {
    fmt::from_fn(|f| write!(f, "{}/{}/{}", origin.from, origin.sequence, origin.sent.as_nanos()))
}

/// Length of that value in bytes.
pub fn encoded_len(origin: &MessageOrigin) -> usize {
    let digits = |number: u64| number.checked_ilog10().unwrap_or(0) as usize + 1;
    origin.from.as_str().len() + 1 + digits(origin.sequence) + 1 + digits(origin.sent.as_nanos())
}

/// Removes the reserved properties and returns the origin among them.
pub fn extract(properties: &mut Vec<(String, String)>) -> Option<Box<MessageOrigin>> {
    let mut origin = None;
    properties.retain(|(name, value)| {
        origin = origin.take().or_else(|| from_property(name, value));
        !name.starts_with(RESERVED_PREFIX)
    });
    origin
}

/// Prepares a message from the broker for a device: removes the reserved properties, and takes the origin
/// from the property, or else from the payload.
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

/// Parses the origin from a user property, if it has that name.
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

/// Origin fields of a JSON payload; other fields are ignored.
#[derive(Deserialize)]
struct PayloadOrigin<'a> {
    #[serde(borrow)]
    device: Cow<'a, str>,
    ts: f64,
    #[serde(default)]
    seq: Option<u64>,
}

/// Reads the origin from a JSON payload, if it has one with a plausible time.
pub fn from_payload(payload: &[u8], now: WallTime) -> Option<Box<MessageOrigin>> {
    if payload.len() > MAX_PAYLOAD || !payload.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let parsed: PayloadOrigin = serde_json::from_slice(payload).ok()?;
    let from = DeviceId::new(&parsed.device).ok()?;
    // Casts from floating point saturate; out-of-range values fail the next test.
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
