//! WebSocket connection of one client of the embedded broker.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use crate::websocket::frames::{Decoder, Kind, MAX_PAYLOAD, MAX_UNSENT, NORMAL_CLOSE, Side, encode};
use crate::websocket::upgrade::{Upgrade, examine};

/// Bytes per read.
const READ: usize = 16 << 10;

/// Byte stream for MQTT in the frames of a WebSocket.
#[derive(Debug)]
pub(super) struct WebSocket {
    stream: TcpStream,
    decoder: Decoder,
    /// Decoded bytes that have not been read.
    received: BytesMut,
    /// Encoded frames that wait for the socket.
    unsent: BytesMut,
    /// Bytes of the write that `unsent` ends with, until they have left.
    writing: Option<usize>,
    is_closed_by_client: bool,
    has_closed: bool,
}

/// Answers the request of a client. `None` if it was refused, with the reason in the answer.
pub(super) async fn accept(mut stream: TcpStream) -> io::Result<Option<WebSocket>> {
    let mut head = BytesMut::with_capacity(1 << 10);
    loop {
        match examine(&head) {
            Upgrade::Incomplete => {}
            Upgrade::Accepted { length, answer } => {
                head.advance(length);
                stream.write_all(answer.as_bytes()).await?;
                let mut socket = WebSocket {
                    stream,
                    decoder: Decoder::new(Side::Server),
                    received: BytesMut::new(),
                    unsent: BytesMut::new(),
                    writing: None,
                    is_closed_by_client: false,
                    has_closed: false,
                };
                socket.decode(&head)?;
                return Ok(Some(socket));
            }
            Upgrade::Refused(answer) => {
                stream.write_all(answer.as_bytes()).await?;
                stream.shutdown().await?;
                return Ok(None);
            }
        }
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

impl WebSocket {
    fn decode(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut payload = Vec::new();
        let outcome = self.decoder.decode(bytes, &mut payload);
        self.received.extend_from_slice(&payload);
        let controls = outcome.map_err(|problem| io::Error::other(problem.to_string()))?;
        if let Some(ping) = controls.ping.filter(|_| self.unsent.len() <= MAX_UNSENT && !self.has_closed) {
            self.queue(Kind::Pong, &ping);
        }
        if controls.close.is_some() {
            self.is_closed_by_client = true;
            self.queue_close();
        }
        Ok(())
    }

    fn queue(&mut self, kind: Kind, payload: &[u8]) {
        let mut frame = Vec::new();
        encode(kind, payload, None, &mut frame);
        self.unsent.extend_from_slice(&frame);
    }

    fn queue_close(&mut self) {
        if !std::mem::replace(&mut self.has_closed, true) {
            self.queue(Kind::Close, &NORMAL_CLOSE);
        }
    }

    /// Writes until no frame waits.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unsent))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for WebSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if let Poll::Ready(Err(error)) = this.poll_unsent(cx) {
                return Poll::Ready(Err(error));
            }
            if !this.received.is_empty() {
                let length = this.received.len().min(into.remaining());
                into.put_slice(&this.received.split_to(length));
                return Poll::Ready(Ok(()));
            }
            if this.is_closed_by_client {
                return Poll::Ready(Ok(()));
            }
            let mut chunk = [0; READ];
            let mut chunk = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.decode(chunk.filled())?;
        }
    }
}

/// After `Pending`, a caller has to repeat the write with the same bytes, since they are in a frame already.
impl AsyncWrite for WebSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.writing.is_none() {
            let length = bytes.len().min(MAX_PAYLOAD);
            this.queue(Kind::Binary, &bytes[..length]);
            this.writing = Some(length);
        }
        ready!(this.poll_unsent(cx))?;
        Poll::Ready(Ok(this.writing.take().unwrap_or(0)))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_unsent(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.queue_close();
        ready!(this.poll_unsent(cx))?;
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}
