//! The TCP connection under the MQTT library, with a second hand on it.
//!
//! The library owns the connection and drops it together with its state. The second hand is for what it
//! has no word for: to see whether the peer has closed while nobody read, and to let the peer close first
//! at the end, because closing a socket with unread data resets the connection and may take the last
//! messages with it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// The library's hand.
#[derive(Debug)]
pub(crate) struct Socket(Arc<TcpStream>);

/// The second hand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line(Arc<Mutex<Option<Arc<TcpStream>>>>);

impl Line {
    /// Connect, and keep a hand on the connection.
    pub(crate) async fn dial(self, host: &str, port: u16) -> io::Result<Socket> {
        let stream = TcpStream::connect((host, port)).await?;
        // Without it, small messages wait for acknowledgements of earlier ones, which distorts latency.
        stream.set_nodelay(true)?;
        let stream = Arc::new(stream);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&stream));
        Ok(Socket(stream))
    }

    fn stream(&self) -> Option<Arc<TcpStream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the peer has ended its side, as far as the kernel knows.
    pub(crate) fn peer_has_closed(&self) -> bool {
        let Some(stream) = self.stream() else { return true };
        stream
            .ready(Interest::READABLE)
            .now_or_never()
            .is_some_and(|ready| ready.is_ok_and(|ready| ready.is_read_closed()))
    }

    /// Let go. The connection closes when the library has let go too.
    pub(crate) fn release(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// After the library has let go: read what still comes until the peer closes, then let go.
    pub(crate) async fn close_after_peer(&self, at_most: Duration) {
        if let Some(stream) = self.stream() {
            let _ = tokio::time::timeout(at_most, read_to_end(&stream)).await;
        }
        self.release();
    }
}

async fn read_to_end(stream: &TcpStream) {
    let mut rest = [0; 1024];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut rest) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.0.try_read_buf(buf) {
                Ok(_) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The library never shuts one side down; the connection closes when both hands let go.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
