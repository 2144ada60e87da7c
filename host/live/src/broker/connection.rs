//! Connection of one client, over TCP or a WebSocket.
//!
//! One task per client reads, decodes, encodes and writes, and none of these waits for another. The task
//! stops reading while the client leaves too many replies unread, and while the broker is behind with the
//! client's packets.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::select;
use tokio::time::{Instant, sleep_until, timeout};
use wasmote_mqtt::broker::packet::{Ack, AckStep, Reply, Request};
use wasmote_mqtt::broker::reason::{AckReason, CloseReason};
use wasmote_mqtt::budget::Lease;
use wasmote_mqtt::codec::{Codec, RefusedConnect};
use wasmote_mqtt::message::Qos;

use super::admission::{Admitted, HeldBytes};
use super::reply_channel::{self, ReplyReceiver, UnreadReply, request_bytes};
use super::task::{Inbound, InboundSender};
use super::websocket;
use crate::websocket::upgrade;

/// Longest time of each step before MQTT: from the TCP connection to the first byte, or to the complete request of a
/// WebSocket; and from there to CONNECT.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for the final write, and then for the client to close first.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes per read.
const READ_CHUNK: usize = 16 << 10;
/// Unwritten bytes at which encoding pauses.
const MAX_UNWRITTEN: usize = 256 << 10;
/// Replies per batch of the encoder.
const REPLY_BATCH: usize = 64;
/// Largest CONNECT: client identifier, will, user name and password have at most 64 KiB each.
const MAX_CONNECT: usize = 1 << 20;
/// Time for the bytes of a packet, in addition to that for its length.
const PACKET_TIME: Duration = Duration::from_secs(30);
/// Slowest rate at which a packet may arrive, in bytes per second.
const MIN_RATE: usize = 64 << 10;
/// Length of packets that only one client decodes at a time.
const LARGE_PACKET: usize = 1 << 20;
/// Bytes of decoded packets that need no room in the budget of all clients.
const SMALL_BATCH: usize = 16 << 10;

/// Client whose CONNECT has been decoded.
struct ClientConnection<R, W> {
    admitted: Admitted,
    /// Capacity of the read buffer in the budget of all clients.
    held: HeldBytes,
    inbound: InboundSender,
    codec: Codec,
    replies: ReplyReceiver,
    read: R,
    read_buffer: BytesMut,
    /// Time from which the packet at the front of the read buffer is awaited.
    packet_began: Instant,
    write: W,
    write_buffer: BytesMut,
    /// Replies that are not encoded.
    unwritten: VecDeque<UnreadReply>,
    /// Bytes of the encoded replies in the budget of all clients.
    writing: Lease,
}

/// Reason for the end of the connection.
enum End {
    /// The client closed the connection or it broke.
    Disconnected,
    /// The broker has sent its last reply.
    ClosedByBroker,
    /// The client violated the protocol.
    ProtocolViolation(CloseReason),
}

/// Serves one connection until it closes.
pub(super) async fn serve(stream: TcpStream, mut admitted: Admitted, inbound: InboundSender) {
    // Nagle's algorithm would delay small messages until earlier ones are acknowledged, which distorts
    // latency.
    let _ = stream.set_nodelay(true);
    let opened = select! {
        opened = timeout(CONNECT_TIMEOUT, open(stream)) => opened,
        () = admitted.evicted() => return,
    };
    match opened {
        Ok(Ok(Opened::Tcp(stream))) => {
            let (read, write) = stream.into_split();
            serve_mqtt(read, write, admitted, inbound).await;
        }
        Ok(Ok(Opened::WebSocket(socket))) => {
            let (read, write) = tokio::io::split(socket);
            serve_mqtt(read, write, admitted, inbound).await;
        }
        Err(_) => admitted.count_silent(),
        // The client speaks neither, or disconnected.
        _ => {}
    }
}

/// Byte stream of a client.
enum Opened {
    Tcp(TcpStream),
    WebSocket(websocket::WebSocket),
    Refused,
}

/// Tells MQTT and WebSocket apart by the first byte.
async fn open(stream: TcpStream) -> io::Result<Opened> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ if !upgrade::is_http(first[0]) => Ok(Opened::Tcp(stream)),
        _ => Ok(websocket::accept(stream).await?.map_or(Opened::Refused, Opened::WebSocket)),
    }
}

async fn serve_mqtt<R, W>(mut read: R, write: W, mut admitted: Admitted, inbound: InboundSender)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut read_buffer = BytesMut::with_capacity(1 << 10);
    let mut held = admitted.held_bytes();
    let connect = timeout(CONNECT_TIMEOUT, read_connect(&mut read, &mut read_buffer, &mut held));
    let decoded = select! {
        decoded = connect => decoded,
        () = admitted.evicted() => return,
    };
    admitted.has_connected();
    match decoded {
        Ok(Ok(Ok((codec, connect)))) => {
            let (reply_sender, replies) = reply_channel::reply_channel(admitted.unread());
            let first = [
                Inbound::Connected(admitted.number, reply_sender),
                Inbound::Packets(admitted.number, vec![Request::Connect(Box::new(connect))], None),
            ];
            for message in first {
                if inbound.send(message).await.is_err() {
                    return;
                }
            }
            let writing = admitted.unread().force(0);
            let connection = ClientConnection {
                admitted,
                held,
                inbound,
                codec,
                replies,
                read,
                read_buffer,
                packet_began: Instant::now(),
                write,
                write_buffer: BytesMut::new(),
                unwritten: VecDeque::new(),
                writing,
            };
            connection.run().await;
        }
        Ok(Ok(Err(RefusedConnect { refusal, protocol: Some(protocol) }))) => {
            let mut final_packet = BytesMut::new();
            Codec::new(protocol).encode_refusal(refusal, &mut final_packet);
            close(read, write, &final_packet).await;
        }
        Err(_) => admitted.count_silent(),
        // The client did not speak MQTT, or disconnected.
        Ok(_) => {}
    }
}

type DecodedConnect = Result<(Codec, wasmote_mqtt::broker::packet::Connect), RefusedConnect>;

async fn read_connect(
    read: &mut (impl AsyncRead + Unpin),
    read_buffer: &mut BytesMut,
    held: &mut HeldBytes,
) -> io::Result<DecodedConnect> {
    loop {
        let length = Codec::packet_length(read_buffer).unwrap_or(0);
        if length > MAX_CONNECT || !held.set(read_buffer.capacity()) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        match Codec::decode_connect(read_buffer) {
            Ok(Some(decoded)) => return Ok(Ok(decoded)),
            Err(refused) => return Ok(Err(refused)),
            Ok(None) => {}
        }
        if read.read_buf(read_buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Writes the final packet and lets the client close first: closing a socket with unread data resets the
/// connection, and the packet may be lost.
async fn close(mut read: impl AsyncRead + Unpin, mut write: impl AsyncWrite + Unpin, final_packet: &[u8]) {
    // The connection ends in any case.
    let _ = timeout(CLOSE_TIMEOUT, write.write_all(final_packet)).await;
    let _ = timeout(CLOSE_TIMEOUT, write.shutdown()).await;
    let mut discarded = [0; 1 << 10];
    let _ =
        timeout(CLOSE_TIMEOUT, async { while matches!(read.read(&mut discarded).await, Ok(1..)) {} }).await;
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> ClientConnection<R, W> {
    async fn run(mut self) {
        let end = match self.serve().await {
            Ok(end) => end,
            Err(_) => End::Disconnected,
        };
        match end {
            End::ClosedByBroker => {}
            End::Disconnected => self.forward(vec![Request::Lost]).await,
            End::ProtocolViolation(reason) => {
                self.forward(vec![Request::Lost]).await;
                // A DISCONNECT that the client's maximum packet size forbids is left out.
                let _ = self.codec.encode(&Reply::Close(reason), &mut self.write_buffer);
            }
        }
        if !matches!(end, End::Disconnected) {
            close(self.read, self.write, &self.write_buffer).await;
        }
    }

    async fn serve(&mut self) -> io::Result<End> {
        let mut batch = Vec::with_capacity(REPLY_BATCH);
        // The client may have sent packets along with CONNECT.
        if let Some(end) = self.forward_requests().await {
            return Ok(end);
        }
        loop {
            self.write_replies().await;
            self.release_buffers();
            let is_reading = !self.replies.is_full();
            if !is_reading {
                self.packet_began = Instant::now();
            }
            self.read_buffer.reserve(READ_CHUNK);
            if !self.held.set(self.read_buffer.capacity()) {
                return Ok(End::ProtocolViolation(CloseReason::QuotaExceeded));
            }
            let packet_due = self.packet_due().filter(|_| is_reading);
            let was_empty = self.read_buffer.is_empty();
            select! {
                read = self.read.read_buf(&mut self.read_buffer), if is_reading => {
                    if read? == 0 {
                        return Ok(End::Disconnected);
                    }
                    if was_empty {
                        self.packet_began = Instant::now();
                    }
                    if let Some(end) = self.forward_requests().await {
                        return Ok(end);
                    }
                }
                written = self.write.write_buf(&mut self.write_buffer), if !self.write_buffer.is_empty() => {
                    written?;
                }
                taken = self.replies.recv_many(&mut batch, REPLY_BATCH), if self.unwritten.is_empty() => {
                    if taken == 0 {
                        return Ok(End::ClosedByBroker);
                    }
                    self.unwritten.extend(batch.drain(..));
                }
                () = sleep_until(packet_due.unwrap_or_else(Instant::now)), if packet_due.is_some() => {
                    self.admitted.count_slow();
                    return Ok(End::ProtocolViolation(CloseReason::KeepAliveTimeout));
                }
            }
        }
    }

    /// Time at which the packet at the front of the read buffer must be complete; `None` if the buffer is empty.
    fn packet_due(&self) -> Option<Instant> {
        let length = Codec::packet_length(&self.read_buffer).unwrap_or(0);
        let time = PACKET_TIME + Duration::from_secs((length / MIN_RATE) as u64);
        (!self.read_buffer.is_empty()).then(|| self.packet_began + time)
    }

    /// Gives back the memory of large packets.
    fn release_buffers(&mut self) {
        if self.read_buffer.is_empty() && self.read_buffer.capacity() > 2 * READ_CHUNK {
            self.read_buffer = BytesMut::new();
        }
        if self.write_buffer.is_empty() && self.write_buffer.capacity() > 2 * READ_CHUNK {
            self.write_buffer = BytesMut::new();
        }
        let unwritten = if self.write_buffer.is_empty() { 0 } else { self.write_buffer.capacity() as u64 };
        if unwritten < self.writing.bytes() {
            self.writing.resize(unwritten as usize);
        }
    }

    /// Decodes the bytes read so far and forwards the packets to the broker.
    async fn forward_requests(&mut self) -> Option<End> {
        let is_large = |length: usize| length > LARGE_PACKET && length <= self.read_buffer.len();
        let turn = match Codec::packet_length(&self.read_buffer) {
            Some(length) if is_large(length) => self.admitted.large_packet_turn().await,
            _ => None,
        };
        let mut requests = Vec::new();
        let end = loop {
            match self.codec.decode(&mut self.read_buffer) {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => break None,
                Err(reason) => break Some(End::ProtocolViolation(reason)),
            }
        };
        if !requests.is_empty() {
            self.forward(requests).await;
            self.packet_began = Instant::now();
        }
        drop(turn);
        end
    }

    async fn forward(&self, requests: Vec<Request>) {
        let bytes = requests.iter().map(request_bytes).sum();
        let lease = (bytes > SMALL_BATCH).then(|| self.admitted.received().force(bytes));
        // Sending fails only after the broker has ended.
        let _ = self.inbound.send(Inbound::Packets(self.admitted.number, requests, lease)).await;
    }

    /// Encodes replies until the write buffer is full. A message that exceeds the client's maximum packet size is
    /// discarded as if it had been sent [MQTT-3.1.2-25].
    async fn write_replies(&mut self) {
        let mut too_large = 0;
        let mut rejected = Vec::new();
        while self.write_buffer.len() < MAX_UNWRITTEN {
            let Some(UnreadReply { reply, lease }) = self.unwritten.pop_front() else { break };
            if self.codec.encode(&reply, &mut self.write_buffer).is_ok() {
                self.writing.absorb(lease);
                continue;
            }
            let Reply::Publish(publish) = reply else { continue };
            let step =
                if publish.message.qos == Qos::ExactlyOnce { AckStep::PubRec } else { AckStep::PubAck };
            match publish.packet_id {
                None => too_large += 1,
                Some(packet_id) => {
                    rejected.push(Request::Ack(Ack { step, packet_id, reason: AckReason::PacketTooLarge }));
                }
            }
        }
        if too_large > 0 {
            // Sending fails only after the broker has ended.
            let _ = self.inbound.send(Inbound::TooLarge(too_large)).await;
        }
        if !rejected.is_empty() {
            self.forward(rejected).await;
        }
    }
}
