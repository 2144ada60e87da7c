//! Queue of packets, each retransmitted until the next hop acknowledges it.

use crate::packet::Packet;
use std::collections::VecDeque;
use std::time::Duration;
use wasmote_sdk::json::Value;
use wasmote_sdk::object;

/// Number of recent receptions in the duplicate filter.
const DUPLICATE_WINDOW: usize = 256;

/// A packet in the queue.
pub struct PendingPacket {
    pub packet: Packet,
    /// Time at which the node drops the packet.
    pub expires: Duration,
    /// Next hop, number of transmissions, and time of the next retransmission; none without a route.
    pub sent: Option<(String, u32, Duration)>,
}

pub struct Transport {
    pub waiting: VecDeque<PendingPacket>,
    capacity: usize,
    /// Recent packets with the neighbour that sent them, the latest last.
    received: VecDeque<(String, String)>,
}

impl Transport {
    pub fn new(capacity: usize) -> Transport {
        Transport { waiting: VecDeque::new(), capacity, received: VecDeque::new() }
    }

    /// Records a reception. False if the neighbour has sent the packet before. The same packet from another
    /// neighbour is not a duplicate: after a route change the packet may return.
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

    /// Removes a packet that a neighbour has acknowledged. True if it was in the queue.
    pub fn acknowledged(&mut self, id: &str, by: &str) -> bool {
        let before = self.waiting.len();
        let done = |waiting: &PendingPacket| {
            waiting.packet.id() == id && waiting.sent.as_ref().is_some_and(|(to, ..)| to == by)
        };
        self.waiting.retain(|waiting| !done(waiting));
        self.waiting.len() < before
    }

    /// Time of the next retransmission or expiry.
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

    /// Restores a snapshot. Packets in flight are sent again, and the receiver detects the duplicates.
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
