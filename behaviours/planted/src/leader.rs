//! A leader that is elected with a lease.
//!
//! The leader renews its lease by messages that come back to it from the broker, and resigns when none has come back
//! for the time of the lease. The others wait until they have heard nothing for longer, and then claim the next term;
//! the first claim that the broker delivers wins, if its sender has heard nothing else meanwhile. The defect: they
//! compare the end of the lease, which the leader writes in calendar time, with their own calendar clocks, whose errors
//! may be larger than the margin.

use std::time::Duration;

use wasmote_sdk::json::Value;
use wasmote_sdk::{Device, Qos, object};

use crate::{number, send, send_to};

const TICK: u32 = 1;
const LEASE: Duration = Duration::from_secs(3);
const MARGIN: Duration = Duration::from_millis(500);

/// A device that may lead.
pub(crate) struct Leader {
    defect: bool,
    leading: bool,
    /// The term in which this device was elected last.
    own_term: u64,
    term: u64,
    /// When the lease of the leader ends, by the calendar clock of the leader.
    ends: f64,
    heard: Duration,
    /// Time of the last own message that has come back.
    confirmed: Duration,
    claimed: u64,
}

impl Leader {
    pub(crate) fn start(device: &mut Device, defect: bool) -> Result<Self, String> {
        let topic = device.topic_of("all", "claim");
        device.subscribe(&topic, Qos::AtLeastOnce)?;
        let topic = device.topic_of("all", "renew");
        device.subscribe(&topic, Qos::AtLeastOnce)?;
        let first = Duration::from_millis(500).mul_f64(device.uniform());
        device.set_timer(TICK, first);
        let (heard, confirmed) = (device.now(), Duration::ZERO);
        let ends = device.timestamp() + (LEASE + MARGIN).as_secs_f64();
        let leader =
            Self { defect, leading: false, own_term: 0, term: 0, ends, heard, confirmed, claimed: 0 };
        leader.publish(device);
        Ok(leader)
    }

    fn publish(&self, device: &mut Device) {
        send(device, "leader", &object! { "leading": self.leading, "term": self.term });
    }

    fn message(&self, device: &Device, term: u64) -> Value {
        let ends = device.timestamp() + LEASE.as_secs_f64();
        object! { "by": device.id(), "term": term, "at_ns": device.now().as_nanos() as u64, "ends": ends }
    }

    pub(crate) fn on_connection(&mut self, device: &mut Device, up: bool) {
        if up {
            // Renewals of others may have been missed.
            self.heard = device.now();
            self.ends = self.ends.max(device.timestamp() + (LEASE + MARGIN).as_secs_f64());
        }
    }

    pub(crate) fn on_timer(&mut self, device: &mut Device) {
        let now = device.now();
        device.set_timer(TICK, Duration::from_millis(500));
        if self.leading && now >= self.confirmed + LEASE {
            self.leading = false;
            self.publish(device);
        }
        if !device.connected() {
            return;
        }
        if self.leading {
            // Nobody may lead before the lease has ended, so the leader uses all of it, although it cannot renew it.
            if self.term == self.own_term {
                let renewal = self.message(device, self.term);
                send_to(device, "all", "renew", &renewal);
            }
            return;
        }
        let expired = match self.defect {
            true => device.timestamp() > self.ends + MARGIN.as_secs_f64(),
            false => now > self.heard + LEASE + MARGIN,
        };
        if expired {
            self.claimed = self.term + 1;
            let claim = self.message(device, self.claimed);
            send_to(device, "all", "claim", &claim);
            // The next claim must wait for the outcome of this one.
            self.heard = now;
            self.ends = device.timestamp() + LEASE.as_secs_f64();
        }
    }

    pub(crate) fn on_message(&mut self, device: &mut Device, _sender: &str, leaf: &str, body: &Value) {
        let (term, own) = (number(body, "term"), body.get("by").and_then(Value::text) == Some(device.id()));
        let sent = Duration::from_nanos(number(body, "at_ns"));
        if !own {
            // Also of an earlier term: its sender may lead without knowing the later one.
            (self.heard, self.term) = (device.now(), self.term.max(term));
            self.ends = body.get("ends").and_then(Value::number).unwrap_or(self.ends);
            return;
        }
        // A message of this device from before a restart says nothing.
        if sent > device.now() || device.now() >= sent + LEASE {
            return;
        }
        if self.leading && term == self.own_term {
            self.confirmed = sent;
        } else if leaf == "claim" && self.claimed == term && self.heard <= sent {
            self.term = self.term.max(term);
            (self.leading, self.own_term, self.confirmed) = (true, term, sent);
            self.publish(device);
            device.set_timer(TICK, Duration::from_millis(500));
        }
    }
}
