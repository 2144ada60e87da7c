//! A device's MQTT client as a state machine, without a clock or a socket.
//!
//! It keeps the connection alive, acknowledges what it receives, sends again what was not acknowledged,
//! and holds what the broker does not take yet. While it is silent it does none of this: what arrives
//! stays unread, as in the buffers of a socket.
//!
//! A driver hands it what its device wants and what the broker replies, with the time, carries what it finds
//! in the [`Outbox`], and wakes it at [`Client::next_deadline`].
//!
//! * [`link`]: the names of its connections. [`options`]: what it is told once and for all.
//! * `reading`: what it makes of what comes from the broker.

pub mod link;
pub mod options;
mod reading;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

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
use link::LinkId;
use options::ClientOptions;

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
pub struct Client {
    client_id: Arc<str>,
    protocol: Protocol,
    options: Arc<ClientOptions>,
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
pub struct Outbox {
    /// To the broker.
    pub packets: Vec<(LinkId, Request)>,
    /// To the device.
    pub inputs: VecDeque<Input>,
    /// Messages that will not be read.
    pub lost: u64,
    /// Messages that will not be sent again.
    pub abandoned: u64,
}

impl Client {
    /// A client that is not connected. `link` is the connection before its first, so to say.
    pub fn new(link: LinkId, client_id: Arc<str>, protocol: Protocol, options: Arc<ClientOptions>) -> Self {
        Self {
            client_id,
            protocol,
            link,
            stage: Stage::Down,
            silent: false,
            probing: false,
            unread: VecDeque::new(),
            outgoing: Outgoing::new(options.queued),
            incoming: Incoming::default(),
            last_sent: Time::ZERO,
            next: None,
            options,
        }
    }

    /// When it wants to be woken: to keep the connection alive.
    pub fn next_deadline(&self) -> Option<Time> {
        let alive = matches!(self.stage, Stage::Up | Stage::Leaving) && !self.silent;
        (alive && self.options.keep_alive > 0)
            .then(|| self.last_sent + Duration::from_secs(self.options.keep_alive.into()))
    }

    /// Its deadline may have come.
    pub fn wake(&mut self, now: Time, out: &mut Outbox) {
        if self.next_deadline().is_some_and(|due| due <= now) {
            self.send(Request::PingReq, now, out);
        }
    }

    /// Begin a new connection. One that there still is ends without a farewell.
    pub fn connect(&mut self, will: Option<Will>, now: Time, out: &mut Outbox) {
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
            clean_start: self.options.session_expiry == 0,
            session_expiry: self.options.session_expiry,
            keep_alive: self.options.keep_alive,
            receive_maximum: None,
            will,
        };
        self.send(Request::Connect(Box::new(connect)), now, out);
    }

    /// End the connection. A silent client cannot take its leave.
    pub fn disconnect(&mut self, farewell: Farewell, now: Time, out: &mut Outbox) {
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
    pub fn silence(&mut self) {
        self.silent = true;
    }

    /// Publish a message, or give it back.
    pub fn publish(&mut self, message: Message, now: Time, out: &mut Outbox) {
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
    pub fn subscribe(&mut self, filter: TopicFilter, qos: Qos, now: Time, out: &mut Outbox) {
        let filters = vec![(filter, SubscribeOptions::at(qos))];
        let subscribe = Subscribe { packet_id: PacketId::MIN, identifier: None, filters };
        self.send_if_up(Request::Subscribe(subscribe), now, out);
    }

    /// Take a subscription back.
    pub fn unsubscribe(&mut self, filter: TopicFilter, now: Time, out: &mut Outbox) {
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
