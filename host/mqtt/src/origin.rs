//! Transfer of a message's origin (sender, sequence number and time) through the broker.
//!
//! On MQTT 5 the origin is one user property, `wasmote-stamp`, written as `<device>/<sequence>/<nanoseconds
//! since 1970>`, with `+<nanoseconds>` if the message was published late. User properties with the prefix `wasmote-` are
//! reserved for the host and hidden from behaviours. On 3.1.1, and on MQTT 5 without the property, the origin is read from a
//! JSON object that a behaviour wrote: `device`, a name, and `ts`, seconds since 1970 or a date in ISO 8601. A `ts` that is
//! neither counts as a time in 1970, so that it is counted as implausible and not ignored. Any other payload has no origin,
//! which is not an error. Between devices that are linked to the embedded broker, the origin travels as a field of the message.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use crate::device_id::DeviceId;
use crate::message::{Message, MessageOrigin, Properties};
use crate::time::{WallTime, nanos};
use crate::timestamp::Stamp;

/// Prefix of user properties that are reserved for the host.
pub const RESERVED_PREFIX: &str = "wasmote-";
/// Name of the user property with the origin.
pub const PROPERTY: &str = "wasmote-stamp";
/// Maximum size of a payload that is searched for an origin, in bytes.
const MAX_PAYLOAD: usize = 16 << 10;

/// Formats an origin as the value of the user property.
pub fn display(origin: &MessageOrigin) -> impl Display {
    fmt::from_fn(|f| {
        write!(f, "{}/{}/{}", origin.from, origin.sequence, origin.sent.as_nanos())?;
        late_nanos(origin).map_or(Ok(()), |late| write!(f, "+{late}"))
    })
}

/// Length of that value in bytes.
pub fn encoded_len(origin: &MessageOrigin) -> usize {
    let digits = |number: u64| number.checked_ilog10().unwrap_or(0) as usize + 1;
    let late = late_nanos(origin).map_or(0, |late| 1 + digits(late));
    origin.from.as_str().len() + 1 + digits(origin.sequence) + 1 + digits(origin.sent.as_nanos()) + late
}

fn late_nanos(origin: &MessageOrigin) -> Option<u64> {
    (!origin.late.is_zero()).then(|| nanos(origin.late))
}

/// Removes the reserved properties and returns the origin among them.
pub fn extract(properties: &mut Vec<(String, String)>) -> Option<Arc<MessageOrigin>> {
    let mut origin = None;
    properties.retain(|(name, value)| {
        origin = origin.take().or_else(|| from_property(name, value));
        !name.starts_with(RESERVED_PREFIX)
    });
    origin
}

/// Prepares a message from the broker for a device: removes the reserved properties, and takes the origin
/// from the property, or else from the payload.
pub fn normalize(message: &mut Message) {
    if let Some(properties) = message.properties.as_deref_mut() {
        let origin = extract(&mut properties.user);
        message.origin = message.origin.take().or(origin);
        if *properties == Properties::default() {
            message.properties = None;
        }
    }
    if message.origin.is_none() {
        message.origin = from_payload(&message.payload);
    }
}

/// Parses the origin from a user property, if it has that name.
pub fn from_property(name: &str, value: &str) -> Option<Arc<MessageOrigin>> {
    if name == PROPERTY { parse(value) } else { None }
}

fn parse(text: &str) -> Option<Arc<MessageOrigin>> {
    let mut parts = text.splitn(3, '/');
    let from = DeviceId::exact(parts.next()?).ok()?;
    let sequence = parts.next()?.parse().ok()?;
    let times = parts.next()?;
    let (sent, late) = times.split_once('+').unwrap_or((times, "0"));
    let sent = WallTime::from_nanos(sent.parse().ok()?);
    let late = Duration::from_nanos(late.parse().ok()?);
    Some(Arc::new(MessageOrigin { from, sequence, sent, late, is_claimed: false }))
}

/// Origin fields of a JSON payload; other fields are ignored.
#[derive(Deserialize)]
struct PayloadOrigin<'a> {
    #[serde(borrow)]
    device: Cow<'a, str>,
    #[serde(borrow)]
    ts: Option<Stamp<'a>>,
    #[serde(borrow, default)]
    seq: Option<Stamp<'a>>,
}

/// Reads the origin from a JSON payload, if it has the name of a device and a time.
pub fn from_payload(payload: &[u8]) -> Option<Arc<MessageOrigin>> {
    if payload.len() > MAX_PAYLOAD || !payload.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let parsed: PayloadOrigin<'_> = serde_json::from_slice(payload).ok()?;
    let from = DeviceId::exact(&parsed.device).ok()?;
    let sent = parsed.ts?.time().unwrap_or_default();
    let sequence = parsed.seq.and_then(|seq| seq.whole()).unwrap_or(0);
    Some(Arc::new(MessageOrigin { from, sequence, sent, late: Duration::ZERO, is_claimed: true }))
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
        let from = DeviceId::new("a-1").unwrap();
        for (millis, written) in
            [(0, "a-1/7/1700000000000000000"), (15, "a-1/7/1700000000000000000+15000000")]
        {
            let late = Duration::from_millis(millis);
            let origin =
                MessageOrigin { from: from.clone(), sequence: 7, sent: NOW, late, is_claimed: false };
            assert_eq!(
                (display(&origin).to_string().as_str(), encoded_len(&origin)),
                (written, written.len())
            );
            let mut properties = vec![pair("unit", "K"), pair(PROPERTY, written), pair("wasmote-later", "x")];
            assert_eq!(extract(&mut properties).as_deref(), Some(&origin));
            assert_eq!(properties, [pair("unit", "K")]);
        }
    }

    #[test]
    fn a_malformed_origin_is_ignored() {
        for forged in ["", "a", "a/1", "a/b/c", "a b/1/2", "a/1/2/3", "a/-1/2", "a/1/2+", "a/1/2+x"] {
            assert_eq!(extract(&mut vec![pair(PROPERTY, forged)]), None, "{forged}");
        }
    }

    #[test]
    fn a_payload_with_device_and_time_has_an_origin() {
        let payload = br#" {"seq": 3, "nested": {"ts": 1}, "device": "a", "ts": 1699999999.5}"#;
        let origin = from_payload(payload).unwrap();
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
            br#"{"device": "a/b", "ts": 1700000000}"#,
            br#"{"device": "a", "ts": null}"#,
        ] {
            assert_eq!(from_payload(payload), None, "{}", String::from_utf8_lossy(payload));
        }
    }

    #[test]
    fn a_time_that_cannot_be_read_is_seen_and_not_ignored() {
        for ts in ["\"noon\"", "-1", "true", "[1700000000]", "0"] {
            let payload = format!(r#"{{"device": "a", "ts": {ts}, "seq": "4"}}"#);
            let origin = from_payload(payload.as_bytes()).unwrap();
            assert_eq!((origin.sent, origin.sequence), (WallTime::default(), 4), "{ts}");
        }
        let origin = from_payload(br#"{"device": "a", "ts": "2023-11-14T22:13:19.5Z"}"#).unwrap();
        assert_eq!(NOW.since(origin.sent).as_millis(), 500);
    }
}
