//! The MQTT client of a virtual device: what a library does for a live one.
//!
//! It keeps the connection alive, acknowledges what it receives, sends again what was not acknowledged,
//! and holds what the broker does not take yet. While it is silent it does none of this: what arrives
//! stays unread, as in the buffers of a socket.

mod reading;

use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use super::observer::LinkId;
use super::options::Options;
use crate::action::Farewell;
use crate::broker::held::Held;
use crate::broker::inflight::{Incoming, Outgoing};
use crate::broker::packet::{
    Ack, Connect, Disconnect, PacketId, Publish, Reply, Request, Subscribe, SubscribeOptions, Unsubscribe,
};
use crate::context::Protocol;
use crate::device::Input;
use crate::message::{Message, Qos, Will};
use crate::time::Time;
use crate::topic::TopicFilter;

/// How far its connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Down,
    Connecting,
    Up,
    /// Told to leave, once the last message is acknowledged.
    Leaving,
}

/// A device's side of its session.
#[derive(Debug)]
pub(super) struct Client {
    client_id: Arc<str>,
    protocol: Protocol,
    keep_alive: u16,
    session_expiry: u32,
    most_unread: usize,
    inflight: NonZeroU16,
    /// The newest connection.
    link: LinkId,
    stage: Stage,
    silent: bool,
    /// A ping is out that tells whether the broker still has the connection.
    probing: bool,
    unread: VecDeque<Reply>,
    outgoing: Outgoing,
    incoming: Incoming,
    last_sent: Time,
    /// The will of the next connection, which waits until this one has left.
    next: Option<Option<Will>>,
}

/// What clients want done. It is emptied after each step.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// To the broker.
    pub(super) packets: Vec<(LinkId, Request)>,
    /// To the device.
    pub(super) inputs: VecDeque<Input>,
    /// Messages that will not be read.
    pub(super) lost: u64,
    /// Messages that will not be sent again.
    pub(super) abandoned: u64,
}

impl Client {
    pub(super) fn new(link: LinkId, client_id: Arc<str>, protocol: Protocol, options: &Options) -> Self {
        Self {
            client_id,
            protocol,
            keep_alive: options.keep_alive,
            session_expiry: options.session_expiry,
            most_unread: options.unread,
            inflight: options.inflight,
            link,
            stage: Stage::Down,
            silent: false,
            probing: false,
            unread: VecDeque::new(),
            outgoing: Outgoing::new(options.queued),
            incoming: Incoming::default(),
            last_sent: Time::ZERO,
            next: None,
        }
    }

    /// When it wants to be woken: to keep the connection alive.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        let alive = matches!(self.stage, Stage::Up | Stage::Leaving) && !self.silent;
        (alive && self.keep_alive > 0).then(|| self.last_sent + Duration::from_secs(self.keep_alive.into()))
    }

    /// Its deadline may have come.
    pub(super) fn wake(&mut self, now: Time, out: &mut Outbox) {
        if self.next_deadline().is_some_and(|due| due <= now) {
            self.send(Request::PingReq, now, out);
        }
    }

    /// Begin a new connection. One that there still is ends without a farewell.
    pub(super) fn connect(&mut self, will: Option<Will>, now: Time, out: &mut Outbox) {
        if self.stage == Stage::Leaving {
            self.next = Some(will);
            return;
        }
        self.cut(now, out);
        self.link.attempt += 1;
        self.stage = Stage::Connecting;
        let connect = Connect {
            client_id: Arc::clone(&self.client_id),
            protocol: self.protocol,
            clean_start: self.session_expiry == 0,
            session_expiry: self.session_expiry,
            keep_alive: self.keep_alive,
            receive_maximum: None,
            will,
        };
        self.send(Request::Connect(Box::new(connect)), now, out);
    }

    /// End the connection. A silent client cannot take its leave.
    pub(super) fn disconnect(&mut self, farewell: Farewell, now: Time, out: &mut Outbox) {
        self.next = None;
        if farewell == Farewell::Clean && self.stage == Stage::Up && !self.silent {
            self.stage = Stage::Leaving;
            self.leave_when_done(now, out);
        } else {
            self.cut(now, out);
        }
    }

    /// Say farewell once the last message is acknowledged.
    fn leave_when_done(&mut self, now: Time, out: &mut Outbox) {
        if self.stage == Stage::Leaving && self.outgoing.is_empty() {
            self.send(Request::Disconnect(Disconnect::default()), now, out);
            self.go_down(out);
            self.connect_next(now, out);
        }
    }

    fn connect_next(&mut self, now: Time, out: &mut Outbox) {
        if let Some(will) = self.next.take() {
            self.connect(will, now, out);
        }
    }

    /// Break the connection.
    fn cut(&mut self, now: Time, out: &mut Outbox) {
        if self.stage != Stage::Down {
            self.send(Request::Lost, now, out);
            self.go_down(out);
        }
    }

    /// The connection is over; what was not read never will be.
    fn go_down(&mut self, out: &mut Outbox) {
        self.stage = Stage::Down;
        self.probing = false;
        let unread = self.unread.drain(..);
        out.lost += unread.filter(|reply| matches!(reply, Reply::Publish(_))).count() as u64;
    }

    /// Fall silent.
    pub(super) fn silence(&mut self) {
        self.silent = true;
    }

    /// Publish a message, or give it back.
    pub(super) fn publish(&mut self, message: Message, now: Time, out: &mut Outbox) {
        if self.stage != Stage::Up {
            out.inputs.push_back(Input::Refused(message));
        } else if message.qos == Qos::AtMostOnce {
            self.send(Request::Publish(Publish::new(message, None)), now, out);
        } else if self.outgoing.has_room() {
            // There is room, and nothing expires on this side.
            let _ = self.outgoing.enqueue(Held::lasting(message), now);
            self.pump(now, out);
        } else {
            out.inputs.push_back(Input::Refused(message));
        }
    }

    /// Ask for messages. The broker's answer is of no interest, so one identifier serves for all.
    pub(super) fn subscribe(&mut self, filter: TopicFilter, qos: Qos, now: Time, out: &mut Outbox) {
        let filters = vec![(filter, SubscribeOptions::at(qos))];
        let subscribe = Subscribe { packet_id: PacketId::MIN, identifier: None, filters };
        self.send_if_up(Request::Subscribe(subscribe), now, out);
    }

    /// Take a subscription back.
    pub(super) fn unsubscribe(&mut self, filter: TopicFilter, now: Time, out: &mut Outbox) {
        let unsubscribe = Unsubscribe { packet_id: PacketId::MIN, filters: vec![filter] };
        self.send_if_up(Request::Unsubscribe(unsubscribe), now, out);
    }

    fn send_if_up(&mut self, request: Request, now: Time, out: &mut Outbox) {
        if self.stage == Stage::Up {
            self.send(request, now, out);
        }
    }

    fn send(&mut self, request: Request, now: Time, out: &mut Outbox) {
        self.last_sent = now;
        out.packets.push((self.link, request));
    }

    fn send_ack(&mut self, ack: Ack, now: Time, out: &mut Outbox) {
        self.send(Request::Ack(ack), now, out);
    }

    /// Send what the broker takes.
    fn pump(&mut self, now: Time, out: &mut Outbox) {
        let link = self.link;
        let sent_before = out.packets.len();
        // Nothing expires on this side.
        let _ = self.outgoing.pump(now, |publish| out.packets.push((link, Request::Publish(publish))));
        if out.packets.len() > sent_before {
            self.last_sent = now;
        }
    }
}
