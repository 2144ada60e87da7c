//! The sender's side at QoS 1 and 2.

use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroU16;

use crate::broker::held::Held;
use crate::broker::packet::{Ack, AckStep, PacketId, Publish};
use crate::broker::queue::{Full, Queue};
use crate::broker::reason::AckReason;
use crate::message::{Message, Qos};
use crate::time::Time;

/// Messages under way to a peer, and those that wait for their turn.
#[derive(Debug)]
pub(crate) struct Outgoing {
    flights: VecDeque<Flight>,
    /// The identifiers of all of these, and of other packets that await an answer.
    ids: BTreeSet<PacketId>,
    /// How many of these are counted.
    counted: usize,
    queue: Queue,
    /// Messages that may be under way at one time [MQTT-3.3.4-7], [MQTT-3.3.4-9].
    window: NonZeroU16,
    last_id: u16,
}

/// A message under way.
#[derive(Debug)]
struct Flight {
    id: PacketId,
    held: Held,
    stage: Stage,
    /// Whether it was published on the present connection, and so takes room in the peer's window.
    counted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Sent on an earlier connection; to be sent again on this one [MQTT-4.4.0-1].
    Unsent,
    /// Sent; awaits PUBACK or PUBREC.
    Published,
    /// QoS 2: received by the peer; PUBREL is sent, awaits PUBCOMP.
    Released,
}

/// What an acknowledgement brought about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
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
            flights: VecDeque::new(),
            ids: BTreeSet::new(),
            counted: 0,
            queue: Queue::new(queued),
            window: NonZeroU16::MAX,
            last_id: 0,
        }
    }

    /// Messages that wait or are under way.
    pub(crate) fn len(&self) -> usize {
        self.flights.len() + self.queue.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.flights.is_empty() && self.queue.len() == 0
    }

    /// Whether one more message can be put at the end as it is now.
    pub(crate) fn has_room(&self) -> bool {
        !self.queue.is_full()
    }

    /// Put a message at the end. What has expired makes room for it; how many those were is returned.
    pub(crate) fn enqueue(&mut self, held: Held, now: Time) -> (u64, Result<(), Full>) {
        let expired = if self.queue.is_full() { self.queue.purge(now) } else { 0 };
        (expired, self.queue.push(held))
    }

    /// Send what the windows allow, in order [MQTT-4.6.0-5]. Returns how many messages expired instead.
    pub(crate) fn pump(&mut self, now: Time, mut send: impl FnMut(Publish)) -> u64 {
        let mut room = usize::from(self.window.get()).saturating_sub(self.counted);
        for flight in self.flights.iter_mut().filter(|flight| flight.stage == Stage::Unsent).take(room) {
            flight.stage = Stage::Published;
            flight.counted = true;
            self.counted += 1;
            room -= 1;
            send(flight.publish(now, true));
        }
        let mut expired = 0;
        while room > 0 && self.flights.len() < usize::from(self.window.get()) && self.has_ids() {
            let Some(held) = self.queue.pop() else { break };
            if held.is_expired(now) {
                expired += 1;
            } else if held.message.qos == Qos::AtMostOnce {
                send(publish(&held, None, now, false));
            } else {
                room -= 1;
                send(self.take_off(held, now));
            }
        }
        expired
    }

    fn take_off(&mut self, held: Held, now: Time) -> Publish {
        let flight = Flight { id: self.free_id(), held, stage: Stage::Published, counted: true };
        let publish = flight.publish(now, false);
        self.flights.push_back(flight);
        self.counted += 1;
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
        let at = self.flights.iter().position(|flight| flight.id == id)?;
        self.remove(at).map(|flight| flight.held.message)
    }

    /// A new connection goes on with the session: what was published without an acknowledgement is to be
    /// sent again under its old identifier, and what was released is released again [MQTT-4.4.0-1].
    pub(crate) fn resume(&mut self, window: NonZeroU16, mut release: impl FnMut(Ack)) {
        self.window = window;
        self.counted = 0;
        for flight in &mut self.flights {
            flight.counted = false;
            match flight.stage {
                Stage::Released => release(Ack::new(AckStep::PubRel, flight.id)),
                Stage::Published | Stage::Unsent => flight.stage = Stage::Unsent,
            }
        }
    }

    /// The peer acknowledged something.
    pub(crate) fn acknowledge(&mut self, ack: Ack) -> Progress {
        let found =
            self.flights.iter().position(|flight| flight.id == ack.packet_id && flight.awaits(ack.step));
        match (ack.step, found) {
            (AckStep::PubRec, Some(at)) if !ack.reason.is_error() => {
                self.flights[at].stage = Stage::Released;
                Progress::Answer(Ack::new(AckStep::PubRel, ack.packet_id))
            }
            (AckStep::PubRec, None) => Progress::Answer(Ack {
                reason: AckReason::PacketIdNotFound,
                ..Ack::new(AckStep::PubRel, ack.packet_id)
            }),
            (_, Some(at)) => {
                let _ = self.remove(at);
                // PUBCOMP with an error says that the peer had forgotten the identifier; it had the message.
                let refused = ack.reason.is_error() && ack.step != AckStep::PubComp;
                if refused { Progress::Refused } else { Progress::Delivered }
            }
            (_, None) => Progress::Unknown,
        }
    }

    fn remove(&mut self, at: usize) -> Option<Flight> {
        let flight = self.flights.remove(at)?;
        self.ids.remove(&flight.id);
        self.counted -= usize::from(flight.counted);
        Some(flight)
    }

    /// Give everything back, in order, and forget it.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Message> {
        self.ids.clear();
        self.counted = 0;
        let under_way = std::mem::take(&mut self.flights).into_iter().map(|flight| flight.held.message);
        under_way.chain(self.queue.take_all().map(|held| held.message))
    }

    /// Forget everything. Returns how many messages that were.
    pub(crate) fn clear(&mut self) -> u64 {
        let under_way = self.flights.len() as u64;
        self.flights.clear();
        self.ids.clear();
        self.counted = 0;
        under_way + self.queue.clear()
    }
}

impl Flight {
    fn awaits(&self, step: AckStep) -> bool {
        match (step, self.held.message.qos) {
            (AckStep::PubAck, Qos::AtLeastOnce) => self.stage == Stage::Published,
            (AckStep::PubRec, Qos::ExactlyOnce) => self.stage != Stage::Unsent,
            (AckStep::PubComp, Qos::ExactlyOnce) => self.stage == Stage::Released,
            _ => false,
        }
    }

    fn publish(&self, now: Time, duplicate: bool) -> Publish {
        publish(&self.held, Some(self.id), now, duplicate)
    }
}

fn publish(held: &Held, packet_id: Option<PacketId>, now: Time, duplicate: bool) -> Publish {
    let subscription_ids = held.subscription_id.into_iter().collect();
    Publish { packet_id, duplicate, message: held.as_of(now), subscription_ids }
}
