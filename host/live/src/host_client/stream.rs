//! Byte streams of the library's connections.
//!
//! The library speaks MQTT and, for `mqtts://`, TLS. WebSocket is the devices' own stream, which this module gives the
//! interface that the library asks for; so its options and its errors are the same.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::dialer::HostDialer;
use crate::reason_text;
use crate::stream::{ByteStream, Received, StreamBuffers, StreamError};

/// Stream of a connection of the host, which notes the reason of its end for messages.
pub(super) struct HostStream {
    kind: Kind,
    is_first_read: bool,
    dialer: HostDialer,
}

enum Kind {
    Tcp(TcpStream),
    WebSocket(Box<WebSocket>),
}

struct WebSocket {
    stream: ByteStream,
    buffers: StreamBuffers,
    /// Bytes for MQTT that have not been read, from `position` on.
    received: Vec<u8>,
    position: usize,
}

/// Opens the stream of the library's next connection.
pub(super) async fn connect(dialer: HostDialer) -> io::Result<HostStream> {
    let stream = dialer.connect().await?;
    let kind = match dialer.websocket() {
        None => Kind::Tcp(stream),
        Some(open) => {
            let stream = open(stream)?;
            let (buffers, received) = (StreamBuffers::default(), Vec::new());
            let mut socket = Box::new(WebSocket { stream, buffers, received, position: 0 });
            std::future::poll_fn(|cx| socket.poll_open(cx, &dialer)).await?;
            Kind::WebSocket(socket)
        }
    };
    Ok(HostStream { kind, is_first_read: true, dialer })
}

impl WebSocket {
    fn poll_open(&mut self, cx: &mut Context<'_>, dialer: &HostDialer) -> Poll<io::Result<()>> {
        loop {
            dialer.enter(self.stream.phase());
            if self.stream.is_open() {
                return Poll::Ready(Ok(()));
            }
            if !ready!(self.poll_receive(cx, dialer))? {
                let address = dialer.address();
                let closed = StreamError::UpgradeIo(io::ErrorKind::UnexpectedEof.into());
                return Poll::Ready(Err(dialer.ended(reason_text::stream(&address, &closed))));
            }
        }
    }

    /// Reads once into `received`, which is empty. Returns false at the end of the stream.
    fn poll_receive(&mut self, cx: &mut Context<'_>, dialer: &HostDialer) -> Poll<io::Result<bool>> {
        match self.stream.read(cx, &mut self.buffers) {
            Ok(Received::Pending) => Poll::Pending,
            Ok(Received::Closed) => Poll::Ready(Ok(false)),
            Ok(Received::Data(bytes)) => {
                self.received.clear();
                self.received.extend_from_slice(bytes);
                self.position = 0;
                Poll::Ready(Ok(true))
            }
            Err(error) => Poll::Ready(Err(dialer.ended(reason_text::stream(&dialer.address(), &error)))),
        }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
        dialer: &HostDialer,
    ) -> Poll<io::Result<()>> {
        while self.position == self.received.len() {
            if !ready!(self.poll_receive(cx, dialer))? {
                return Poll::Ready(Ok(()));
            }
        }
        let length = into.remaining().min(self.received.len() - self.position);
        into.put_slice(&self.received[self.position..self.position + length]);
        self.position += length;
        Poll::Ready(Ok(()))
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
        dialer: &HostDialer,
    ) -> Poll<io::Result<usize>> {
        match self.stream.write(cx, bytes, &mut self.buffers) {
            Ok(Some(taken)) => Poll::Ready(Ok(taken)),
            Ok(None) => Poll::Pending,
            Err(error) => Poll::Ready(Err(dialer.ended(reason_text::stream(&dialer.address(), &error)))),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, dialer: &HostDialer) -> Poll<io::Result<()>> {
        while self.stream.has_unsent() {
            ready!(self.poll_write(cx, &[], dialer))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>, dialer: &HostDialer) -> Poll<io::Result<()>> {
        // If the close cannot be sent, the broker sees the end of the TCP connection.
        let _ = self.stream.close(cx, &mut self.buffers);
        self.poll_flush(cx, dialer)
    }
}

impl AsyncRead for HostStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { kind, is_first_read, dialer } = self.get_mut();
        let before = into.filled().len();
        match kind {
            Kind::WebSocket(socket) => return socket.poll_read(cx, into, dialer),
            Kind::Tcp(stream) => ready!(Pin::new(stream).poll_read(cx, into)).map_err(|error| {
                dialer.note_tcp_error(&error);
                error
            })?,
        }
        if std::mem::take(is_first_read) {
            dialer.note_first_bytes(&into.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for HostStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { kind, dialer, .. } = self.get_mut();
        match kind {
            Kind::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Kind::WebSocket(socket) => socket.poll_write(cx, bytes, dialer),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { kind, dialer, .. } = self.get_mut();
        match kind {
            Kind::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Kind::WebSocket(socket) => socket.poll_flush(cx, dialer),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { kind, dialer, .. } = self.get_mut();
        match kind {
            Kind::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::WebSocket(socket) => socket.poll_shutdown(cx, dialer),
        }
    }
}
