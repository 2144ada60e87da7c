//! Sender at QoS 1 and 2.

use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroU16;

use crate::broker::packet::{Ack, AckStep, PacketId, Publish};
use crate::broker::queue::{Full, Queue, QueuedMessage};
use crate::broker::reason::AckReason;
use crate::broker::stored::{COPY_BYTES, StoredMessage};
use crate::budget::ByteBudget;
use crate::message::{Message, Qos};
use crate::time::Time;

/// Messages in flight to a peer, and queued messages.
#[derive(Debug)]
pub(crate) struct Outgoing {
    inflight: VecDeque<InflightMessage>,
    /// Identifiers of the messages in flight, and of other packets that await an answer.
    ids: BTreeSet<PacketId>,
    /// Number of messages in flight that count against the window.
    in_window: usize,
    queue: Queue,
    /// Bytes of the messages in flight and in the queue.
    budget: ByteBudget,
    /// Send window: most messages in flight [MQTT-3.3.4-7], [MQTT-3.3.4-9].
    window: NonZeroU16,
    last_id: u16,
}

/// A message in flight.
#[derive(Debug)]
struct InflightMessage {
    id: PacketId,
    queued: QueuedMessage,
    state: InflightState,
    /// Whether the message was published on the present connection, and so counts against the window.
    in_window: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InflightState {
    /// Sent on an earlier connection; must be sent again on this one [MQTT-4.4.0-1].
    Resend,
    /// Sent; awaits PUBACK or PUBREC.
    Published,
    /// QoS 2: received by the peer; PUBREL is sent, awaits PUBCOMP.
    Released,
}

/// A queued message whose turn it is.
#[derive(Debug)]
pub(crate) enum Sending<'a> {
    /// It is sent.
    Publish(Publish),
    /// It has expired.
    Expired(&'a Message),
}

/// Result of an acknowledgement.
#[derive(Debug, PartialEq)]
pub(crate) enum AckOutcome {
    /// This message is delivered.
    Delivered(Message),
    /// The peer refused this message.
    Refused(Message),
    /// The exchange continues with this acknowledgement.
    Answer(Ack),
    /// No message awaited this acknowledgement.
    Unknown,
}

impl Outgoing {
    /// An empty queue. `queued` limits the waiting messages; `bytes` limits the bytes of those waiting and in flight.
    pub(crate) fn new(queued: usize, bytes: u64) -> Self {
        Self {
            inflight: VecDeque::new(),
            ids: BTreeSet::new(),
            in_window: 0,
            queue: Queue::new(queued),
            budget: ByteBudget::new(bytes),
            window: NonZeroU16::MAX,
            last_id: 0,
        }
    }

    /// Messages in flight and queued messages.
    pub(crate) fn len(&self) -> usize {
        self.inflight.len() + self.queue.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.inflight.is_empty() && self.queue.len() == 0
    }

    /// Whether this message can be queued now.
    pub(crate) fn has_room(&self, message: &Message) -> bool {
        !self.queue.is_full() && (self.is_empty() || self.budget.has_room(bytes(message)))
    }

    /// Queues a message. Expired messages are removed first if there is no room; their number is returned. An
    /// empty queue takes a message of any size.
    pub(crate) fn enqueue(
        &mut self,
        stored: StoredMessage,
        now: Time,
        expire: impl FnMut(&Message),
    ) -> (u64, Result<(), Full>) {
        let expired = if self.has_room(&stored.message) { 0 } else { self.queue.purge(now, expire) };
        if !self.has_room(&stored.message) {
            return (expired, Err(Full));
        }
        let _share = self.budget.force(bytes(&stored.message));
        (expired, self.queue.push(QueuedMessage { stored, _share }))
    }

    /// Sends messages in order as far as the window allows [MQTT-4.6.0-5]. Returns the number of messages
    /// that expired instead.
    pub(crate) fn pump(&mut self, now: Time, mut send: impl FnMut(Sending<'_>)) -> u64 {
        let mut room = usize::from(self.window.get()).saturating_sub(self.in_window);
        for entry in self.inflight.iter_mut().filter(|entry| entry.state == InflightState::Resend).take(room)
        {
            entry.state = InflightState::Published;
            entry.in_window = true;
            self.in_window += 1;
            room -= 1;
            send(Sending::Publish(entry.publish(now, true)));
        }
        let mut expired = 0;
        while room > 0 && self.inflight.len() < usize::from(self.window.get()) && self.has_ids() {
            let Some(queued) = self.queue.pop() else { break };
            if queued.stored.is_expired(now) {
                expired += 1;
                send(Sending::Expired(&queued.stored.message));
            } else if queued.stored.message.qos == Qos::AtMostOnce {
                send(Sending::Publish(publish(&queued.stored, None, now, false)));
            } else {
                room -= 1;
                send(Sending::Publish(self.begin_delivery(queued, now)));
            }
        }
        expired
    }

    fn begin_delivery(&mut self, queued: QueuedMessage, now: Time) -> Publish {
        let entry =
            InflightMessage { id: self.free_id(), queued, state: InflightState::Published, in_window: true };
        let publish = entry.publish(now, false);
        self.inflight.push_back(entry);
        self.in_window += 1;
        publish
    }

    /// The next unused identifier [MQTT-2.2.1-4]. The caller ensures that there is one.
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

    /// Reserves an identifier for another packet that awaits an answer. `None` if all are in use.
    pub(crate) fn reserve(&mut self) -> Option<PacketId> {
        self.has_ids().then(|| self.free_id())
    }

    /// Frees a reserved identifier.
    pub(crate) fn release(&mut self, id: PacketId) {
        self.ids.remove(&id);
    }

    /// Removes and returns a message in flight.
    pub(crate) fn take(&mut self, id: PacketId) -> Option<Message> {
        let at = self.inflight.iter().position(|entry| entry.id == id)?;
        self.remove(at).map(|entry| entry.queued.stored.message)
    }

    /// Resumes the session on a new connection: unacknowledged messages are sent again under their old
    /// identifiers, and PUBREL is repeated [MQTT-4.4.0-1].
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

    /// Number of messages that were published on this connection and await PUBACK or PUBREC.
    pub(crate) fn unanswered(&self) -> usize {
        self.inflight.iter().filter(|entry| entry.is_unanswered()).count()
    }

    /// First message that was published on this connection and awaits PUBACK or PUBREC.
    pub(crate) fn first_unanswered(&self) -> Option<(PacketId, &Message)> {
        let entry = self.inflight.iter().find(|entry| entry.is_unanswered())?;
        Some((entry.id, &entry.queued.stored.message))
    }

    /// Changes the send window and the maximum number of queued messages.
    pub(crate) fn set_limits(&mut self, window: NonZeroU16, queued: usize) {
        self.window = window;
        self.queue.set_limit(queued);
    }

    /// Handles an acknowledgement of the peer.
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
                // The peer had the message: an error in PUBCOMP means only that it has lost the identifier.
                let refused = ack.reason.is_error() && ack.step != AckStep::PubComp;
                match self.remove(at) {
                    Some(entry) if refused => AckOutcome::Refused(entry.queued.stored.message),
                    Some(entry) => AckOutcome::Delivered(entry.queued.stored.message),
                    None => AckOutcome::Unknown,
                }
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

    /// Removes and returns all messages in order.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Message> {
        self.ids.clear();
        self.in_window = 0;
        let in_flight = std::mem::take(&mut self.inflight).into_iter().map(|entry| entry.queued);
        in_flight.chain(self.queue.take_all()).map(|queued| queued.stored.message)
    }

    /// All messages in order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &Message> {
        let in_flight = self.inflight.iter().map(|entry| &entry.queued);
        in_flight.chain(self.queue.iter()).map(|queued| &queued.stored.message)
    }

    /// Removes all messages. Returns their number.
    pub(crate) fn clear(&mut self) -> u64 {
        let in_flight = self.inflight.len() as u64;
        self.inflight.clear();
        self.ids.clear();
        self.in_window = 0;
        in_flight + self.queue.clear()
    }
}

impl InflightMessage {
    fn is_unanswered(&self) -> bool {
        self.in_window && self.state == InflightState::Published
    }

    fn awaits(&self, step: AckStep) -> bool {
        match (step, self.queued.stored.message.qos) {
            (AckStep::PubAck, Qos::AtLeastOnce) => self.state == InflightState::Published,
            (AckStep::PubRec, Qos::ExactlyOnce) => self.state != InflightState::Resend,
            (AckStep::PubComp, Qos::ExactlyOnce) => self.state == InflightState::Released,
            _ => false,
        }
    }

    fn publish(&self, now: Time, duplicate: bool) -> Publish {
        publish(&self.queued.stored, Some(self.id), now, duplicate)
    }
}

/// Bytes of a message in the budget of its client.
fn bytes(message: &Message) -> usize {
    COPY_BYTES + message.footprint()
}

fn publish(stored: &StoredMessage, packet_id: Option<PacketId>, now: Time, duplicate: bool) -> Publish {
    let subscription_ids = stored.subscription_id.into_iter().collect();
    Publish { packet_id, duplicate, message: stored.to_message(now), subscription_ids }
}
