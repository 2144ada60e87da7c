//! The TCP stream of a connection to the API.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};

use crate::error::ApiError;

/// Longest time in which a client takes nothing of a response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Time and bytes for which the rest of a refused request is read. Closing with unread data would discard the response.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;

/// A stream that ends when the client does not read, and whose error responses are JSON.
pub(super) struct Socket {
    stream: TcpStream,
    stalled: bool,
    write_timeout: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, stalled: false, write_timeout: None }
    }

    /// Whether the connection ended because the client did not read.
    pub(super) fn has_stalled(&self) -> bool {
        self.stalled
    }

    /// Writes an error as the last response.
    pub(super) async fn write_error(&mut self, error: &ApiError) {
        let body = error.body();
        let status = error.status();
        let response = format!(
            "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\
             x-content-type-options: nosniff\r\n\r\n{body}",
            status.as_u16(),
            status.canonical_reason().unwrap_or_default(),
            body.len()
        );
        // The client may be gone.
        let _ = timeout(LINGER, self.stream.write_all(response.as_bytes())).await;
    }

    /// Closes the connection such that the client can read the last response.
    pub(super) async fn close(&mut self) {
        let linger = async {
            self.stream.shutdown().await?;
            let (mut rest, mut buffer) = (LINGER_BYTES, [0; 4_096]);
            loop {
                let count = self.stream.read(&mut buffer).await?;
                rest = rest.saturating_sub(count);
                if count == 0 || rest == 0 {
                    return io::Result::Ok(());
                }
            }
        };
        let _ = timeout(LINGER, linger).await;
    }

    fn poll_timeout<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.write_timeout = None;
            return polled;
        }
        let sleep = self.write_timeout.get_or_insert_with(|| Box::pin(sleep(WRITE_TIMEOUT)));
        ready!(sleep.as_mut().poll(cx));
        self.stalled = true;
        Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "the client does not read")))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if is_automatic_error(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.poll_timeout(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Whether hyper itself has made this response, which has no body, because it could not read the header of a request. The
/// connection ends with it, and [`Socket::write_error`] takes its place. The API's own responses have another header.
fn is_automatic_error(bytes: &[u8]) -> bool {
    let is_short = bytes.len() < 200 && bytes.starts_with(b"HTTP/1.") && bytes.ends_with(b"\r\n\r\n");
    let text = if is_short { std::str::from_utf8(bytes).unwrap_or_default() } else { "" };
    text.get(9..10) == Some("4")
        && text.contains("\r\ncontent-length: 0\r\n")
        && text.contains("\r\nconnection: close\r\n")
        && !text.contains("x-content-type-options")
}
