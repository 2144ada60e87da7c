//! A client that came through the door.
//!
//! One task a client reads, decodes, encodes and writes, each as far as it goes without waiting for the others.
//! A client that does not read what it is sent is not read from when much has piled up; one that sends faster
//! than the broker works is not read from for that time.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::select;
use tokio::time::timeout;
use wasmote_sim::broker::packet::{Ack, AckStep, Reply, Request};
use wasmote_sim::broker::reason::{AckReason, CloseReason};
use wasmote_sim::message::Qos;

use super::core::{Parcel, VisitorsWayIn};
use super::post::{self, Letters};
use crate::wire::{Refused, Wire};

/// Longest time between the connection and its CONNECT.
const GREETING: Duration = Duration::from_secs(10);
/// Longest time that last words take, and that a client is then given to close first.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Bytes read at one time.
const READ: usize = 16 << 10;
/// Bytes that wait to be written before no more are encoded.
const UNWRITTEN: usize = 256 << 10;
/// Replies encoded at one time.
const LETTERS: usize = 64;

/// A client, once it has said who it is.
struct Visitor {
    number: u64,
    core: VisitorsWayIn,
    wire: Wire,
    letters: Letters,
    read: OwnedReadHalf,
    unread: BytesMut,
    write: OwnedWriteHalf,
    unwritten: BytesMut,
}

/// How it ended.
enum End {
    /// The client is gone.
    Gone,
    /// The broker has said all it had to say.
    Dismissed,
    /// The client broke the rules.
    Offence(CloseReason),
}

/// One connection, from beginning to end.
pub(super) async fn serve(stream: TcpStream, number: u64, core: VisitorsWayIn) {
    // Without it, small messages wait for acknowledgements of earlier ones, which distorts latency.
    let _ = stream.set_nodelay(true);
    let (mut read, write) = stream.into_split();
    let mut unread = BytesMut::with_capacity(1 << 10);
    let greeting = timeout(GREETING, greet(&mut read, &mut unread)).await;
    match greeting {
        Ok(Ok(Ok((wire, connect)))) => {
            let (mailbox, letters) = post::mailbox();
            let arrived = [
                Parcel::Arrived(number, mailbox),
                Parcel::Packets(number, vec![Request::Connect(Box::new(connect))]),
            ];
            for parcel in arrived {
                if core.send(parcel).await.is_err() {
                    return;
                }
            }
            let unwritten = BytesMut::new();
            let visitor = Visitor { number, core, wire, letters, read, unread, write, unwritten };
            visitor.stay().await;
        }
        Ok(Ok(Err(Refused { refusal, protocol: Some(protocol) }))) => {
            let mut last_words = BytesMut::new();
            Wire::new(protocol).refuse(refusal, &mut last_words);
            part(read, write, &last_words).await;
        }
        // It spoke no MQTT, or nothing, or left.
        _ => {}
    }
}

type Greeting = Result<(Wire, wasmote_sim::broker::packet::Connect), Refused>;

async fn greet(read: &mut OwnedReadHalf, unread: &mut BytesMut) -> io::Result<Greeting> {
    loop {
        match Wire::greet(unread) {
            Ok(Some(greeting)) => return Ok(Ok(greeting)),
            Err(refused) => return Ok(Err(refused)),
            Ok(None) => {}
        }
        if read.read_buf(unread).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Say the last words, and let the client close first: closing a socket with unread data resets the
/// connection, and may take the last words with it.
async fn part(mut read: OwnedReadHalf, mut write: OwnedWriteHalf, last_words: &[u8]) {
    let _ = timeout(LAST_WORDS, write.write_all(last_words)).await;
    let _ = timeout(LAST_WORDS, write.shutdown()).await;
    let mut rest = [0; 1 << 10];
    let _ = timeout(LAST_WORDS, async { while matches!(read.read(&mut rest).await, Ok(1..)) {} }).await;
}

impl Visitor {
    async fn stay(mut self) {
        let end = match self.converse().await {
            Ok(end) => end,
            Err(_) => End::Gone,
        };
        match end {
            End::Dismissed => {}
            End::Gone => self.bring(vec![Request::Lost]).await,
            End::Offence(reason) => {
                self.bring(vec![Request::Lost]).await;
                let _ = self.wire.encode(&Reply::Close(reason), &mut self.unwritten);
            }
        }
        if !matches!(end, End::Gone) {
            part(self.read, self.write, &self.unwritten).await;
        }
    }

    async fn converse(&mut self) -> io::Result<End> {
        let mut replies = Vec::with_capacity(LETTERS);
        // CONNECT may have brought more with it.
        if let Some(end) = self.listen().await {
            return Ok(end);
        }
        loop {
            self.unread.reserve(READ);
            select! {
                read = self.read.read_buf(&mut self.unread), if !self.letters.pile_up() => {
                    if read? == 0 {
                        return Ok(End::Gone);
                    }
                    if let Some(end) = self.listen().await {
                        return Ok(end);
                    }
                }
                written = self.write.write_buf(&mut self.unwritten), if !self.unwritten.is_empty() => {
                    written?;
                }
                taken = self.letters.take(&mut replies, LETTERS), if self.unwritten.len() < UNWRITTEN => {
                    if taken == 0 {
                        return Ok(End::Dismissed);
                    }
                    self.speak(&mut replies).await;
                }
            }
        }
    }

    /// Bring what has been read to the broker.
    async fn listen(&mut self) -> Option<End> {
        let mut requests = Vec::new();
        let end = loop {
            match self.wire.decode(&mut self.unread) {
                Ok(Some(request)) => requests.push(request),
                Ok(None) => break None,
                Err(reason) => break Some(End::Offence(reason)),
            }
        };
        if !requests.is_empty() {
            self.bring(requests).await;
        }
        end
    }

    async fn bring(&self, requests: Vec<Request>) {
        // The broker may have ended.
        let _ = self.core.send(Parcel::Packets(self.number, requests)).await;
    }

    /// Write what the broker has to say. What is too large for the client counts as sent and not taken
    /// [MQTT-3.1.2-25].
    async fn speak(&mut self, replies: &mut Vec<Reply>) {
        let mut not_sent = 0;
        let mut not_taken = Vec::new();
        for reply in replies.drain(..) {
            if self.wire.encode(&reply, &mut self.unwritten).is_ok() {
                continue;
            }
            let Reply::Publish(publish) = reply else { continue };
            let step =
                if publish.message.qos == Qos::ExactlyOnce { AckStep::PubRec } else { AckStep::PubAck };
            match publish.packet_id {
                None => not_sent += 1,
                Some(packet_id) => {
                    not_taken.push(Request::Ack(Ack { step, packet_id, reason: AckReason::PacketTooLarge }));
                }
            }
        }
        if not_sent > 0 {
            let _ = self.core.send(Parcel::NotSent(not_sent)).await;
        }
        if !not_taken.is_empty() {
            self.bring(not_taken).await;
        }
    }
}
