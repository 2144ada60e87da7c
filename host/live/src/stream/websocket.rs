//! WebSocket over TCP or TLS, as a state machine that the shard drives.
//!
//! Frames need not match MQTT packets [MQTT-6.0.0-2]: what one write accepts becomes one frame of at most
//! [`MAX_PAYLOAD`] bytes, and received bytes go to MQTT as they arrive. A client masks its frames with a key from a
//! generator of the shard (RFC 6455, section 10.3). An idle connection holds no buffer.

use std::task::Context;

use super::{ByteStream, Received, StreamBuffers, StreamError};
use crate::config::{BrokerUrl, ConnectionOptions, HeaderField, WebSocketPath};
use crate::websocket::frames::{
    Close, Decoder, FrameError, Kind, MAX_PAYLOAD, MAX_UNSENT, NORMAL_CLOSE, Side, encode,
};
use crate::websocket::handshake::Handshake;

/// Endpoint of a WebSocket: the broker, the path, and the header fields of the user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoint<'a> {
    broker: &'a BrokerUrl,
    path: &'a WebSocketPath,
    fields: &'a [HeaderField],
}

impl<'a> Endpoint<'a> {
    /// Endpoint of a broker; `None` without WebSocket.
    pub(crate) fn new(broker: &'a BrokerUrl, options: &'a ConnectionOptions) -> Option<Self> {
        let path = broker.websocket.as_ref()?;
        Some(Self { broker, path, fields: &options.websocket_fields })
    }
}

pub(crate) struct WebSocketStream {
    below: ByteStream,
    /// Handshake that waits for the answer.
    handshake: Option<Box<Handshake>>,
    decoder: Decoder,
    /// Bytes that wait for the stream below, from `sent` on.
    unsent: Vec<u8>,
    sent: usize,
    /// Close frame of the broker.
    close: Option<Box<Close>>,
    has_closed: bool,
    /// Error for the next read; data arrived before it.
    failure: Option<FrameError>,
}

impl WebSocketStream {
    pub(super) fn new(below: ByteStream, endpoint: Endpoint<'_>) -> Result<Self, StreamError> {
        let Endpoint { broker, path, fields } = endpoint;
        let (handshake, request) = Handshake::start(broker, path, fields).map_err(StreamError::Upgrade)?;
        Ok(Self {
            below,
            handshake: Some(Box::new(handshake)),
            decoder: Decoder::new(Side::Client),
            unsent: request,
            sent: 0,
            close: None,
            has_closed: false,
            failure: None,
        })
    }

    pub(super) fn is_open(&self) -> bool {
        self.handshake.is_none()
    }

    pub(super) fn below(&self) -> &ByteStream {
        &self.below
    }

    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty() || self.below.has_unsent()
    }

    /// Writes queued bytes, then reads once.
    pub(super) fn read<'a>(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &'a mut StreamBuffers,
    ) -> Result<Received<'a>, StreamError> {
        if let Some(failure) = self.failure.take() {
            return Err(StreamError::Frame(failure));
        }
        if let Some(close) = &self.close {
            return Err(StreamError::Closed(Close::clone(close)));
        }
        // If the flush fails, the answer of the broker may still be readable.
        let flushed = if self.below.is_open() { self.flush(cx, buffers) } else { Ok(false) };
        let mut payload = std::mem::take(&mut buffers.payload);
        payload.clear();
        let outcome = self.receive(cx, buffers, &mut payload);
        buffers.payload = payload;
        match outcome {
            Ok(Outcome::Pending) => flushed.map(|_| Received::Pending),
            Ok(Outcome::Closed) => Ok(Received::Closed),
            Ok(Outcome::Data(pong)) => {
                if self.below.is_open() && (pong || self.has_unsent()) {
                    // An error occurs again in the next read.
                    let _ = self.flush(cx, buffers);
                }
                match &self.close {
                    Some(close) if buffers.payload.is_empty() => {
                        Err(StreamError::Closed(Close::clone(close)))
                    }
                    _ => Ok(Received::Data(&buffers.payload)),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Reads once from the stream below, and appends the payload of frames to `payload`.
    fn receive(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &mut StreamBuffers,
        payload: &mut Vec<u8>,
    ) -> Result<Outcome, StreamError> {
        let received = self.below.read(cx, buffers).map_err(|error| match error {
            StreamError::Tcp(error) if self.handshake.is_some() => StreamError::UpgradeIo(error),
            error => error,
        });
        let mut bytes = match received? {
            Received::Pending => return Ok(Outcome::Pending),
            Received::Closed if self.handshake.is_some() => {
                return Err(StreamError::UpgradeIo(std::io::ErrorKind::UnexpectedEof.into()));
            }
            Received::Closed => return Ok(Outcome::Closed),
            Received::Data(bytes) => bytes,
        };
        if let Some(handshake) = &mut self.handshake {
            match handshake.read(bytes).map_err(StreamError::Upgrade)? {
                None => return Ok(Outcome::Data(false)),
                Some(length) => bytes = &bytes[length..],
            }
            self.handshake = None;
        }
        let controls = match self.decoder.decode(bytes, payload) {
            Ok(controls) => controls,
            Err(failure) if payload.is_empty() => return Err(StreamError::Frame(failure)),
            Err(failure) => {
                self.failure = Some(failure);
                return Ok(Outcome::Data(false));
            }
        };
        self.close = controls.close.map(Box::new);
        let has_room = self.unsent.len() - self.sent <= MAX_UNSENT;
        let ping = controls.ping.filter(|_| has_room && !self.has_closed);
        if let Some(ping) = &ping {
            encode(Kind::Pong, ping, Some(buffers.mask()?), &mut self.unsent);
        }
        Ok(Outcome::Data(ping.is_some()))
    }

    /// Writes as much as the stream below accepts.
    pub(super) fn write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        buffers: &mut StreamBuffers,
    ) -> Result<Option<usize>, StreamError> {
        if !self.flush(cx, buffers)? || !self.is_open() {
            return Ok(None);
        }
        let mut taken = 0;
        for chunk in bytes.chunks(MAX_PAYLOAD) {
            let mask = buffers.mask()?;
            let mut frame = std::mem::take(&mut buffers.frame);
            frame.clear();
            encode(Kind::Binary, chunk, Some(mask), &mut frame);
            let sent = self.send(cx, &frame, buffers);
            buffers.frame = frame;
            match sent {
                Ok(true) => taken += chunk.len(),
                Ok(false) => return Ok(Some(taken + chunk.len())),
                // Bytes accepted before count; the next write returns the error.
                Err(_) if taken > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(Some(taken))
    }

    /// Sends a close frame, and then the end marker of the stream below.
    pub(super) fn close(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &mut StreamBuffers,
    ) -> Result<(), StreamError> {
        if !std::mem::replace(&mut self.has_closed, true) && self.is_open() {
            let mask = buffers.mask()?;
            encode(Kind::Close, &NORMAL_CLOSE, Some(mask), &mut self.unsent);
        }
        if self.flush(cx, buffers)? { self.below.close(cx, buffers) } else { Ok(()) }
    }

    /// Writes bytes to the stream below and queues the rest. Returns whether all left.
    fn send(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        buffers: &mut StreamBuffers,
    ) -> Result<bool, StreamError> {
        let mut sent = 0;
        while sent < bytes.len() {
            match self.below.write(cx, &bytes[sent..], buffers)? {
                Some(taken) => sent += taken,
                None => {
                    self.unsent.extend_from_slice(&bytes[sent..]);
                    return Ok(false);
                }
            }
        }
        Ok(!self.below.has_unsent())
    }

    /// Writes queued bytes. Returns whether none are left, here and below.
    fn flush(&mut self, cx: &mut Context<'_>, buffers: &mut StreamBuffers) -> Result<bool, StreamError> {
        while self.sent < self.unsent.len() {
            match self.below.write(cx, &self.unsent[self.sent..], buffers)? {
                Some(taken) => self.sent += taken,
                None => return Ok(false),
            }
        }
        // An idle connection holds no buffer.
        self.unsent = Vec::new();
        self.sent = 0;
        if self.below.has_unsent() {
            self.below.write(cx, &[], buffers)?;
        }
        Ok(!self.below.has_unsent())
    }
}

/// Outcome of a read.
enum Outcome {
    Pending,
    Closed,
    /// Bytes were consumed; true if a pong is queued.
    Data(bool),
}
