//! Open connection: its byte stream and its queue of packets.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Waker};

use wasmote_mqtt::broker::packet::{Publish, Request};
use wasmote_mqtt::client::RESPONSE_TIMEOUT;
use wasmote_mqtt::client::ids::ConnectionId;
use wasmote_mqtt::codec::client::{ClientCodec, SendError};
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_sim::link::AtMostOnce;

use super::readiness::SocketWaker;
use super::sockets::{Dialer, Scratch};
use crate::reason_text;
use crate::stream::{ByteStream, Received, StreamError};

/// Maximum size of one write, in bytes.
const MAX_WRITE: usize = 64 << 10;
/// Maximum length of the queue for messages at QoS 0. Further ones are refused.
const MAX_WAITING: usize = 100;
/// Number of bytes of the queue at which messages at QoS 0 are refused.
const MAX_WAITING_BYTES: usize = 8 << 20;
/// Length of the queue from which its bytes are counted.
const MIN_MEASURED: usize = 16;

pub(super) struct OpenSocket {
    pub(super) link: ConnectionId,
    pub(super) codec: ClientCodec,
    /// Set when DISCONNECT is queued: the time by which it has to be written.
    pub(super) disconnect_deadline: Option<Time>,
    /// Reason that writes fail. Packets that the broker sent before can still be read.
    write_error: Option<String>,
    queue: VecDeque<Request>,
    /// Messages at QoS 0 that were written since the last [`take_written`](Self::take_written).
    written: u64,
    /// Whether the socket is in [`Sockets::unwritten`](super::Sockets::unwritten).
    pub(super) flush_queued: bool,
    /// Packet that is partly written.
    partial: Option<PartialPacket>,
    pub(super) socket_waker: Arc<SocketWaker>,
    waker: Waker,
    stream: ByteStream,
    /// Address that the connection has reached.
    peer: Option<IpAddr>,
}

struct PartialPacket {
    request: Request,
    bytes: Vec<u8>,
    written: usize,
}

/// Message that exceeds the broker's limits.
pub(super) struct RejectedPublish(pub(super) Publish, pub(super) SendError);

impl OpenSocket {
    pub(super) fn new(
        link: ConnectionId,
        codec: ClientCodec,
        socket_waker: Arc<SocketWaker>,
        stream: ByteStream,
        peer: Option<IpAddr>,
    ) -> Self {
        let (waker, queue) = (socket_waker.waker(), VecDeque::new());
        Self {
            link,
            codec,
            disconnect_deadline: None,
            write_error: None,
            queue,
            written: 0,
            flush_queued: false,
            partial: None,
            socket_waker,
            waker,
            stream,
            peer,
        }
    }

    /// Whether a message at QoS 0 has to be refused.
    pub(super) fn is_full(&self) -> bool {
        let bytes = |request: &Request| match request {
            Request::Publish(publish) => publish.message.footprint(),
            _ => 0,
        };
        // A short queue is small enough without a look at its messages.
        self.queue.len() >= MAX_WAITING
            || (self.queue.len() >= MIN_MEASURED
                && self.queue.iter().map(bytes).sum::<usize>() >= MAX_WAITING_BYTES)
    }

    fn closed_before_connack(&self, dialer: &Dialer) -> String {
        reason_text::closed_before_connack(&dialer.address_at(self.peer), self.stream.is_tls())
    }

    /// Text for a broker that has not answered CONNECT in time.
    pub(super) fn no_answer(&self, dialer: &Dialer) -> String {
        let address = dialer.address_at(self.peer);
        match self.stream.is_open() {
            true => reason_text::no_answer(&address, RESPONSE_TIMEOUT),
            false => reason_text::no_handshake(&address, RESPONSE_TIMEOUT),
        }
    }

    pub(super) fn enqueue(&mut self, request: Request) {
        self.queue.push_back(request);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.partial.is_none() && !self.stream.has_unsent()
    }

    /// Unwritten messages at QoS 0, which are not sent again, in order.
    pub(super) fn into_unsent(self) -> impl Iterator<Item = Message> {
        let partial = self.partial.map(|partial| partial.request);
        partial.into_iter().chain(self.queue).filter_map(AtMostOnce::into_qos_0_message)
    }

    /// Reads once. Returns whether there may be more.
    pub(super) fn read(&mut self, scratch: &mut Scratch, dialer: &Dialer) -> Result<bool, String> {
        let mut context = Context::from_waker(&self.waker);
        match self.stream.read(&mut context, &mut scratch.buffers) {
            Ok(Received::Pending) => match self.write_error.take() {
                None => Ok(false),
                Some(reason) => Err(reason),
            },
            Err(StreamError::Tcp(error))
                if !self.codec.is_accepted() && reason_text::is_close_by_peer(&error) =>
            {
                Err(self.closed_before_connack(dialer))
            }
            Err(error) => Err(reason_text::stream(&dialer.address_at(self.peer), &error)),
            Ok(Received::Closed) if !self.codec.is_accepted() => Err(self.closed_before_connack(dialer)),
            Ok(Received::Closed) => Err(reason_text::CONNECTION_CLOSED.to_owned()),
            Ok(Received::Data(bytes)) if !self.codec.is_accepted() && reason_text::is_tls_alert(bytes) => {
                Err(reason_text::speaks_tls(&dialer.address_at(self.peer)))
            }
            Ok(Received::Data(bytes)) => match self.codec.read(bytes, &mut scratch.incoming) {
                Ok(()) => Ok(true),
                Err(violation) => Err(format!("the broker violated the MQTT protocol: {violation}")),
            },
        }
    }

    /// Writes as much as the socket accepts. Messages that exceed the broker's limits go to `rejected`.
    pub(super) fn flush(
        &mut self,
        scratch: &mut Scratch,
        dialer: &Dialer,
        rejected: &mut Vec<RejectedPublish>,
    ) -> Result<(), String> {
        while self.write_error.is_none() && !self.is_empty() && self.stream.is_open() {
            if self.partial.is_none() {
                self.encode_queue(scratch, dialer, rejected)?;
            }
            let bytes = match &self.partial {
                Some(partial) => &partial.bytes[partial.written..],
                None => &scratch.write,
            };
            let mut context = Context::from_waker(&self.waker);
            let written = self.stream.write(&mut context, bytes, &mut scratch.buffers);
            match written {
                Ok(Some(bytes)) => self.advance(bytes, scratch),
                Ok(None) => break,
                Err(error) => {
                    self.write_error = Some(reason_text::stream(&dialer.address_at(self.peer), &error));
                    self.socket_waker.set_ready();
                }
            }
        }
        if self.queue.is_empty() {
            // An idle connection holds no buffer.
            self.queue = VecDeque::new();
        }
        Ok(())
    }

    /// Number of messages at QoS 0 that were written since the last call.
    pub(super) fn take_written(&mut self) -> u64 {
        std::mem::take(&mut self.written)
    }

    /// Closes the stream once all packets are written. Returns whether nothing is left to write.
    pub(super) fn close(&mut self) -> bool {
        // If the close cannot be sent, the broker sees the end of the TCP connection.
        let closed = self.stream.close(&mut Context::from_waker(&self.waker));
        closed.is_err() || !self.stream.has_unsent()
    }

    fn encode_queue(
        &mut self,
        scratch: &mut Scratch,
        dialer: &Dialer,
        rejected: &mut Vec<RejectedPublish>,
    ) -> Result<(), String> {
        scratch.write.clear();
        scratch.packet_ends.clear();
        while let Some(request) = self.queue.get(scratch.packet_ends.len())
            && scratch.write.len() < MAX_WRITE
        {
            match self.codec.encode(request, dialer.credentials(), &mut scratch.write) {
                Ok(()) => scratch.packet_ends.push(scratch.write.len()),
                Err(why) => match self.queue.remove(scratch.packet_ends.len()) {
                    Some(Request::Publish(publish)) => rejected.push(RejectedPublish(publish, why)),
                    _ => return Err(why.to_string()),
                },
            }
        }
        Ok(())
    }

    /// Removes the written bytes from the queue.
    fn advance(&mut self, bytes: usize, scratch: &Scratch) {
        if let Some(partial) = &mut self.partial {
            partial.written += bytes;
            if partial.written == partial.bytes.len() {
                self.written += u64::from(partial.request.is_qos_0());
                self.partial = None;
            }
            return;
        }
        let complete = scratch.packet_ends.partition_point(|end| *end <= bytes);
        self.written += self.queue.drain(..complete).filter(AtMostOnce::is_qos_0).count() as u64;
        if let Some(end) = scratch.packet_ends.get(complete)
            && scratch.packet_ends[..complete].last().copied().unwrap_or(0) < bytes
            && let Some(request) = self.queue.pop_front()
        {
            self.partial =
                Some(PartialPacket { request, bytes: scratch.write[bytes..*end].to_vec(), written: 0 });
        }
    }
}
