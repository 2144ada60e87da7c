//! TCP stream plus a control handle, for fault injection and for an orderly close.
//!
//! The MQTT connection owns the [`Socket`] and drops it together with its state. The [`SocketControl`]
//! applies byte-stream faults, and lets the peer close first at the end: closing a socket with unread data
//! resets the connection, and the last messages may be lost.
//!
//! * `shaper`: reads and writes under link conditions.

mod shaper;

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use wasmote_sim::faults::byte_stream::{LinkBreak, LinkConditions};
use wasmote_sim::faults::{Direction, Directions, FaultId};

use shaper::Shaper;

/// TCP stream of an MQTT connection.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Arc<TcpStream>,
    control: SocketControl,
    /// Whether any byte was written.
    has_written: bool,
    /// State of shaped reads and writes, created when conditions first apply.
    shaper: Option<Box<Shaper>>,
}

/// Control handle of a device's sockets. It outlives the individual connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct SocketControl(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Whether conditions or a link break apply. Read without the lock.
    is_shaped: AtomicBool,
    state: Mutex<State>,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

#[derive(Debug, Default)]
struct State {
    stream: Option<Arc<TcpStream>>,
    conditions: LinkConditions,
    /// Break of the current connection, and the fault that caused it.
    link_break: Option<(LinkBreak, FaultId)>,
}

impl State {
    fn discards(&self, direction: Direction) -> bool {
        matches!(&self.link_break, Some((LinkBreak::HalfOpen(directions), _)) if directions.include(direction))
    }
}

/// Time for the broker to close the connection after DISCONNECT.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

impl SocketControl {
    /// Attaches the control to a new connection.
    pub(crate) fn attach(&self, stream: TcpStream) -> Socket {
        let stream = Arc::new(stream);
        self.update(|state| {
            state.stream = Some(Arc::clone(&stream));
            state.link_break = None;
        });
        Socket { stream, control: self.clone(), has_written: false, shaper: None }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Updates the state and wakes the reader and the writer.
    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let is_shaped = !state.conditions.is_clear() || state.link_break.is_some();
        self.0.is_shaped.store(is_shaped, Ordering::Release);
        drop(state);
        self.0.reader.wake();
        self.0.writer.wake();
    }

    fn is_shaped(&self) -> bool {
        self.0.is_shaped.load(Ordering::Acquire)
    }

    /// Sets the link conditions.
    pub(crate) fn set_conditions(&self, conditions: LinkConditions) {
        self.update(|state| state.conditions = conditions);
    }

    /// Breaks the current connection, if there is one.
    pub(crate) fn break_link(&self, link_break: LinkBreak, fault: FaultId) {
        self.update(|state| {
            if state.stream.is_none() {
                return;
            }
            state.link_break = match (state.link_break.take(), link_break) {
                (Some((LinkBreak::Reset, by)), _) => Some((LinkBreak::Reset, by)),
                (Some((LinkBreak::HalfOpen(old), _)), LinkBreak::HalfOpen(new)) if old != new => {
                    Some((LinkBreak::HalfOpen(Directions::Both), fault))
                }
                _ => Some((link_break, fault)),
            };
        });
    }

    fn stream(&self) -> Option<Arc<TcpStream>> {
        self.state().stream.clone()
    }

    /// Drops the control's reference to the stream. TCP closes once the [`Socket`] is dropped too.
    pub(crate) fn detach(&self) {
        self.state().stream.take();
    }

    /// Reads until the peer closes, then detaches. Call it after the [`Socket`] is dropped.
    pub(crate) async fn close_after_peer(&self, at_most: Duration) {
        if let Some(stream) = self.stream() {
            let _ = tokio::time::timeout(at_most, read_to_end(&stream)).await;
        }
        self.detach();
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

impl Socket {
    /// Stream, control and shaper, if conditions apply now or did before.
    fn shaper(&mut self) -> Option<(&TcpStream, &SocketControl, &mut Shaper)> {
        if self.shaper.is_none() && self.control.is_shaped() {
            self.shaper = Some(Box::default());
        }
        Some((&self.stream, &self.control, self.shaper.as_deref_mut()?))
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Registered before the conditions are read, so that no change is missed.
        this.control.0.reader.register(cx.waker());
        match this.shaper() {
            Some((stream, control, shaper)) => shaper.poll_read(stream, control, cx, buf),
            None => poll_read(&this.stream, cx, buf),
        }
    }
}

fn poll_read(stream: &TcpStream, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
    loop {
        ready!(stream.poll_read_ready(cx))?;
        match stream.try_read_buf(buf) {
            Ok(_) => return Poll::Ready(Ok(())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.control.0.writer.register(cx.waker());
        match this.shaper() {
            Some((stream, control, shaper)) => shaper.poll_write(stream, control, cx, buf),
            None => {
                this.has_written = true;
                poll_write(&this.stream, cx, buf)
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The socket has no half-close; TCP closes when the last reference is dropped.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn poll_write(stream: &TcpStream, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match stream.try_write(buf) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            outcome => return Poll::Ready(outcome),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(shaper) = self.shaper.take() {
            shaper.close(&self.stream, &self.control, self.has_written);
        }
    }
}
