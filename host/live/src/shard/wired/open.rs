//! An open socket, and what waits to be written to it.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wasmote_sim::broker::packet::{Publish, Request};
use wasmote_sim::client::link::LinkId;
use wasmote_sim::line::Fleeting;
use wasmote_sim::message::Message;
use wasmote_sim::time::Time;

use super::bells::Bell;
use super::sockets::{Desk, Tools};
use crate::socket::Socket;
use crate::wire::client::{ClientWire, Unsendable};
use crate::words;

/// Bytes that are written at one time, if there are as many.
const WRITE: usize = 64 << 10;
/// Messages at QoS 0 that wait for a socket that takes no more. Further ones are refused.
const WAITING: usize = 100;

pub(super) struct Open {
    pub(super) link: LinkId,
    pub(super) wire: ClientWire,
    /// The farewell is said, and has to be written by then.
    pub(super) leave_by: Option<Time>,
    /// It takes no more, for this reason; what the broker said before may still be read.
    failed: Option<String>,
    waiting: VecDeque<Request>,
    /// It is among those that get written.
    pub(super) gets_written: bool,
    /// A packet that the socket took the beginning of.
    part: Option<Part>,
    pub(super) bell: Arc<Bell>,
    waker: Waker,
    socket: Socket,
}

struct Part {
    request: Request,
    bytes: Vec<u8>,
    written: usize,
}

/// A packet that the broker does not take.
pub(super) struct NotSent(pub(super) Publish, pub(super) Unsendable);

impl Open {
    pub(super) fn new(link: LinkId, wire: ClientWire, bell: Arc<Bell>, socket: Socket) -> Self {
        let (waker, waiting) = (bell.waker(), VecDeque::new());
        Self {
            link,
            wire,
            leave_by: None,
            failed: None,
            waiting,
            gets_written: false,
            part: None,
            bell,
            waker,
            socket,
        }
    }

    /// Whether so much waits that a message at QoS 0 has to be refused.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING
    }

    pub(super) fn put(&mut self, request: Request) {
        self.waiting.push_back(request);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.part.is_none()
    }

    /// The messages that were not written and that nobody will send again, in order.
    pub(super) fn into_fleeting(self) -> impl Iterator<Item = Message> {
        let part = self.part.map(|part| part.request);
        part.into_iter().chain(self.waiting).filter_map(Fleeting::fleeting)
    }

    /// Read once. Says whether there may be more.
    pub(super) fn listen(&mut self, desk: &mut Desk, tools: &Tools) -> Result<bool, String> {
        let mut buffer = ReadBuf::new(&mut desk.read);
        let mut context = Context::from_waker(&self.waker);
        match Pin::new(&mut self.socket).poll_read(&mut context, &mut buffer) {
            Poll::Pending => match self.failed.take() {
                None => Ok(false),
                Some(reason) => Err(reason),
            },
            Poll::Ready(Err(error)) => Err(words::io(&tools.address, &error)),
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => Err(words::CLOSED.to_owned()),
            Poll::Ready(Ok(())) => match self.wire.read(buffer.filled(), &mut desk.heard) {
                Ok(()) => Ok(true),
                Err(breach) => Err(format!("the broker broke the rules of MQTT: {breach}")),
            },
        }
    }

    /// Write what the socket takes. Those that the broker does not take come back.
    pub(super) fn flush(
        &mut self,
        desk: &mut Desk,
        tools: &Tools,
        not_sent: &mut Vec<NotSent>,
    ) -> Result<(), String> {
        while self.failed.is_none() && !self.is_empty() {
            let written = match &mut self.part {
                Some(part) => write(&mut self.socket, &self.waker, &part.bytes[part.written..]),
                None => {
                    self.encode(desk, tools, not_sent)?;
                    write(&mut self.socket, &self.waker, &desk.write)
                }
            };
            match written {
                Ok(Some(bytes)) => self.wrote(bytes, desk),
                Ok(None) => break,
                Err(error) => {
                    self.failed = Some(words::io(&tools.address, &error));
                    self.bell.ring();
                }
            }
        }
        if self.waiting.is_empty() {
            // An idle connection holds no buffer.
            self.waiting = VecDeque::new();
        }
        Ok(())
    }

    fn encode(&mut self, desk: &mut Desk, tools: &Tools, not_sent: &mut Vec<NotSent>) -> Result<(), String> {
        desk.write.clear();
        desk.ends.clear();
        while let Some(request) = self.waiting.get(desk.ends.len())
            && desk.write.len() < WRITE
        {
            match self.wire.encode(request, tools.login(), &mut desk.write) {
                Ok(()) => desk.ends.push(desk.write.len()),
                Err(why) => match self.waiting.remove(desk.ends.len()) {
                    Some(Request::Publish(publish)) => not_sent.push(NotSent(publish, why)),
                    _ => return Err(why.to_string()),
                },
            }
        }
        Ok(())
    }

    /// The socket took so many bytes of what was last offered to it.
    fn wrote(&mut self, bytes: usize, desk: &Desk) {
        if let Some(part) = &mut self.part {
            part.written += bytes;
            if part.written == part.bytes.len() {
                self.part = None;
            }
            return;
        }
        let whole = desk.ends.partition_point(|end| *end <= bytes);
        self.waiting.drain(..whole);
        if let Some(end) = desk.ends.get(whole)
            && desk.ends[..whole].last().copied().unwrap_or(0) < bytes
            && let Some(request) = self.waiting.pop_front()
        {
            self.part = Some(Part { request, bytes: desk.write[bytes..*end].to_vec(), written: 0 });
        }
    }
}

/// How many bytes were taken; nothing if the socket takes none now.
fn write(socket: &mut Socket, waker: &Waker, bytes: &[u8]) -> io::Result<Option<usize>> {
    if bytes.is_empty() {
        return Ok(Some(0));
    }
    match Pin::new(socket).poll_write(&mut Context::from_waker(waker), bytes) {
        Poll::Pending => Ok(None),
        Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
        Poll::Ready(Ok(taken)) => Ok(Some(taken)),
        Poll::Ready(Err(error)) => Err(error),
    }
}
