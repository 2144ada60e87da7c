//! The broker's own faults: what waits while it stands still, and what is gone when it ends.

use super::observer::{DeviceIndex, LinkId, Observer, Step};
use super::{BROKER, VirtualTime};
use crate::broker::packet::{Reply, Request};
use crate::broker::reason::{CloseReason, ConnectRefusal};
use crate::faults::broker::{Condition, Failure, Turn};
use crate::line::Fleeting;
use crate::message::Message;

/// What waits for a broker that stands still, as in the buffers of its sockets.
#[derive(Debug)]
pub(super) enum Unread {
    Packet(LinkId, Request),
    Host(Message),
}

impl<O: Observer> VirtualTime<O> {
    /// Begin and end what is due of the broker's own faults.
    pub(super) fn turn_broker_faults(&mut self) {
        while let Some(turn) = self.broker_faults.turn(self.now) {
            self.broker_turns(&turn);
        }
    }

    /// A fault of the broker has begun or ended.
    pub(super) fn broker_turns(&mut self, turn: &Turn) {
        self.see(&Step::BrokerFault(turn));
        if let (Failure::Restart { persistent }, Some(_)) = (turn.failure, turn.until) {
            self.broker_ends(persistent);
        }
        if self.broker_faults.condition() == Condition::Up {
            self.broker_reads();
        }
    }

    /// The broker's process ends. Its connections are closed, and what it had not read is lost.
    fn broker_ends(&mut self, persistent: bool) {
        for link in self.broker.fail(self.now) {
            self.send_down(link, Reply::Close(CloseReason::ShuttingDown));
        }
        if !persistent {
            self.broker.forget();
        }
        for unread in std::mem::take(&mut self.unread) {
            let is_message = match &unread {
                Unread::Packet(link, request) => {
                    self.taken_from_unread(*link, request);
                    matches!(request, Request::Publish(_))
                }
                Unread::Host(_) => true,
            };
            self.counts.lost_up += u64::from(is_message);
        }
    }

    /// The broker is up again: it reads what has come meanwhile, and does what it is late with.
    fn broker_reads(&mut self) {
        // After a restart the first thing is to see who is gone.
        if self.unread.is_empty() {
            return self.do_what_is_due();
        }
        for unread in std::mem::take(&mut self.unread) {
            match unread {
                Unread::Packet(link, request) => {
                    self.taken_from_unread(link, &request);
                    self.arrive_up(link, request);
                }
                Unread::Host(message) => self.publish(message),
            }
        }
        self.do_what_is_due();
    }

    pub(super) fn do_what_is_due(&mut self) {
        if self.broker.next_deadline().is_some_and(|due| due <= self.now) {
            self.counts.broker_wakes += 1;
            self.see(&Step::BrokerWake);
            self.broker.wake(self.now, &mut self.replies);
        }
        self.after_broker();
    }

    /// A packet comes to a broker that does not read, or is not there.
    pub(super) fn arrive_in_vain(&mut self, link: LinkId, request: Request) {
        match (self.broker_faults.condition(), request) {
            (Condition::Down, Request::Connect(_)) => {
                self.send_down(link, Reply::Refused(ConnectRefusal::Unavailable));
            }
            (Condition::Down, request) => {
                self.counts.lost_up += u64::from(matches!(request, Request::Publish(_)));
            }
            (_, request) => {
                self.seats[link.device.0 as usize].unread += usize::from(request.is_fleeting());
                self.unread.push_back(Unread::Packet(link, request));
            }
        }
    }

    fn taken_from_unread(&mut self, link: LinkId, request: &Request) {
        self.seats[link.device.0 as usize].unread -= usize::from(request.is_fleeting());
    }

    /// Whether the buffers that a device writes to are full, as the broker does not read.
    pub(super) fn is_full(&self, device: DeviceIndex) -> bool {
        self.seats[device.0 as usize].unread >= self.options.client.unread
    }

    /// See to it that the broker is woken in time, and its faults with it.
    pub(super) fn set_broker_alarm(&mut self) {
        let is_up = self.broker_faults.condition() == Condition::Up;
        let own = self.broker.next_deadline().filter(|_| is_up);
        let due = [own, self.broker_faults.next_deadline()].into_iter().flatten().min();
        self.agenda.set_deadline(BROKER, due, self.now);
    }
}
