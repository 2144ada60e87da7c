//! The TCP connection under MQTT, with a second hand on it.
//!
//! Who speaks MQTT owns the connection and drops it together with its state. The second hand is for what it
//! has no word for: to see whether the peer has closed while nobody read; to let the peer close first
//! at the end, because closing a socket with unread data resets the connection and may take the last
//! messages with it; and to let faults of the byte stream come over it.
//!
//! * `rough`: a socket in a weather that is not calm.

mod rough;

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::FutureExt;
use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use wasmote_sim::faults::byte_stream::{Blow, Weather};
use wasmote_sim::faults::{Direction, Directions, FaultId};

use rough::Rough;

/// The hand of who speaks MQTT.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Arc<TcpStream>,
    line: Line,
    /// Whether a byte has left.
    has_spoken: bool,
    /// What there is to remember since the weather was not calm.
    rough: Option<Box<Rough>>,
}

/// The second hand. It outlives the connections that are made with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Whether there is more to a read or a write than the socket. Looked at without the lock.
    is_rough: AtomicBool,
    state: Mutex<State>,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

#[derive(Debug, Default)]
struct State {
    stream: Option<Arc<TcpStream>>,
    weather: Weather,
    /// What has struck the present connection, and in whose name.
    blow: Option<(Blow, FaultId)>,
}

impl State {
    fn leads_nowhere(&self, direction: Direction) -> bool {
        matches!(&self.blow, Some((Blow::HalfOpen(directions), _)) if directions.include(direction))
    }
}

/// How long the broker is given to close the connection after a DISCONNECT.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

impl Line {
    /// Keep a hand on a connection.
    pub(crate) fn adopt(&self, stream: TcpStream) -> Socket {
        let stream = Arc::new(stream);
        self.change(|state| {
            state.stream = Some(Arc::clone(&stream));
            state.blow = None;
        });
        Socket { stream, line: self.clone(), has_spoken: false, rough: None }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Change what holds, and have whoever reads or writes look at it.
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let is_rough = !state.weather.is_calm() || state.blow.is_some();
        self.0.is_rough.store(is_rough, Ordering::Release);
        drop(state);
        self.0.reader.wake();
        self.0.writer.wake();
    }

    fn is_rough(&self) -> bool {
        self.0.is_rough.load(Ordering::Acquire)
    }

    /// What the line does with bytes from now on.
    pub(crate) fn set_weather(&self, weather: Weather) {
        self.change(|state| state.weather = weather);
    }

    /// Strike the present connection, if there is one.
    pub(crate) fn strike(&self, blow: Blow, fault: FaultId) {
        self.change(|state| {
            if state.stream.is_none() {
                return;
            }
            state.blow = match (state.blow.take(), blow) {
                (Some((Blow::Reset, by)), _) => Some((Blow::Reset, by)),
                (Some((Blow::HalfOpen(old), _)), Blow::HalfOpen(new)) if old != new => {
                    Some((Blow::HalfOpen(Directions::Both), fault))
                }
                _ => Some((blow, fault)),
            };
        });
    }

    fn stream(&self) -> Option<Arc<TcpStream>> {
        self.state().stream.clone()
    }

    /// Whether the peer has ended its side, as far as the kernel knows.
    pub(crate) fn peer_has_closed(&self) -> bool {
        let Some(stream) = self.stream() else { return true };
        stream
            .ready(Interest::READABLE)
            .now_or_never()
            .is_some_and(|ready| ready.is_ok_and(|ready| ready.is_read_closed()))
    }

    /// Let go. The connection closes when the other hand has let go too.
    pub(crate) fn release(&self) {
        self.state().stream.take();
    }

    /// After the other hand has let go: read what still comes until the peer closes, then let go.
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

impl Socket {
    /// The stream and what is rough about it, if anything is or was.
    fn rough(&mut self) -> Option<(&TcpStream, &Line, &mut Rough)> {
        if self.rough.is_none() && self.line.is_rough() {
            self.rough = Some(Box::default());
        }
        Some((&self.stream, &self.line, self.rough.as_deref_mut()?))
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Before the weather is looked at, so that no change of it goes by unseen.
        this.line.0.reader.register(cx.waker());
        match this.rough() {
            Some((stream, line, rough)) => rough.poll_read(stream, line, cx, buf),
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
        this.line.0.writer.register(cx.waker());
        match this.rough() {
            Some((stream, line, rough)) => rough.poll_write(stream, line, cx, buf),
            None => {
                this.has_spoken = true;
                poll_write(&this.stream, cx, buf)
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Nobody shuts one side down; the connection closes when both hands let go.
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
        if let Some(rough) = self.rough.take() {
            rough.end(&self.stream, &self.line, self.has_spoken);
        }
    }
}
