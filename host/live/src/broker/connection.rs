//! Connection of one client, over TCP or a WebSocket.
//!
//! One task per client reads, decodes, encodes and writes, and none of these waits for another. The task
//! stops reading while the client leaves too many replies unread, and while the broker is behind with the
//! client's packets.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::select;
use tokio::time::timeout;
use wasmote_mqtt::broker::packet::{Ack, AckStep, Reply, Request};
use wasmote_mqtt::broker::reason::{AckReason, CloseReason};
use wasmote_mqtt::codec::{Codec, RefusedConnect};
use wasmote_mqtt::message::Qos;

use super::reply_channel::{self, ReplyReceiver};
use super::task::{Inbound, InboundSender};
use super::websocket;
use crate::websocket::upgrade;

/// Longest time from the TCP connection to the first byte and the request of a WebSocket, and from there to CONNECT.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for the final write, and then for the client to close first.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Bytes per read.
const READ_CHUNK: usize = 16 << 10;
/// Unwritten bytes at which encoding pauses.
const MAX_UNWRITTEN: usize = 256 << 10;
/// Replies per batch of the encoder.
const REPLY_BATCH: usize = 64;

/// Client whose CONNECT has been decoded.
struct ClientConnection<R, W> {
    number: u64,
    inbound: InboundSender,
    codec: Codec,
    replies: ReplyReceiver,
    read: R,
    read_buffer: BytesMut,
    write: W,
    write_buffer: BytesMut,
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
pub(super) async fn serve(stream: TcpStream, number: u64, inbound: InboundSender) {
    // Nagle's algorithm would delay small messages until earlier ones are acknowledged, which distorts
    // latency.
    let _ = stream.set_nodelay(true);
    let opened = timeout(CONNECT_TIMEOUT, open(stream)).await;
    match opened {
        Ok(Ok(Opened::Tcp(stream))) => {
            let (read, write) = stream.into_split();
            serve_mqtt(read, write, number, inbound).await;
        }
        Ok(Ok(Opened::WebSocket(socket))) => {
            let (read, write) = tokio::io::split(socket);
            serve_mqtt(read, write, number, inbound).await;
        }
        // The client speaks neither, timed out, or disconnected.
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

async fn serve_mqtt<R, W>(mut read: R, write: W, number: u64, inbound: InboundSender)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut read_buffer = BytesMut::with_capacity(1 << 10);
    let decoded = timeout(CONNECT_TIMEOUT, read_connect(&mut read, &mut read_buffer)).await;
    match decoded {
        Ok(Ok(Ok((codec, connect)))) => {
            let (reply_sender, replies) = reply_channel::reply_channel();
            let first = [
                Inbound::Connected(number, reply_sender),
                Inbound::Packets(number, vec![Request::Connect(Box::new(connect))]),
            ];
            for message in first {
                if inbound.send(message).await.is_err() {
                    return;
                }
            }
            let write_buffer = BytesMut::new();
            let connection =
                ClientConnection { number, inbound, codec, replies, read, read_buffer, write, write_buffer };
            connection.run().await;
        }
        Ok(Ok(Err(RefusedConnect { refusal, protocol: Some(protocol) }))) => {
            let mut final_packet = BytesMut::new();
            Codec::new(protocol).encode_refusal(refusal, &mut final_packet);
            close(read, write, &final_packet).await;
        }
        // The client did not speak MQTT, timed out, or disconnected.
        _ => {}
    }
}

type DecodedConnect = Result<(Codec, wasmote_mqtt::broker::packet::Connect), RefusedConnect>;

async fn read_connect(
    read: &mut (impl AsyncRead + Unpin),
    read_buffer: &mut BytesMut,
) -> io::Result<DecodedConnect> {
    loop {
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
            self.read_buffer.reserve(READ_CHUNK);
            select! {
                read = self.read.read_buf(&mut self.read_buffer), if !self.replies.is_full() => {
                    if read? == 0 {
                        return Ok(End::Disconnected);
                    }
                    if let Some(end) = self.forward_requests().await {
                        return Ok(end);
                    }
                }
                written = self.write.write_buf(&mut self.write_buffer), if !self.write_buffer.is_empty() => {
                    written?;
                }
                taken = self.replies.recv_many(&mut batch, REPLY_BATCH), if self.write_buffer.len() < MAX_UNWRITTEN => {
                    if taken == 0 {
                        return Ok(End::ClosedByBroker);
                    }
                    self.write_replies(&mut batch).await;
                }
            }
        }
    }

    /// Decodes the bytes read so far and forwards the packets to the broker.
    async fn forward_requests(&mut self) -> Option<End> {
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
        }
        end
    }

    async fn forward(&self, requests: Vec<Request>) {
        // Sending fails only after the broker has ended.
        let _ = self.inbound.send(Inbound::Packets(self.number, requests)).await;
    }

    /// Encodes replies. A message that exceeds the client's maximum packet size is discarded as if it had
    /// been sent [MQTT-3.1.2-25].
    async fn write_replies(&mut self, replies: &mut Vec<Reply>) {
        let mut too_large = 0;
        let mut rejected = Vec::new();
        for reply in replies.drain(..) {
            if self.codec.encode(&reply, &mut self.write_buffer).is_ok() {
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
            let _ = self.inbound.send(Inbound::TooLarge(too_large)).await;
        }
        if !rejected.is_empty() {
            self.forward(rejected).await;
        }
    }
}
