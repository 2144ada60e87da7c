//! Open connection: its byte stream and its queue of packets.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Waker};

use rustls::AlertDescription;
use wasmote_mqtt::answer::Disconnection;
use wasmote_mqtt::broker::packet::{Publish, Request};
use wasmote_mqtt::client::RESPONSE_TIMEOUT;
use wasmote_mqtt::client::ids::ConnectionId;
use wasmote_mqtt::codec::client::{ClientCodec, SendError};
use wasmote_mqtt::message::Message;
use wasmote_mqtt::time::Time;
use wasmote_sim::link::AtMostOnce;

use super::readiness::SocketWaker;
use super::sockets::{Dialer, Scratch};
use crate::credentials::DeviceCredentials;
use crate::reason_text;
use crate::stream::{ByteStream, Received, StreamError};

/// Maximum number of bytes that are encoded for one write.
const MAX_WRITE: usize = 64 << 10;
/// Smallest such number, for a socket that accepts few bytes at a time.
const MIN_WRITE: usize = 4 << 10;
/// Maximum length of the queue for messages at QoS 0. Further ones are refused.
const MAX_WAITING: usize = 100;
/// Number of bytes of the queue at which messages at QoS 0 are refused.
const MAX_WAITING_BYTES: usize = 8 << 20;

pub(super) struct OpenSocket {
    pub(super) link: ConnectionId,
    pub(super) codec: ClientCodec,
    /// Set when DISCONNECT is queued: the time by which it has to be written.
    pub(super) disconnect_deadline: Option<Time>,
    /// Reason that writes fail. Packets that the broker sent before can still be read.
    write_error: Option<Disconnection>,
    queue: VecDeque<Request>,
    /// Bytes of the messages in `queue`.
    queued_bytes: usize,
    /// The socket accepts no bytes until it is ready again.
    is_blocked: bool,
    /// Number of bytes to encode for the next write: about as many as the socket accepts, because those that it does not
    /// accept have to be encoded again.
    write_size: usize,
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
    /// Credentials of the device, if it has its own.
    credentials: Option<Arc<DeviceCredentials>>,
    /// Whether the broker has sent bytes.
    has_answered: bool,
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
        credentials: Option<Arc<DeviceCredentials>>,
    ) -> Self {
        let (waker, queue) = (socket_waker.waker(), VecDeque::new());
        Self {
            link,
            codec,
            disconnect_deadline: None,
            write_error: None,
            queue,
            queued_bytes: 0,
            is_blocked: false,
            write_size: MAX_WRITE,
            written: 0,
            flush_queued: false,
            partial: None,
            socket_waker,
            waker,
            stream,
            peer,
            credentials,
            has_answered: false,
        }
    }

    /// Whether a message at QoS 0 has to be refused.
    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= MAX_WAITING || self.queued_bytes >= MAX_WAITING_BYTES
    }

    /// Whether a write would wait for the socket.
    pub(super) fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// Allows the next write, because the socket may accept bytes again.
    pub(super) fn unblock(&mut self) {
        self.is_blocked = false;
    }

    /// End of the connection by the broker, without an answer.
    fn closed(&self, dialer: &Dialer) -> Disconnection {
        let address = dialer.address_at(self.peer);
        match self.codec.is_accepted() {
            true => Disconnection::unexplained(reason_text::closed(&address)),
            false => reason_text::closed_before_connack(&address, dialer.broker()).into(),
        }
    }

    fn failed(&self, error: &StreamError, dialer: &Dialer) -> Disconnection {
        match error {
            StreamError::Tcp(error) if reason_text::is_close_by_peer(error) => self.closed(dialer),
            error => self.stream_error(error, dialer).into(),
        }
    }

    /// Text for a broker that has not answered CONNECT in time.
    pub(super) fn no_answer(&self, dialer: &Dialer) -> String {
        let address = dialer.address_at(self.peer);
        match self.stream.phase() {
            None => reason_text::no_connack(&address, RESPONSE_TIMEOUT),
            Some(phase) => reason_text::no_handshake(&address, phase, RESPONSE_TIMEOUT),
        }
    }

    /// Text for an error of the stream. The broker's alert says only that a certificate expired; the date comes from the
    /// certificate.
    fn stream_error(&self, error: &StreamError, dialer: &Dialer) -> String {
        let text = reason_text::stream(&dialer.address_at(self.peer), error);
        let certificate = self.credentials.as_ref().and_then(|own| own.certificate.as_ref());
        match (error, certificate) {
            (
                StreamError::Tls(rustls::Error::AlertReceived(AlertDescription::CertificateExpired)),
                Some(own),
            ) => {
                format!("{text} (it expired on {})", reason_text::tls::date_of(own.validity().1))
            }
            _ => text,
        }
    }

    /// Broker, with the address that the connection has reached.
    pub(super) fn address(&self, dialer: &Dialer) -> String {
        dialer.address_at(self.peer)
    }

    /// Appends a packet to the queue. Returns the number of bytes that its message takes there.
    pub(super) fn enqueue(&mut self, request: Request, scratch: &mut Scratch) -> usize {
        let bytes = message_bytes(&request);
        if self.queue.capacity() == 0 {
            self.queue = scratch.take_queue();
        }
        self.queued_bytes += bytes;
        self.queue.push_back(request);
        bytes
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
    pub(super) fn read(&mut self, scratch: &mut Scratch, dialer: &Dialer) -> Result<bool, Disconnection> {
        let mut context = Context::from_waker(&self.waker);
        match self.stream.read(&mut context, &mut scratch.buffers) {
            Ok(Received::Pending) => match self.write_error.take() {
                None => Ok(false),
                Some(end) => Err(end),
            },
            Err(error) => Err(self.failed(&error, dialer)),
            Ok(Received::Closed) => Err(self.closed(dialer)),
            Ok(Received::Data(bytes)) => {
                // TLS may consume all bytes.
                let is_first = !self.has_answered;
                self.has_answered |= !bytes.is_empty();
                if is_first
                    && let Some(why) =
                        reason_text::speaks_other(&dialer.address_at(self.peer), dialer.broker(), bytes)
                {
                    return Err(why.into());
                }
                let read = self.codec.read(bytes, &mut scratch.incoming);
                read.map(|()| true).map_err(|violation| {
                    reason_text::violated(&dialer.address_at(self.peer), violation).into()
                })
            }
        }
    }

    /// Writes as much as the socket accepts, with as many packets in each write as fit. Messages that exceed the broker's
    /// limits go to `rejected`.
    pub(super) fn flush(
        &mut self,
        scratch: &mut Scratch,
        dialer: &Dialer,
        rejected: &mut Vec<RejectedPublish>,
    ) -> Result<(), String> {
        // Without the first condition, every message for a full socket would encode the queue in vain.
        while !self.is_blocked && self.write_error.is_none() && !self.is_empty() && self.stream.is_open() {
            if self.partial.is_none() {
                self.encode_queue(scratch, dialer, rejected)?;
            }
            let bytes = match &self.partial {
                Some(partial) => &partial.bytes[partial.written..],
                None => &scratch.write,
            };
            let offered = bytes.len();
            let mut context = Context::from_waker(&self.waker);
            let written = self.stream.write(&mut context, bytes, &mut scratch.buffers);
            match written {
                Ok(Some(bytes)) => {
                    scratch.writes.writes += 1;
                    self.write_size = next_write_size(self.write_size, offered, bytes);
                    self.advance(bytes, scratch);
                }
                Ok(None) => {
                    scratch.writes.waits += 1;
                    self.is_blocked = true;
                }
                Err(error) => {
                    self.write_error = Some(self.failed(&error, dialer));
                    self.socket_waker.set_ready();
                }
            }
        }
        if self.queue.is_empty() {
            // An idle connection holds no buffer.
            scratch.return_queue(std::mem::take(&mut self.queue));
        }
        Ok(())
    }

    /// Number of messages at QoS 0 that were written since the last call.
    pub(super) fn take_written(&mut self) -> u64 {
        std::mem::take(&mut self.written)
    }

    /// Closes the stream once all packets are written. Returns whether nothing is left to write.
    pub(super) fn close(&mut self, scratch: &mut Scratch) -> bool {
        // If the close cannot be sent, the broker sees the end of the TCP connection.
        let closed = self.stream.close(&mut Context::from_waker(&self.waker), &mut scratch.buffers);
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
            && scratch.write.len() < self.write_size
        {
            match self.codec.encode(request, dialer.login(self.credentials.as_deref()), &mut scratch.write) {
                Ok(()) => scratch.packet_ends.push(scratch.write.len()),
                Err(why) => {
                    let request = self.queue.remove(scratch.packet_ends.len());
                    self.queued_bytes -= request.as_ref().map_or(0, message_bytes);
                    match request {
                        Some(Request::Publish(publish)) => rejected.push(RejectedPublish(publish, why)),
                        _ => return Err(why.to_string()),
                    }
                }
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
        for request in self.queue.drain(..complete) {
            self.queued_bytes -= message_bytes(&request);
            self.written += u64::from(request.is_qos_0());
        }
        if let Some(end) = scratch.packet_ends.get(complete)
            && scratch.packet_ends[..complete].last().copied().unwrap_or(0) < bytes
            && let Some(request) = self.queue.pop_front()
        {
            self.queued_bytes -= message_bytes(&request);
            self.partial =
                Some(PartialPacket { request, bytes: scratch.write[bytes..*end].to_vec(), written: 0 });
        }
    }
}

/// Bytes of a packet's message in the queue.
fn message_bytes(request: &Request) -> usize {
    match request {
        Request::Publish(publish) => publish.message.footprint(),
        _ => 0,
    }
}

/// Number of bytes to encode for the write after one that was offered `offered` bytes and accepted `accepted`.
fn next_write_size(present: usize, offered: usize, accepted: usize) -> usize {
    let next = if accepted < offered { accepted } else { present };
    next.saturating_mul(2).clamp(MIN_WRITE, MAX_WRITE)
}
