//! A device's way to a broker over TCP.
//!
//! Its client is the state machine of virtual time; here are the bytes. The shard itself reads and writes the
//! sockets of its devices, when their bells ring, with buffers that they share. What a connection on which
//! nothing happens holds is a socket and no buffer.
//!
//! * `sockets`: what those of a shard share. `bells`: which want attention.
//! * `open`: an open socket, and what waits for it.
//!
//! # Why not a library
//!
//! `rumqttc` was here before, and still is for [`mqtts://`](crate::client): there the session with its keys and the
//! buffers of TLS take more than the library does. Over plain TCP it is the other way round: each of its
//! clients has buffers of 10 KiB, sets of bits for all 65,535 identifiers and a task, 76 to 82 KiB in all, more
//! than all the rest of a device.

mod bells;
mod open;
mod sockets;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use wasmote_sim::broker::packet::{Connect, Request};
use wasmote_sim::client::link::LinkId;
use wasmote_sim::client::{Client, Outbox};
use wasmote_sim::context::Protocol;
use wasmote_sim::device::Input;
use wasmote_sim::line::Fleeting;
use wasmote_sim::time::Time;

use crate::connection::News;
use crate::socket::{LAST_WORDS, Line};
use crate::wire::client::ClientWire;
use crate::words;
pub(crate) use bells::Bells;
use open::{NotSent, Open};
pub(super) use sockets::Sockets;

/// Reads of one socket before others have their turn.
const READS: usize = 4;
/// Longest that the last words may wait for a socket that takes none.
const FAREWELL: Duration = Duration::from_secs(5);

/// A device's way.
pub(super) struct Wired {
    protocol: Protocol,
    line: Line,
    stage: Stage,
    /// A connection that was asked for and does not exist yet.
    call: Option<Box<Connect>>,
    silent: bool,
    /// The silence is over, but what came in it was not looked at yet.
    pub(super) wakes_up: bool,
    /// Whether it counts among the attempts.
    tries: bool,
}

enum Stage {
    Off,
    /// Until it is its turn to connect.
    InLine,
    Dialling(AbortHandle),
    Open(Box<Open>),
    /// The farewell is written, and the broker is given the time to close first.
    Parting,
}

impl Wired {
    pub(super) fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            line: Line::default(),
            stage: Stage::Off,
            call: None,
            silent: false,
            wakes_up: false,
            tries: false,
        }
    }

    /// What faults of the byte stream come over.
    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// Whether there is a connection, or one is to be made.
    pub(super) fn is_there(&self) -> bool {
        self.call.is_some() || !matches!(self.stage, Stage::Off)
    }

    /// Whether the client has a connection that is not even begun, so that its patience does not count.
    pub(super) fn waits_to_begin(&self) -> bool {
        self.call.is_some() && !matches!(self.stage, Stage::Dialling(_))
    }

    /// When the farewell has waited long enough.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        match &self.stage {
            Stage::Open(open) => open.leave_by,
            _ => None,
        }
    }

    /// Carry what the client has to send.
    pub(super) fn send(
        &mut self,
        link: LinkId,
        request: Request,
        client: &mut Client,
        now: Time,
        sockets: &mut Sockets,
        out: &mut Outbox,
    ) {
        match request {
            Request::Connect(connect) => {
                self.call = Some(connect);
                self.get_in_line(link, sockets);
            }
            Request::Lost if self.waits_to_begin() => {
                self.call = None;
                if matches!(self.stage, Stage::InLine) {
                    self.stage = Stage::Off;
                }
            }
            Request::Lost => {
                // What was said before still goes out. Whether it can or not, the connection ends.
                let _ = self.write(client, now, sockets, out);
                self.end(sockets, out);
            }
            request => self.put(request, client, now, sockets, out),
        }
    }

    fn put(
        &mut self,
        request: Request,
        client: &mut Client,
        now: Time,
        sockets: &mut Sockets,
        out: &mut Outbox,
    ) {
        if let Stage::Open(open) = &mut self.stage {
            let has_room = |open: &Open| !(request.is_fleeting() && open.is_full());
            if !has_room(open) {
                self.flush(client, now, sockets, out);
            }
            if let Stage::Open(open) = &mut self.stage
                && has_room(open)
            {
                if matches!(request, Request::Disconnect(_)) {
                    open.leave_by = Some(now + FAREWELL);
                }
                return open.put(request);
            }
        }
        out.inputs.extend(request.fleeting().map(Input::Refused));
    }

    /// Have what there is to send written at the end of the shard's turn. Writing wakes the broker, which costs more
    /// than the writing, unless it is awake: so sockets are written to one right after another.
    pub(super) fn get_written(&mut self, sockets: &mut Sockets) {
        if let Stage::Open(open) = &mut self.stage
            && !self.silent
            && !open.is_empty()
            && !std::mem::replace(&mut open.gets_written, true)
        {
            sockets.unwritten.push_back(open.link.device.0);
        }
    }

    /// Write what the socket takes now.
    pub(super) fn flush(&mut self, client: &mut Client, now: Time, sockets: &mut Sockets, out: &mut Outbox) {
        let flushed = self.write(client, now, sockets, out);
        let has_left = matches!(&self.stage, Stage::Open(open) if open.leave_by.is_some() && open.is_empty());
        match flushed {
            Ok(()) if has_left && !self.silent => self.part(sockets),
            Ok(()) => {}
            Err(reason) => self.break_off(reason, client, now, sockets, out),
        }
    }

    /// Write. Says why the connection is no more, if it is.
    fn write(
        &mut self,
        client: &mut Client,
        now: Time,
        sockets: &mut Sockets,
        out: &mut Outbox,
    ) -> Result<(), String> {
        let Stage::Open(open) = &mut self.stage else { return Ok(()) };
        open.gets_written = false;
        if self.silent {
            return Ok(());
        }
        let mut not_sent = Vec::new();
        let written = open.flush(&mut sockets.desk, &sockets.tools, &mut not_sent);
        for NotSent(publish, why) in not_sent {
            let (device, topic) = (client.client_id(), &publish.message.topic);
            tracing::warn!(%device, %topic, "{why}");
            client.not_sent(publish, now, out);
        }
        written
    }

    /// Get in line for an attempt, once there is no connection any more.
    fn get_in_line(&mut self, link: LinkId, sockets: &mut Sockets) {
        if self.call.is_some() && !self.silent && matches!(self.stage, Stage::Off) {
            self.stage = Stage::InLine;
            sockets.in_line.push_back(link);
        }
    }

    /// It is the turn of this connection to be made, if it still is to be.
    pub(super) fn dial(&mut self, link: LinkId, client: &mut Client, now: Time, sockets: &mut Sockets) {
        if matches!(self.stage, Stage::InLine) && client.link() == Some(link) {
            self.stage = Stage::Dialling(sockets.tools.dial(link));
            self.tries = true;
            sockets.attempts += 1;
            client.begins(now);
        }
    }

    /// What came of it.
    pub(super) fn dialled(
        &mut self,
        attempt: u32,
        outcome: io::Result<TcpStream>,
        client: &mut Client,
        now: Time,
        sockets: &mut Sockets,
        out: &mut Outbox,
    ) {
        let link = client.link().filter(|link| link.attempt == attempt);
        let (Some(link), Stage::Dialling(_)) = (link, &self.stage) else { return };
        match (outcome, self.call.take()) {
            (Ok(stream), Some(call)) => {
                let bell = sockets.bells.hang(link.device.0);
                let mut open = Open::new(
                    link,
                    ClientWire::new(self.protocol),
                    Arc::clone(&bell),
                    self.line.adopt(stream),
                );
                open.put(Request::Connect(call));
                self.stage = Stage::Open(Box::new(open));
                // To be read from as soon as there is something.
                bell.ring();
            }
            (Ok(_), None) => self.end(sockets, out),
            (Err(error), _) => {
                let reason = words::io(&sockets.tools.address, &error);
                self.break_off(reason, client, now, sockets, out);
            }
        }
    }

    /// Read what has come. It is left with the other things that were heard, with the connection it came on;
    /// or why there is none any more.
    pub(super) fn listen(&mut self, sockets: &mut Sockets) -> Option<(LinkId, Result<(), String>)> {
        let Stage::Open(open) = &mut self.stage else { return None };
        open.bell.hush();
        if self.silent {
            return None;
        }
        let mut end = Ok(());
        for _ in 0..READS {
            match open.listen(&mut sockets.desk, &sockets.tools) {
                Ok(true) => {}
                Ok(false) => {
                    let link = open.link;
                    self.settle_attempt(sockets);
                    return Some((link, end));
                }
                Err(reason) => {
                    end = Err(reason);
                    break;
                }
            }
        }
        if end.is_ok() {
            open.bell.ring();
        }
        let link = open.link;
        self.settle_attempt(sockets);
        Some((link, end))
    }

    /// The broker has answered: others may try.
    fn settle_attempt(&mut self, sockets: &mut Sockets) {
        if matches!(&self.stage, Stage::Open(open) if open.wire.is_accepted()) {
            self.stop_trying(sockets);
        }
    }

    fn stop_trying(&mut self, sockets: &mut Sockets) {
        if std::mem::take(&mut self.tries) {
            sockets.attempts -= 1;
        }
    }

    /// The connection is gone, or could not be made.
    pub(super) fn break_off(
        &mut self,
        reason: String,
        client: &mut Client,
        now: Time,
        sockets: &mut Sockets,
        out: &mut Outbox,
    ) {
        let has_left = matches!(&self.stage, Stage::Open(open) if open.leave_by.is_some());
        self.end(sockets, out);
        if has_left {
            // The client has no part in it any more, and may want another.
            self.go_on(client, sockets);
        } else {
            client.broken(reason, now, out);
        }
    }

    /// Let go of the connection. What was not written at QoS 0 goes back.
    fn end(&mut self, sockets: &mut Sockets, out: &mut Outbox) {
        self.stop_trying(sockets);
        match std::mem::replace(&mut self.stage, Stage::Off) {
            Stage::Off => {}
            Stage::InLine => self.call = None,
            Stage::Dialling(task) => {
                task.abort();
                self.call = None;
            }
            Stage::Open(open) => {
                out.inputs.extend(open.into_fleeting().map(Input::Refused));
                self.line.release();
            }
            Stage::Parting => self.stage = Stage::Parting,
        }
    }

    /// The farewell is written. Closing a socket with unread data would reset the connection and might take the
    /// last messages with it, so the broker closes first.
    fn part(&mut self, sockets: &mut Sockets) {
        let Stage::Open(open) = std::mem::replace(&mut self.stage, Stage::Parting) else { return };
        let (line, inbox, slot) = (self.line.clone(), sockets.tools.inbox.clone(), open.link.device.0);
        drop(open);
        tokio::spawn(async move {
            line.close_after_peer(LAST_WORDS).await;
            let _ = inbox.send((slot, News::Parted)).await;
        });
    }

    /// The last connection is closed.
    pub(super) fn parted(&mut self, client: &Client, sockets: &mut Sockets) {
        if matches!(self.stage, Stage::Parting) {
            self.stage = Stage::Off;
            self.go_on(client, sockets);
        }
    }

    /// Make the next connection, if there is to be one.
    fn go_on(&mut self, client: &Client, sockets: &mut Sockets) {
        if let Some(link) = client.link() {
            self.get_in_line(link, sockets);
        }
    }

    /// The farewell has waited long enough, if it has.
    pub(super) fn wake(&mut self, client: &Client, now: Time, sockets: &mut Sockets, out: &mut Outbox) {
        if self.next_deadline().is_some_and(|due| due <= now) {
            self.end(sockets, out);
            self.go_on(client, sockets);
        }
    }

    /// Neither read nor write. Others need not wait for one that does not try.
    pub(super) fn silence(&mut self, sockets: &mut Sockets) {
        self.silent = true;
        self.stop_trying(sockets);
        if matches!(self.stage, Stage::InLine) {
            self.stage = Stage::Off;
        }
    }

    /// Read and write again. What has come meanwhile is read before anything else happens.
    pub(super) fn resume(&mut self, client: &Client, sockets: &mut Sockets) {
        self.silent = false;
        self.go_on(client, sockets);
        if let Stage::Open(open) = &self.stage {
            self.wakes_up = true;
            open.bell.ring();
        }
    }
}
