//! TLS over a socket, as a state machine that the shard drives.
//!
//! # Why not tokio-rustls
//!
//! `tokio-rustls` wraps a connection with its own buffers, at least 4 KiB for each idle device, and the
//! handshake would need a task in addition to the shard. rustls also has a connection without buffers and
//! without I/O, which fits the event loop of a shard: all sockets of the shard share the buffers, an idle
//! connection holds only its keys and a session for resumption (5.5 KiB more than plain TCP), and a silence fault also works in the middle
//! of a handshake.
//!
//! # Handshakes
//!
//! A handshake cannot block the shard: it is a series of reads, like all other work of a socket. It takes
//! some 0.4 ms of CPU time, mostly in the verification of the broker's certificate. After each step a device
//! with a due deadline runs, and after 5 ms the shard yields. The limit of concurrent connection attempts
//! also limits handshakes, and the client's timeout for CONNACK includes them.

use std::io;
use std::task::Context;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, WriteTraffic};
use rustls::{Error, InvalidMessage};

use super::{READ, Received, StreamBuffers, StreamError, poll_read, poll_write};
use crate::socket::Socket;
use crate::tls::TlsClient;
use crate::tls::sessions::DeviceSessions;

/// Maximum content of one record, in bytes (RFC 8446, section 5.1).
const RECORD: usize = 16 << 10;
/// Maximum overhead of a record, in bytes, for all cipher suites in use.
const OVERHEAD: usize = 64;
/// Maximum size of an incomplete record or handshake message, in bytes: rustls has the same limit for its own
/// buffers.
const MAX_PARTIAL: usize = 64 << 10;

pub(crate) struct TlsStream {
    socket: Socket,
    tls: UnbufferedClientConnection,
    /// Incomplete record or handshake message.
    partial: Vec<u8>,
    /// Records that wait for the socket, from `sent` on.
    unsent: Vec<u8>,
    sent: usize,
    /// The handshake is complete.
    is_open: bool,
    /// The broker has sent its `close_notify`.
    is_closed_by_broker: bool,
    has_closed: bool,
    /// Error for the next read; data arrived before it.
    failure: Option<Error>,
}

impl TlsStream {
    pub(super) fn new(
        socket: Socket,
        tls: &TlsClient,
        sessions: &mut DeviceSessions,
    ) -> Result<Self, StreamError> {
        let mut stream = Self {
            socket,
            tls: tls.connection(sessions).map_err(StreamError::Tls)?,
            partial: Vec::new(),
            unsent: Vec::new(),
            sent: 0,
            is_open: false,
            is_closed_by_broker: false,
            has_closed: false,
            failure: None,
        };
        // Creates the ClientHello, which the first read sends.
        stream.process(&mut [], &mut Vec::new()).1.map_err(StreamError::Tls)?;
        Ok(stream)
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Writes queued records, then reads once.
    pub(super) fn read<'a>(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &'a mut StreamBuffers,
    ) -> Result<Received<'a>, StreamError> {
        if let Some(failure) = self.failure.take() {
            return Err(StreamError::Tls(failure));
        }
        if self.is_closed_by_broker {
            return Ok(Received::Closed);
        }
        // If the flush fails, a TLS alert of the broker may still be readable.
        let sent = self.flush(cx);
        let StreamBuffers { read, plaintext, .. } = buffers;
        let kept = self.partial.len();
        if read.len() < kept + READ {
            read.resize(kept + READ, 0);
        }
        read[..kept].copy_from_slice(&self.partial);
        let length = match poll_read(&mut self.socket, cx, &mut read[kept..]) {
            Err(error) => return Err(self.io_error(error)),
            Ok(None) => return sent.map(|_| Received::Pending),
            Ok(Some(0)) if self.is_open => return Ok(Received::Closed),
            Ok(Some(0)) => return Err(StreamError::Handshake(io::ErrorKind::UnexpectedEof.into())),
            Ok(Some(length)) => kept + length,
        };
        plaintext.clear();
        let (used, outcome) = self.process(&mut read[..length], plaintext);
        self.partial = read[used..length].to_vec();
        let outcome = outcome.and_then(|()| match self.partial.len() {
            ..=MAX_PARTIAL => Ok(()),
            _ => Err(Error::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge)),
        });
        // A TCP error occurs again in the next read.
        let _ = self.flush(cx);
        match outcome {
            Err(failure) if plaintext.is_empty() => return Err(StreamError::Tls(failure)),
            Err(failure) => self.failure = Some(failure),
            Ok(()) if plaintext.is_empty() && self.is_closed_by_broker => return Ok(Received::Closed),
            Ok(()) => {}
        }
        Ok(Received::Data(plaintext))
    }

    /// Processes received records. Returns the number of bytes consumed from the front; appends decrypted
    /// bytes to `plaintext`, and TLS messages to be sent to `unsent`.
    fn process(&mut self, received: &mut [u8], plaintext: &mut Vec<u8>) -> (usize, Result<(), Error>) {
        let mut used = 0;
        let mut outcome = Ok(());
        loop {
            // After an error no more is read, but an alert may have to be sent.
            let more = if outcome.is_ok() { &mut received[used..] } else { &mut [] };
            let status = self.tls.process_tls_records(more);
            let mut discard = status.discard;
            let mut is_done = false;
            match status.state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        discard += record.discard;
                        plaintext.extend_from_slice(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(message)) => append_message(&mut self.unsent, message),
                // The message is already in `unsent`.
                Ok(ConnectionState::TransmitTlsData(message)) => message.done(),
                Ok(ConnectionState::PeerClosed) => self.is_closed_by_broker = true,
                Ok(ConnectionState::WriteTraffic(_)) => {
                    self.is_open |= outcome.is_ok();
                    is_done = true;
                }
                Ok(_) => is_done = true,
                Err(error) if outcome.is_ok() => outcome = Err(error),
                Err(_) => is_done = true,
            }
            used += discard;
            if is_done {
                return (used, outcome);
            }
        }
    }

    /// Encrypts and writes as much as the socket accepts.
    pub(super) fn write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        buffers: &mut StreamBuffers,
    ) -> Result<Option<usize>, StreamError> {
        if !self.flush(cx)? || !self.is_open {
            return Ok(None);
        }
        let mut taken = 0;
        for chunk in bytes.chunks(RECORD) {
            let records = &mut buffers.records;
            records.clear();
            self.encrypt(records, |traffic, into| traffic.encrypt(chunk, into), chunk.len())?;
            match self.send(cx, records) {
                Ok(true) => taken += chunk.len(),
                Ok(false) => return Ok(Some(taken + chunk.len())),
                // Bytes accepted before count; the next write returns the error.
                Err(_) if taken > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(Some(taken))
    }

    /// Sends `close_notify` [RFC 8446, section 6.1].
    pub(super) fn close(&mut self, cx: &mut Context<'_>) -> Result<(), StreamError> {
        if !std::mem::replace(&mut self.has_closed, true) && self.is_open {
            let mut records = std::mem::take(&mut self.unsent);
            let encrypted = self.encrypt(&mut records, |traffic, into| traffic.queue_close_notify(into), 0);
            self.unsent = records;
            encrypted?;
        }
        self.flush(cx).map(drop)
    }

    /// Appends pending TLS messages to `records`, then the output of `encrypt` for `bytes` bytes.
    fn encrypt(
        &mut self,
        records: &mut Vec<u8>,
        mut encrypt: impl FnMut(&mut Traffic<'_>, &mut [u8]) -> Result<usize, EncryptError>,
        bytes: usize,
    ) -> Result<(), StreamError> {
        loop {
            match self.tls.process_tls_records(&mut []).state.map_err(StreamError::Tls)? {
                ConnectionState::EncodeTlsData(message) => append_message(records, message),
                ConnectionState::TransmitTlsData(message) => message.done(),
                ConnectionState::PeerClosed => self.is_closed_by_broker = true,
                ConnectionState::WriteTraffic(mut traffic) => {
                    return append(records, bytes + OVERHEAD, |into| match encrypt(&mut traffic, into) {
                        Err(EncryptError::InsufficientSize(needed)) => Err(Some(needed.required_size)),
                        written => written.map_err(|_exhausted| None),
                    });
                }
                _ => return Err(StreamError::Tls(Error::HandshakeNotComplete)),
            }
        }
    }

    /// Writes records to the socket and queues the rest. Returns whether all were written.
    fn send(&mut self, cx: &mut Context<'_>, records: &[u8]) -> Result<bool, StreamError> {
        let mut sent = 0;
        while sent < records.len() {
            match poll_write(&mut self.socket, cx, &records[sent..]).map_err(StreamError::Tcp)? {
                Some(taken) => sent += taken,
                None => {
                    self.unsent.extend_from_slice(&records[sent..]);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Writes queued records. Returns whether none are left.
    fn flush(&mut self, cx: &mut Context<'_>) -> Result<bool, StreamError> {
        while self.sent < self.unsent.len() {
            match poll_write(&mut self.socket, cx, &self.unsent[self.sent..]) {
                Ok(Some(taken)) => self.sent += taken,
                Ok(None) => return Ok(false),
                Err(error) => return Err(self.io_error(error)),
            }
        }
        // An idle connection holds no buffer.
        self.unsent = Vec::new();
        self.sent = 0;
        Ok(true)
    }

    fn io_error(&self, error: io::Error) -> StreamError {
        if self.is_open { StreamError::Tcp(error) } else { StreamError::Handshake(error) }
    }
}

type Traffic<'a> = WriteTraffic<'a, ClientConnectionData>;

fn append_message(to: &mut Vec<u8>, mut message: EncodeTlsData<'_, ClientConnectionData>) {
    // Cannot fail: the message is encoded only once, into a buffer of sufficient size.
    let _ = append(to, 0, |into| match message.encode(into) {
        Err(EncodeError::InsufficientSize(needed)) => Err(Some(needed.required_size)),
        written => written.map_err(|_encoded_before| None),
    });
}

/// Appends the output of `encode` into `capacity` bytes, or into the size that it requests.
fn append(
    to: &mut Vec<u8>,
    capacity: usize,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) -> Result<(), StreamError> {
    let start = to.len();
    to.resize(start + capacity, 0);
    let mut written = encode(&mut to[start..]);
    if let Err(Some(needed)) = written {
        to.resize(start + needed, 0);
        written = encode(&mut to[start..]);
    }
    to.truncate(start + written.unwrap_or(0));
    written.map(drop).map_err(|_| StreamError::Tls(Error::EncryptError))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::task::Poll;
    use std::thread::JoinHandle;

    use rustls::{ServerConnection, StreamOwned};
    use tokio::net::TcpStream;

    use super::*;
    use crate::config::{TlsMaterial, TlsOptions};
    use crate::socket::SocketControl;
    use crate::tls::test_server::self_signed_server;

    /// TCP stream that limits the size of a write.
    struct Pieces(std::net::TcpStream, usize);

    impl Read for Pieces {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.0.read(into)
        }
    }

    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(&bytes[..bytes.len().min(self.1)])
        }

        fn flush(&mut self) -> io::Result<()> {
            self.0.flush()
        }
    }

    /// Starts an echo server, whose thread returns the end of the connection.
    async fn echo(pieces: usize) -> (TlsStream, JoinHandle<io::Result<usize>>) {
        let (certificate, config) = self_signed_server();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept()?;
            stream.set_nodelay(true)?;
            let connection = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
            let mut stream = StreamOwned::new(connection, Pieces(stream, pieces));
            let mut buffer = vec![0; 10_000];
            loop {
                match stream.read(&mut buffer)? {
                    0 => return Ok(0),
                    length => stream.write_all(&buffer[..length])?,
                }
            }
        });
        let material = TlsMaterial { ca: Some(certificate.into_bytes()), client: None };
        let tls = TlsClient::new("localhost", Some(&material), &TlsOptions::default()).unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let sessions = &mut DeviceSessions::default();
        (TlsStream::new(SocketControl::default().attach(stream), &tls, sessions).unwrap(), server)
    }

    /// Sends bytes and receives as many.
    async fn exchange(stream: &mut TlsStream, sent: &[u8]) -> Vec<u8> {
        let (mut buffers, mut written, mut received) = (StreamBuffers::default(), 0, Vec::new());
        poll_fn(|cx| {
            if let Some(taken) = stream.write(cx, &sent[written..], &mut buffers).unwrap() {
                written += taken;
            }
            match stream.read(cx, &mut buffers).unwrap() {
                Received::Data(bytes) => {
                    received.extend_from_slice(bytes);
                    cx.waker().wake_by_ref();
                }
                Received::Pending => {}
                Received::Closed => panic!("closed after {} bytes", received.len()),
            }
            if received.len() < sent.len() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        received
    }

    #[tokio::test]
    async fn bytes_cross_in_pieces_of_any_size_and_an_idle_connection_holds_no_buffer() {
        let sent: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
        for pieces in [1, 7, 1_000, usize::MAX] {
            let (mut stream, server) = echo(pieces).await;
            assert!(!stream.is_open());
            let amount = if pieces < 10 { 20_000 } else { sent.len() };
            assert!(exchange(&mut stream, &sent[..amount]).await == sent[..amount], "in pieces of {pieces}");
            assert!(stream.is_open() && !stream.has_unsent());
            assert_eq!((stream.partial.capacity(), stream.unsent.capacity()), (0, 0));
            poll_fn(|cx| Poll::Ready(stream.close(cx))).await.unwrap();
            assert!(!stream.has_unsent());
            // A stream that ends without `close_notify` is an error in the server.
            assert_eq!(server.join().unwrap().unwrap(), 0);
        }
        assert!(size_of::<TlsStream>() < 2_048, "{}", size_of::<TlsStream>());
    }
}
