//! Coverage of a run: what happened in it, as a set of numbers, so that a search can tell a run that reaches new ground.
//!
//! The set has, for each device, pairs of successive events with the state of the device in between, templates of log
//! lines, and the kinds and magnitudes of values in published messages. Numbers in names count as equal, so that
//! devices of one group do not differ.

use std::collections::BTreeSet;

use serde_json::Value;
use wasmote_fleet::events::render::event_kind;
use wasmote_mqtt::device_id::fnv1a;
use wasmote_sim::notice::DeviceNotice;

/// Coverage of one run.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    seen: BTreeSet<u64>,
    devices: Vec<DeviceTrace>,
}

/// What a device did last.
#[derive(Clone, Debug, Default)]
struct DeviceTrace {
    last: u64,
    running: bool,
    connected: bool,
    faults: u32,
}

/// Depth to which payloads are looked at.
const MAX_DEPTH: u32 = 3;

impl Coverage {
    /// Adds a notice of a device.
    pub fn on_notice(&mut self, device: u32, notice: &DeviceNotice) {
        let device = device as usize;
        if self.devices.len() <= device {
            self.devices.resize_with(device + 1, DeviceTrace::default);
        }
        let mut text = event_kind(notice).to_owned();
        match notice {
            DeviceNotice::Sent(topic, payload, _) => {
                text += &template(topic.as_str());
                if let Ok(body) = serde_json::from_slice(payload) {
                    self.add_value(&text, &body, MAX_DEPTH);
                }
            }
            DeviceNotice::Received(topic, ..) | DeviceNotice::Dropped(topic, ..) => {
                text += &template(topic.as_str())
            }
            DeviceNotice::Log(level, line) => text += &format!("{level:?}{}", template(line)),
            DeviceNotice::FaultBegan(_, kind, _) | DeviceNotice::FaultEnded(_, kind) => text += kind,
            _ => {}
        }
        let trace = &mut self.devices[device];
        let state = format!("{}{}{}", trace.running, trace.connected, trace.faults.min(2));
        let kind = fnv1a(&text);
        self.seen.insert(fnv1a(&format!("{} {kind} {state}", trace.last)));
        trace.last = kind;
        match notice {
            DeviceNotice::Started(_) => trace.running = true,
            DeviceNotice::Stopped(_)
            | DeviceNotice::Trapped(..)
            | DeviceNotice::Crashed(_)
            | DeviceNotice::Died(..) => (trace.running, trace.connected) = (false, false),
            DeviceNotice::Connected(_) => trace.connected = true,
            DeviceNotice::Disconnected(..) => trace.connected = false,
            DeviceNotice::FaultBegan(..) => trace.faults += 1,
            DeviceNotice::FaultEnded(..) => trace.faults = trace.faults.saturating_sub(1),
            _ => {}
        }
    }

    /// Adds the values of a payload by their place and magnitude.
    fn add_value(&mut self, place: &str, value: &Value, depth: u32) {
        let magnitude = match value {
            Value::Object(fields) if depth > 0 => {
                fields
                    .iter()
                    .for_each(|(name, value)| self.add_value(&format!("{place}.{name}"), value, depth - 1));
                return;
            }
            Value::Array(list) => format!("{}", list.len().min(16)),
            Value::String(text) => template(text),
            // The number of bits of the integer part.
            Value::Number(number) => {
                let size = number.as_f64().unwrap_or(0.0);
                format!("{}{}", size < 0.0, u64::BITS - (size.abs() as u64).leading_zeros())
            }
            other => other.to_string(),
        };
        self.seen.insert(fnv1a(&format!("{place}={magnitude}")));
    }

    /// Returns the set.
    pub fn take(&mut self) -> BTreeSet<u64> {
        std::mem::take(&mut self.seen)
    }
}

/// A text in which digits are left out.
fn template(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use wasmote_mqtt::topic::Topic;
    use wasmote_sim::notice::MessageRef;

    use super::*;

    fn sent(topic: &str, payload: &'static str) -> DeviceNotice {
        DeviceNotice::Sent(
            Topic::new(topic).unwrap(),
            payload.as_bytes().to_vec().into(),
            MessageRef::default(),
        )
    }

    fn covered(notices: &[(u32, DeviceNotice)]) -> BTreeSet<u64> {
        let mut coverage = Coverage::default();
        notices.iter().for_each(|(device, notice)| coverage.on_notice(*device, notice));
        coverage.take()
    }

    #[test]
    fn devices_and_small_differences_of_numbers_are_the_same_ground() {
        let one = covered(&[(0, sent("w/a-0/t", r#"{"n": 4}"#))]);
        assert_eq!(one, covered(&[(7, sent("w/a-7/t", r#"{"n": 5}"#))]));
        assert!(covered(&[(0, sent("w/a-0/t", r#"{"n": 400}"#))]) != one, "a magnitude is new");
        assert!(covered(&[(0, sent("w/a-0/t", r#"{"held": true}"#))]) != one, "a field is new");
    }

    #[test]
    fn an_event_in_another_state_is_new_ground() {
        let send = || sent("w/a/t", "x");
        let plain = covered(&[(0, send()), (0, send())]);
        let connected = covered(&[(0, send()), (0, DeviceNotice::Connected(false)), (0, send())]);
        assert!(!connected.is_subset(&plain));
    }
}
