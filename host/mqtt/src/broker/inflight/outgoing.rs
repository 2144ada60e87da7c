//! The sender's side at QoS 1 and 2.

use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroU16;

use crate::broker::packet::{Ack, AckStep, PacketId, Publish};
use crate::broker::queue::{Full, Queue};
use crate::broker::reason::AckReason;
use crate::broker::stored::StoredMessage;
use crate::message::{Message, Qos};
use crate::time::Time;

/// Messages under way to a peer, and those that wait for their turn.
#[derive(Debug)]
pub(crate) struct Outgoing {
    inflight: VecDeque<InflightMessage>,
    /// The identifiers of all of these, and of other packets that await an answer.
    ids: BTreeSet<PacketId>,
    /// How many of these are counted.
    in_window: usize,
    queue: Queue,
    /// Messages that may be under way at one time [MQTT-3.3.4-7], [MQTT-3.3.4-9].
    window: NonZeroU16,
    last_id: u16,
}

/// A message under way.
#[derive(Debug)]
struct InflightMessage {
    id: PacketId,
    stored: StoredMessage,
    state: InflightState,
    /// Whether it was published on the present connection, and so takes room in the peer's window.
    in_window: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InflightState {
    /// Sent on an earlier connection; to be sent again on this one [MQTT-4.4.0-1].
    Resend,
    /// Sent; awaits PUBACK or PUBREC.
    Published,
    /// QoS 2: received by the peer; PUBREL is sent, awaits PUBCOMP.
    Released,
}

/// What an acknowledgement brought about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AckOutcome {
    /// The message is where it should be.
    Delivered,
    /// The peer does not want it.
    Refused,
    /// Send this.
    Answer(Ack),
    /// Nothing awaited it.
    Unknown,
}

impl Outgoing {
    pub(crate) fn new(queued: usize) -> Self {
        Self {
            inflight: VecDeque::new(),
            ids: BTreeSet::new(),
            in_window: 0,
            queue: Queue::new(queued),
            window: NonZeroU16::MAX,
            last_id: 0,
        }
    }

    /// Messages that wait or are under way.
    pub(crate) fn len(&self) -> usize {
        self.inflight.len() + self.queue.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.inflight.is_empty() && self.queue.len() == 0
    }

    /// Whether one more message can be put at the end as it is now.
    pub(crate) fn has_room(&self) -> bool {
        !self.queue.is_full()
    }

    /// Put a message at the end. What has expired makes room for it; how many those were is returned.
    pub(crate) fn enqueue(&mut self, stored: StoredMessage, now: Time) -> (u64, Result<(), Full>) {
        let expired = if self.queue.is_full() { self.queue.purge(now) } else { 0 };
        (expired, self.queue.push(stored))
    }

    /// Send what the windows allow, in order [MQTT-4.6.0-5]. Returns how many messages expired instead.
    pub(crate) fn pump(&mut self, now: Time, mut send: impl FnMut(Publish)) -> u64 {
        let mut room = usize::from(self.window.get()).saturating_sub(self.in_window);
        for entry in self.inflight.iter_mut().filter(|entry| entry.state == InflightState::Resend).take(room)
        {
            entry.state = InflightState::Published;
            entry.in_window = true;
            self.in_window += 1;
            room -= 1;
            send(entry.publish(now, true));
        }
        let mut expired = 0;
        while room > 0 && self.inflight.len() < usize::from(self.window.get()) && self.has_ids() {
            let Some(stored) = self.queue.pop() else { break };
            if stored.is_expired(now) {
                expired += 1;
            } else if stored.message.qos == Qos::AtMostOnce {
                send(publish(&stored, None, now, false));
            } else {
                room -= 1;
                send(self.begin_delivery(stored, now));
            }
        }
        expired
    }

    fn begin_delivery(&mut self, stored: StoredMessage, now: Time) -> Publish {
        let entry =
            InflightMessage { id: self.free_id(), stored, state: InflightState::Published, in_window: true };
        let publish = entry.publish(now, false);
        self.inflight.push_back(entry);
        self.in_window += 1;
        publish
    }

    /// The next identifier that is not in use [MQTT-2.2.1-4]. There has to be one.
    fn free_id(&mut self) -> PacketId {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            match PacketId::new(self.last_id) {
                Some(id) if self.ids.insert(id) => return id,
                _ => {}
            }
        }
    }

    fn has_ids(&self) -> bool {
        self.ids.len() < usize::from(u16::MAX)
    }

    /// An identifier for another packet that awaits an answer, if one is left.
    pub(crate) fn reserve(&mut self) -> Option<PacketId> {
        self.has_ids().then(|| self.free_id())
    }

    /// That packet is answered, or never will be.
    pub(crate) fn release(&mut self, id: PacketId) {
        self.ids.remove(&id);
    }

    /// Give back a message under way, and forget it.
    pub(crate) fn take(&mut self, id: PacketId) -> Option<Message> {
        let at = self.inflight.iter().position(|entry| entry.id == id)?;
        self.remove(at).map(|entry| entry.stored.message)
    }

    /// A new connection goes on with the session: what was published without an acknowledgement is to be
    /// sent again under its old identifier, and what was released is released again [MQTT-4.4.0-1].
    pub(crate) fn resume(&mut self, window: NonZeroU16, mut release: impl FnMut(Ack)) {
        self.window = window;
        self.in_window = 0;
        for entry in &mut self.inflight {
            entry.in_window = false;
            match entry.state {
                InflightState::Released => release(Ack::new(AckStep::PubRel, entry.id)),
                InflightState::Published | InflightState::Resend => entry.state = InflightState::Resend,
            }
        }
    }

    /// The peer acknowledged something.
    pub(crate) fn acknowledge(&mut self, ack: Ack) -> AckOutcome {
        let found =
            self.inflight.iter().position(|entry| entry.id == ack.packet_id && entry.awaits(ack.step));
        match (ack.step, found) {
            (AckStep::PubRec, Some(at)) if !ack.reason.is_error() => {
                self.inflight[at].state = InflightState::Released;
                AckOutcome::Answer(Ack::new(AckStep::PubRel, ack.packet_id))
            }
            (AckStep::PubRec, None) => AckOutcome::Answer(Ack {
                reason: AckReason::PacketIdNotFound,
                ..Ack::new(AckStep::PubRel, ack.packet_id)
            }),
            (_, Some(at)) => {
                let _ = self.remove(at);
                // PUBCOMP with an error says that the peer had forgotten the identifier; it had the message.
                let refused = ack.reason.is_error() && ack.step != AckStep::PubComp;
                if refused { AckOutcome::Refused } else { AckOutcome::Delivered }
            }
            (_, None) => AckOutcome::Unknown,
        }
    }

    fn remove(&mut self, at: usize) -> Option<InflightMessage> {
        let entry = self.inflight.remove(at)?;
        self.ids.remove(&entry.id);
        self.in_window -= usize::from(entry.in_window);
        Some(entry)
    }

    /// Give everything back, in order, and forget it.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Message> {
        self.ids.clear();
        self.in_window = 0;
        let in_flight = std::mem::take(&mut self.inflight).into_iter().map(|entry| entry.stored.message);
        in_flight.chain(self.queue.take_all().map(|stored| stored.message))
    }

    /// Forget everything. Returns how many messages that were.
    pub(crate) fn clear(&mut self) -> u64 {
        let in_flight = self.inflight.len() as u64;
        self.inflight.clear();
        self.ids.clear();
        self.in_window = 0;
        in_flight + self.queue.clear()
    }
}

impl InflightMessage {
    fn awaits(&self, step: AckStep) -> bool {
        match (step, self.stored.message.qos) {
            (AckStep::PubAck, Qos::AtLeastOnce) => self.state == InflightState::Published,
            (AckStep::PubRec, Qos::ExactlyOnce) => self.state != InflightState::Resend,
            (AckStep::PubComp, Qos::ExactlyOnce) => self.state == InflightState::Released,
            _ => false,
        }
    }

    fn publish(&self, now: Time, duplicate: bool) -> Publish {
        publish(&self.stored, Some(self.id), now, duplicate)
    }
}

fn publish(stored: &StoredMessage, packet_id: Option<PacketId>, now: Time, duplicate: bool) -> Publish {
    let subscription_ids = stored.subscription_id.into_iter().collect();
    Publish { packet_id, duplicate, message: stored.to_message(now), subscription_ids }
}
