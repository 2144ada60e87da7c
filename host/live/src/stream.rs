//! Byte streams to a broker, below MQTT: TCP, TLS over TCP, or WebSocket over one of them.
//!
//! [`ByteStream`] has one variant for each kind of stream. Every kind ends in a [`Socket`], so that
//! byte-stream faults act on TCP, below everything else: a throttle counts TLS bytes, and a half-open
//! connection drops TLS records. No call blocks: a call that cannot proceed returns that, and the
//! connection's waker is called later.
//!
//! Another kind is one more variant: a state machine over the bytes of the stream below it, like `tls` and
//! `websocket`.

mod tls;
pub(crate) mod websocket;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::socket::Socket;
use crate::tls::TlsClient;
use crate::tls::sessions::DeviceSessions;
use crate::websocket::frames::{Close, FrameError, Mask};
use crate::websocket::handshake::HandshakeError;
use tls::TlsStream;
use websocket::{Endpoint, WebSocketStream};

/// Bytes per read.
const READ: usize = 64 << 10;

/// Byte stream of a connection to a broker.
pub(crate) enum ByteStream {
    Tcp(Socket),
    Tls(Box<TlsStream>),
    WebSocket(Box<WebSocketStream>),
}

/// Outcome of a read.
#[derive(Debug)]
pub(crate) enum Received<'a> {
    /// Nothing can be read now.
    Pending,
    /// Bytes for MQTT; empty if a lower layer, such as TLS, consumed all bytes.
    Data(&'a [u8]),
    /// The broker has ended its side.
    Closed,
}

/// Reason that a stream cannot be used any more.
#[derive(Debug)]
pub(crate) enum StreamError {
    /// TCP failed.
    Tcp(io::Error),
    /// TCP failed, or the broker closed it, before the TLS handshake was complete.
    Handshake(io::Error),
    /// TLS failed, for example because of an untrusted certificate.
    Tls(rustls::Error),
    /// TCP failed, or the broker closed it, before the handshake of WebSocket was complete.
    UpgradeIo(io::Error),
    /// The handshake of WebSocket failed.
    Upgrade(HandshakeError),
    /// The broker sent a frame that is not permitted.
    Frame(FrameError),
    /// The broker closed the WebSocket.
    Closed(Close),
    /// The system has no random numbers.
    Random,
}

/// Handshake that a stream is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Tls,
    WebSocket,
}

/// Buffers that the streams of a shard share. A stream keeps its own state between two calls.
#[derive(Debug)]
pub(crate) struct StreamBuffers {
    /// Bytes read from a socket.
    read: Vec<u8>,
    /// Decrypted bytes.
    plaintext: Vec<u8>,
    /// TLS records to be written to a socket.
    records: Vec<u8>,
    /// Payload of WebSocket frames.
    payload: Vec<u8>,
    /// WebSocket frame to be written.
    frame: Vec<u8>,
    /// Generator of masks.
    masks: Option<ChaCha8Rng>,
}

impl Default for StreamBuffers {
    fn default() -> Self {
        Self {
            read: vec![0; READ],
            plaintext: Vec::new(),
            records: Vec::new(),
            payload: Vec::new(),
            frame: Vec::new(),
            masks: None,
        }
    }
}

impl StreamBuffers {
    /// Frees buffers that a burst enlarged.
    pub(crate) fn shrink(&mut self) {
        for buffer in [&mut self.plaintext, &mut self.records, &mut self.payload, &mut self.frame] {
            if buffer.capacity() > 4 * READ {
                *buffer = Vec::new();
            }
        }
    }

    /// Random mask for the next frame. The generator is cryptographic, because a mask must not be predictable (RFC 6455,
    /// section 5.3).
    fn mask(&mut self) -> Result<Mask, StreamError> {
        let masks = match &mut self.masks {
            Some(masks) => masks,
            None => {
                let mut seed = [0; 32];
                SystemRandom::new().fill(&mut seed).map_err(|_| StreamError::Random)?;
                self.masks.insert(ChaCha8Rng::from_seed(seed))
            }
        };
        Ok(masks.next_u32().to_ne_bytes())
    }
}

impl ByteStream {
    /// Stream over a connected socket, with TLS if `tls` is given, and with WebSocket if `endpoint` is given. The
    /// handshakes begin with the first read, and that of TLS may resume one of the device's sessions.
    pub(crate) fn new(
        socket: Socket,
        tls: Option<(&TlsClient, &mut DeviceSessions)>,
        endpoint: Option<Endpoint<'_>>,
    ) -> Result<Self, StreamError> {
        let below = match tls {
            None => Self::Tcp(socket),
            Some((tls, sessions)) => Self::Tls(Box::new(TlsStream::new(socket, tls, sessions)?)),
        };
        match endpoint {
            None => Ok(below),
            Some(endpoint) => Ok(Self::WebSocket(Box::new(WebSocketStream::new(below, endpoint)?))),
        }
    }

    /// Whether MQTT can write: all handshakes are complete.
    pub(crate) fn is_open(&self) -> bool {
        self.phase().is_none()
    }

    /// Handshake that is not complete.
    pub(crate) fn phase(&self) -> Option<Phase> {
        match self {
            Self::Tcp(_) => None,
            Self::Tls(stream) => (!stream.is_open()).then_some(Phase::Tls),
            Self::WebSocket(stream) if stream.is_open() => None,
            Self::WebSocket(stream) => stream.below().phase().or(Some(Phase::WebSocket)),
        }
    }

    /// Reads once, and lets the layers below MQTT proceed, such as a step of a handshake.
    pub(crate) fn read<'a>(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &'a mut StreamBuffers,
    ) -> Result<Received<'a>, StreamError> {
        match self {
            Self::Tls(stream) => stream.read(cx, buffers),
            Self::WebSocket(stream) => stream.read(cx, buffers),
            Self::Tcp(socket) => match poll_read(socket, cx, &mut buffers.read).map_err(StreamError::Tcp)? {
                None => Ok(Received::Pending),
                Some(0) => Ok(Received::Closed),
                Some(length) => Ok(Received::Data(&buffers.read[..length])),
            },
        }
    }

    /// Writes as much as the stream accepts now and returns the number of bytes; `None` if it accepts none
    /// now. With TLS the bytes may wait for the socket: see [`Self::has_unsent`].
    pub(crate) fn write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        buffers: &mut StreamBuffers,
    ) -> Result<Option<usize>, StreamError> {
        match self {
            Self::Tls(stream) => stream.write(cx, bytes, buffers),
            Self::WebSocket(stream) => stream.write(cx, bytes, buffers),
            Self::Tcp(_) if bytes.is_empty() => Ok(Some(0)),
            Self::Tcp(socket) => poll_write(socket, cx, bytes).map_err(StreamError::Tcp),
        }
    }

    /// Whether written bytes still wait for the socket. A further write, even of no bytes, continues them.
    pub(crate) fn has_unsent(&self) -> bool {
        match self {
            Self::Tcp(_) => false,
            Self::Tls(stream) => stream.has_unsent(),
            Self::WebSocket(stream) => stream.has_unsent(),
        }
    }

    /// Sends the stream's own end marker, such as `close_notify` of TLS. TCP stays open.
    pub(crate) fn close(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &mut StreamBuffers,
    ) -> Result<(), StreamError> {
        match self {
            Self::Tcp(_) => Ok(()),
            Self::Tls(stream) => stream.close(cx),
            Self::WebSocket(stream) => stream.close(cx, buffers),
        }
    }
}

/// Reads once. Returns the number of bytes, 0 at the end of the stream, and `None` if no bytes are available now.
fn poll_read(socket: &mut Socket, cx: &mut Context<'_>, into: &mut [u8]) -> io::Result<Option<usize>> {
    let mut buffer = ReadBuf::new(into);
    match Pin::new(socket).poll_read(cx, &mut buffer) {
        Poll::Pending => Ok(None),
        Poll::Ready(Ok(())) => Ok(Some(buffer.filled().len())),
        Poll::Ready(Err(error)) => Err(error),
    }
}

/// Writes once. Returns the number of accepted bytes, and `None` if the socket accepts none now.
fn poll_write(socket: &mut Socket, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<Option<usize>> {
    match Pin::new(socket).poll_write(cx, bytes) {
        Poll::Pending => Ok(None),
        Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
        Poll::Ready(Ok(taken)) => Ok(Some(taken)),
        Poll::Ready(Err(error)) => Err(error),
    }
}
