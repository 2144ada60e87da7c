//! Packets in this node's care: each is repeated until the next hop has acknowledged it.

use crate::packet::Packet;
use std::collections::VecDeque;
use std::time::Duration;
use wasmote_sdk::json::Value;
use wasmote_sdk::object;

/// Receptions that are remembered to tell a repetition from a new packet.
const DUPLICATE_WINDOW: usize = 256;

/// A packet and what is being done about it.
pub struct PendingPacket {
    pub packet: Packet,
    /// Until when this node tries at all.
    pub expires: Duration,
    /// The next hop it was sent to, how often, and when it is to be sent again; none without a route.
    pub sent: Option<(String, u32, Duration)>,
}

pub struct Transport {
    pub waiting: VecDeque<PendingPacket>,
    capacity: usize,
    /// Which packet came from whom, the latest last.
    received: VecDeque<(String, String)>,
}

impl Transport {
    pub fn new(capacity: usize) -> Transport {
        Transport { waiting: VecDeque::new(), capacity, received: VecDeque::new() }
    }

    /// Whether a packet from this neighbour is new. The same packet from another neighbour is: routes
    /// may have changed, and the neighbour has given it back.
    pub fn record_received(&mut self, id: &str, from: &str) -> bool {
        if self.received.iter().any(|(packet, neighbour)| packet == id && neighbour == from) {
            return false;
        }
        if self.received.len() == DUPLICATE_WINDOW {
            self.received.pop_front();
        }
        self.received.push_back((id.into(), from.into()));
        true
    }

    pub fn has_room(&self) -> bool {
        self.waiting.len() < self.capacity
    }

    pub fn contains(&self, id: &str) -> bool {
        self.waiting.iter().any(|waiting| waiting.packet.id() == id)
    }

    pub fn accept(&mut self, packet: Packet, expires: Duration) {
        self.waiting.push_back(PendingPacket { packet, expires, sent: None });
    }

    /// A neighbour acknowledges: the packet is in its care now. True if it was in this node's.
    pub fn acknowledged(&mut self, id: &str, by: &str) -> bool {
        let before = self.waiting.len();
        let done = |waiting: &PendingPacket| {
            waiting.packet.id() == id && waiting.sent.as_ref().is_some_and(|(to, ..)| to == by)
        };
        self.waiting.retain(|waiting| !done(waiting));
        self.waiting.len() < before
    }

    /// When something is to be repeated or given up next.
    pub fn next_deadline(&self) -> Option<Duration> {
        let due = |waiting: &PendingPacket| match waiting.sent {
            Some((.., retry_at)) => retry_at.min(waiting.expires),
            None => waiting.expires,
        };
        self.waiting.iter().map(due).min()
    }

    pub fn save(&self) -> Value {
        let row = |waiting: &PendingPacket| {
            object! { "packet": waiting.packet.write(), "expires_s": waiting.expires.as_secs_f64() }
        };
        let received: Value = self.received.iter().map(|(id, from)| Value::from(vec![id, from])).collect();
        let waiting: Value = self.waiting.iter().map(row).collect();
        object! { "waiting": waiting, "received": received }
    }

    /// Take over what was saved. What was under way is sent again, and known as a repetition there.
    pub fn load(&mut self, saved: &Value) {
        for row in saved.get("waiting").and_then(Value::list).unwrap_or_default() {
            let expires = row.get("expires_s").and_then(Value::number);
            let expires = expires.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            if let Some((packet, expires)) = row.get("packet").and_then(Packet::read).zip(expires) {
                self.accept(packet, expires);
            }
        }
        for row in saved.get("received").and_then(Value::list).unwrap_or_default() {
            if let Some([Value::Text(id), Value::Text(from)]) = row.list() {
                self.record_received(id, from);
            }
        }
    }
}
