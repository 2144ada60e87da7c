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
use wasmote_sim::device_id::DeviceId;
use wasmote_sim::message::{Message, Properties, Stamp};
use wasmote_sim::time::WallTime;

/// Names of user properties that belong to the host begin like this.
const RESERVED: &str = "wasmote-";
/// The user property that is the stamp.
pub(crate) const STAMP: &str = "wasmote-stamp";
/// A time stamp in a payload further from now than this is some other number.
const SANE: u64 = 24 * 3600 * 1_000_000_000;
/// Larger payloads are not searched.
const LARGEST: usize = 16 << 10;

/// As a user property.
pub(crate) fn to_property(stamp: &Stamp) -> (String, String) {
    (STAMP.to_owned(), shown(stamp).to_string())
}

/// As the value of a user property.
pub(crate) fn shown(stamp: &Stamp) -> impl Display {
    fmt::from_fn(|f| write!(f, "{}/{}/{}", stamp.from, stamp.sequence, stamp.sent.as_nanos()))
}

/// Bytes that this value has.
pub(crate) fn length(stamp: &Stamp) -> usize {
    let digits = |number: u64| number.checked_ilog10().unwrap_or(0) as usize + 1;
    stamp.from.as_str().len() + 1 + digits(stamp.sequence) + 1 + digits(stamp.sent.as_nanos())
}

/// Take the host's own properties out, and read the stamp among them.
pub(crate) fn take_from(properties: &mut Vec<(String, String)>) -> Option<Box<Stamp>> {
    let mut stamp = None;
    properties.retain(|(name, value)| {
        stamp = stamp.take().or_else(|| from_property(name, value));
        !name.starts_with(RESERVED)
    });
    stamp
}

/// What a message has to be before a device is given it, where it did not come over the library: without the
/// host's own properties, and with the stamp that its payload has, if no other.
pub(crate) fn settle(message: &mut Message, now: WallTime) {
    if let Some(properties) = message.properties.as_deref_mut() {
        let stamp = take_from(&mut properties.user);
        message.stamp = message.stamp.take().or(stamp);
        if *properties == Properties::default() {
            message.properties = None;
        }
    }
    if message.stamp.is_none() {
        message.stamp = read_payload(&message.payload, now);
    }
}

/// The stamp that a user property is, if it is one.
pub(crate) fn from_property(name: &str, value: &str) -> Option<Box<Stamp>> {
    if name == STAMP { parse(value) } else { None }
}

fn parse(text: &str) -> Option<Box<Stamp>> {
    let mut parts = text.splitn(3, '/');
    let from = DeviceId::new(parts.next()?).ok()?;
    let sequence = parts.next()?.parse().ok()?;
    let sent = WallTime::from_nanos(parts.next()?.parse().ok()?);
    Some(Box::new(Stamp { from, sequence, sent }))
}

/// The part of a payload that is of interest; everything else in it is skipped.
#[derive(Deserialize)]
struct Telltale<'a> {
    #[serde(borrow)]
    device: Cow<'a, str>,
    ts: f64,
    #[serde(default)]
    seq: Option<u64>,
}

/// What a behaviour wrote into its payload itself, if it did and if it can be true.
pub(crate) fn read_payload(payload: &[u8], now: WallTime) -> Option<Box<Stamp>> {
    if payload.len() > LARGEST || !payload.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let told: Telltale = serde_json::from_slice(payload).ok()?;
    let from = DeviceId::new(&told.device).ok()?;
    // Casts from floating point saturate; what is out of range fails the next test.
    let sent = (told.ts * 1e9) as u64;
    (sent.abs_diff(now.as_nanos()) < SANE)
        .then(|| Box::new(Stamp { from, sequence: told.seq.unwrap_or(0), sent: WallTime::from_nanos(sent) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime::from_nanos(1_700_000_000_000_000_000);

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    #[test]
    fn a_stamp_comes_back_and_the_hosts_properties_are_hidden() {
        let stamp = Stamp { from: DeviceId::new("a-1").unwrap(), sequence: 7, sent: NOW };
        let mut properties = vec![pair("unit", "K"), to_property(&stamp), pair("wasmote-later", "x")];
        assert_eq!(take_from(&mut properties).as_deref(), Some(&stamp));
        assert_eq!(properties, [pair("unit", "K")]);
    }

    #[test]
    fn a_forged_stamp_is_no_stamp() {
        for forged in ["", "a", "a/1", "a/b/c", "a b/1/2", "a/1/2/3", "a/-1/2"] {
            assert_eq!(take_from(&mut vec![pair(STAMP, forged)]), None, "{forged}");
        }
    }

    #[test]
    fn a_payload_tells_who_and_when() {
        let payload = br#" {"seq": 3, "nested": {"ts": 1}, "device": "a", "ts": 1699999999.5}"#;
        let stamp = read_payload(payload, NOW).unwrap();
        assert_eq!((stamp.from.as_str(), stamp.sequence), ("a", 3));
        assert_eq!(NOW.since(stamp.sent).as_millis(), 500);
    }

    #[test]
    fn other_payloads_have_no_stamp() {
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
            assert_eq!(read_payload(payload, NOW), None, "{}", String::from_utf8_lossy(payload));
        }
    }
}
