//! Reads and writes of a socket under link conditions.
//!
//! Outbound bytes go through a buffer in front of the socket, like that of the kernel. It drains at the
//! permitted rate, and the writer waits only while it is full. Inbound bytes stay in the kernel until they
//! may be read, so that TCP flow control holds the broker back.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};
use wasmote_sim::faults::Direction;
use wasmote_sim::faults::byte_stream::{DirectionConditions, LinkBreak, ThrottleRate};

use super::{SocketControl, State, poll_read, poll_write, read_to_end};

/// State of a socket since its conditions first applied.
#[derive(Debug, Default)]
pub(super) struct Shaper {
    buffer: VecDeque<u8>,
    has_written: bool,
    out: Pacer,
    inward: Pacer,
}

/// Rate limiter of one direction.
#[derive(Debug, Default)]
struct Pacer {
    next_at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// A throttled link moves the bytes of this interval at a time.
const QUANTUM: Duration = Duration::from_millis(10);
/// Maximum number of bytes moved at a time.
const MAX_CHUNK: usize = 4096;
/// Longest time to drain bytes that were written before the close, and longest time that a connection in a
/// black hole is kept open before the kernel may notify the broker.
const LINGER_TIMEOUT: Duration = Duration::from_secs(600);

impl Pacer {
    /// Returns the number of bytes that may move now, once it is more than zero.
    fn poll(&mut self, conditions: DirectionConditions, cx: &mut Context<'_>) -> Poll<usize> {
        if conditions.stalled {
            // A change of conditions wakes the reader and the writer.
            return Poll::Pending;
        }
        let Some(rate) = conditions.rate else { return Poll::Ready(MAX_CHUNK) };
        while let Some(next_at) = self.next_at.filter(|next_at| *next_at > Instant::now()) {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(next_at)));
            if timer.deadline() != next_at {
                timer.as_mut().reset(next_at);
            }
            std::task::ready!(timer.as_mut().poll(cx));
        }
        Poll::Ready(quantum_bytes(rate))
    }

    /// Accounts for moved bytes, which delay the next ones.
    fn consume(&mut self, bytes: usize, conditions: DirectionConditions) {
        if let Some(rate) = conditions.rate {
            let now = Instant::now();
            // Lateness of the timer is made up for, but idle time is not saved up.
            let from = self.next_at.filter(|next_at| *next_at + QUANTUM * 2 > now).unwrap_or(now);
            self.next_at = Some(from + transmit_time(bytes, rate));
        }
    }
}

fn quantum_bytes(rate: ThrottleRate) -> usize {
    let bytes = u128::from(rate.bytes_per_second.get()) * QUANTUM.as_nanos() / 1_000_000_000;
    usize::try_from(bytes).unwrap_or(MAX_CHUNK).clamp(1, MAX_CHUNK)
}

fn transmit_time(bytes: usize, rate: ThrottleRate) -> Duration {
    Duration::from_secs_f64(bytes as f64 / rate.bytes_per_second.get() as f64)
}

impl Shaper {
    pub(super) fn poll_read(
        &mut self,
        stream: &TcpStream,
        control: &SocketControl,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (conditions, out) = {
            let state = control.state();
            if let Some(error) = reset_error(&state) {
                return Poll::Ready(Err(error));
            }
            let conditions = (!state.discards(Direction::In)).then_some(state.conditions.inbound);
            (conditions, outbound(&state))
        };
        // The reader also drains the outbound buffer, since the writer may be idle.
        self.drain(stream, out, cx)?;
        let Some(conditions) = conditions else { return Poll::Pending };
        let limit = std::task::ready!(self.inward.poll(conditions, cx)).min(buf.remaining());
        if conditions.is_clear() {
            return poll_read(stream, cx, buf);
        }
        let mut chunk = [0; MAX_CHUNK];
        let mut part = ReadBuf::new(&mut chunk[..limit]);
        std::task::ready!(poll_read(stream, cx, &mut part))?;
        self.inward.consume(part.filled().len(), conditions);
        buf.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_write(
        &mut self,
        stream: &TcpStream,
        control: &SocketControl,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let out = {
            let state = control.state();
            if let Some(error) = reset_error(&state) {
                return Poll::Ready(Err(error));
            }
            outbound(&state)
        };
        self.drain(stream, out, cx)?;
        let Some(conditions) = out else { return Poll::Ready(Ok(bytes.len())) };
        if conditions.is_clear() && self.buffer.is_empty() {
            return poll_write(stream, cx, bytes);
        }
        let limit = usize::try_from(conditions.buffer_bytes()).unwrap_or(usize::MAX);
        let taken = bytes.len().min(limit.saturating_sub(self.buffer.len()));
        if taken == 0 && !bytes.is_empty() {
            return Poll::Pending;
        }
        self.buffer.extend(&bytes[..taken]);
        self.drain(stream, out, cx)?;
        Poll::Ready(Ok(taken))
    }

    /// Writes the permitted part of the buffer. If outbound bytes are discarded, clears the buffer.
    fn drain(
        &mut self,
        stream: &TcpStream,
        out: Option<DirectionConditions>,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        let Some(conditions) = out else {
            self.buffer.clear();
            return Ok(());
        };
        while !self.buffer.is_empty() {
            let Poll::Ready(limit) = self.out.poll(conditions, cx) else { break };
            let (front, _) = self.buffer.as_slices();
            let Poll::Ready(written) = poll_write(stream, cx, &front[..limit.min(front.len())]) else {
                break;
            };
            let written = written?;
            self.out.consume(written, conditions);
            self.buffer.drain(..written);
            self.has_written = true;
        }
        Ok(())
    }

    /// Handles the drop of the [`Socket`](super::Socket). Bytes written before are still drained, as from
    /// kernel buffers. In a black hole the connection stays open so that the broker does not notice. A
    /// connection that never wrote is closed at once.
    pub(super) fn close(mut self, stream: &Arc<TcpStream>, control: &SocketControl, has_written: bool) {
        let (was_reset, out) = {
            let state = control.state();
            (reset_error(&state).is_some(), outbound(&state))
        };
        if was_reset {
            // Closing now sends RST, and bytes in flight are lost.
            let _ = stream.set_zero_linger();
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let stream = Arc::clone(stream);
        if out.is_none() {
            runtime.spawn(async move { timeout(LINGER_TIMEOUT, read_to_end(&stream)).await });
        } else if !self.buffer.is_empty() && (has_written || self.has_written) {
            let control = control.clone();
            runtime.spawn(async move {
                let drained = async {
                    while !self.buffer.is_empty() {
                        let Some(conditions) = outbound(&control.state()) else { return };
                        let moved =
                            std::future::poll_fn(|cx| Poll::Ready(self.drain(&stream, Some(conditions), cx)))
                                .await;
                        if moved.is_err() {
                            return;
                        }
                        sleep(QUANTUM).await;
                    }
                };
                let _ = timeout(LINGER_TIMEOUT, drained).await;
            });
        }
    }
}

/// Outbound conditions; `None` if outbound bytes are discarded.
fn outbound(state: &State) -> Option<DirectionConditions> {
    (!state.discards(Direction::Out)).then_some(state.conditions.outbound)
}

fn reset_error(state: &State) -> Option<io::Error> {
    match &state.link_break {
        Some((LinkBreak::Reset, fault)) => {
            Some(io::Error::new(io::ErrorKind::ConnectionReset, format!("fault `{fault}` reset it")))
        }
        _ => None,
    }
}
