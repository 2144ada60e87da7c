//! A socket in a weather that is not calm.
//!
//! On the way out a buffer stands in front of the socket, as that of the kernel does: what is written goes
//! there, leaves it as fast as the weather lets it, and the writer waits only when it is full. On the way in
//! bytes stay with the kernel until they may be read, and TCP holds the broker back.

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
use wasmote_sim::faults::byte_stream::{Blow, Flow, Pace};

use super::{Line, State, poll_read, poll_write, read_to_end};

/// What one has to remember of a socket since the weather was not calm.
#[derive(Debug, Default)]
pub(super) struct Rough {
    buffer: VecDeque<u8>,
    has_spoken: bool,
    out: Gate,
    inward: Gate,
}

/// When bytes may go on.
#[derive(Debug, Default)]
struct Gate {
    opens: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

/// A slow line moves this long's worth of bytes at one time.
const GRAIN: Duration = Duration::from_millis(10);
/// The most that is moved at one time.
const CHUNK: usize = 4096;
/// How long bytes that were written before the connection was closed may take to leave, and how long a
/// connection that leads nowhere is held before the kernel may tell the broker.
const AFTERLIFE: Duration = Duration::from_secs(600);

impl Gate {
    /// Ready when a further byte may go, and how many at once.
    fn poll(&mut self, flow: Flow, cx: &mut Context<'_>) -> Poll<usize> {
        if flow.stalled {
            // Who changes the weather wakes reader and writer.
            return Poll::Pending;
        }
        let Some(pace) = flow.pace else { return Poll::Ready(CHUNK) };
        while let Some(opens) = self.opens.filter(|opens| *opens > Instant::now()) {
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(opens)));
            if alarm.deadline() != opens {
                alarm.as_mut().reset(opens);
            }
            std::task::ready!(alarm.as_mut().poll(cx));
        }
        Poll::Ready(grain(pace))
    }

    /// So many bytes are under way now, and keep the next waiting.
    fn passed(&mut self, bytes: usize, flow: Flow) {
        if let Some(pace) = flow.pace {
            let now = Instant::now();
            // What the timer was late by is made up for, but idle time is not saved up.
            let from = self.opens.filter(|opens| *opens + GRAIN * 2 > now).unwrap_or(now);
            self.opens = Some(from + time_of(bytes, pace));
        }
    }
}

fn grain(pace: Pace) -> usize {
    let bytes = u128::from(pace.bytes_per_second.get()) * GRAIN.as_nanos() / 1_000_000_000;
    usize::try_from(bytes).unwrap_or(CHUNK).clamp(1, CHUNK)
}

fn time_of(bytes: usize, pace: Pace) -> Duration {
    Duration::from_secs_f64(bytes as f64 / pace.bytes_per_second.get() as f64)
}

impl Rough {
    pub(super) fn poll_read(
        &mut self,
        stream: &TcpStream,
        line: &Line,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (flow, out) = {
            let state = line.state();
            if let Some(error) = reset(&state) {
                return Poll::Ready(Err(error));
            }
            let flow = (!state.leads_nowhere(Direction::In)).then_some(state.weather.inward);
            (flow, way_out(&state))
        };
        // Whoever waits for an answer turns this, and with it the way out.
        self.drain(stream, out, cx)?;
        let Some(flow) = flow else { return Poll::Pending };
        let most = std::task::ready!(self.inward.poll(flow, cx)).min(buf.remaining());
        if flow.is_calm() {
            return poll_read(stream, cx, buf);
        }
        let mut chunk = [0; CHUNK];
        let mut part = ReadBuf::new(&mut chunk[..most]);
        std::task::ready!(poll_read(stream, cx, &mut part))?;
        self.inward.passed(part.filled().len(), flow);
        buf.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_write(
        &mut self,
        stream: &TcpStream,
        line: &Line,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let out = {
            let state = line.state();
            if let Some(error) = reset(&state) {
                return Poll::Ready(Err(error));
            }
            way_out(&state)
        };
        self.drain(stream, out, cx)?;
        let Some(flow) = out else { return Poll::Ready(Ok(bytes.len())) };
        if flow.is_calm() && self.buffer.is_empty() {
            return poll_write(stream, cx, bytes);
        }
        let most = usize::try_from(flow.buffer_bytes()).unwrap_or(usize::MAX);
        let taken = bytes.len().min(most.saturating_sub(self.buffer.len()));
        if taken == 0 && !bytes.is_empty() {
            return Poll::Pending;
        }
        self.buffer.extend(&bytes[..taken]);
        self.drain(stream, out, cx)?;
        Poll::Ready(Ok(taken))
    }

    /// Move what may leave the buffer. Where there is no way out, it is gone.
    fn drain(&mut self, stream: &TcpStream, out: Option<Flow>, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(flow) = out else {
            self.buffer.clear();
            return Ok(());
        };
        while !self.buffer.is_empty() {
            let Poll::Ready(most) = self.out.poll(flow, cx) else { break };
            let (front, _) = self.buffer.as_slices();
            let Poll::Ready(written) = poll_write(stream, cx, &front[..most.min(front.len())]) else { break };
            let written = written?;
            self.out.passed(written, flow);
            self.buffer.drain(..written);
            self.has_spoken = true;
        }
        Ok(())
    }

    /// The library has let go. What it wrote before still leaves, as from the buffers of the kernel; and a
    /// broker that is not to know is not told. A connection that never came about leaves nothing behind.
    pub(super) fn end(mut self, stream: &Arc<TcpStream>, line: &Line, has_spoken: bool) {
        let (was_reset, out) = {
            let state = line.state();
            (reset(&state).is_some(), way_out(&state))
        };
        if was_reset {
            // Closing it now sends RST, and what is under way is lost.
            let _ = stream.set_zero_linger();
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let stream = Arc::clone(stream);
        if out.is_none() {
            runtime.spawn(async move { timeout(AFTERLIFE, read_to_end(&stream)).await });
        } else if !self.buffer.is_empty() && (has_spoken || self.has_spoken) {
            let line = line.clone();
            runtime.spawn(async move {
                let emptied = async {
                    while !self.buffer.is_empty() {
                        let Some(flow) = way_out(&line.state()) else { return };
                        let moved =
                            std::future::poll_fn(|cx| Poll::Ready(self.drain(&stream, Some(flow), cx))).await;
                        if moved.is_err() {
                            return;
                        }
                        sleep(GRAIN).await;
                    }
                };
                let _ = timeout(AFTERLIFE, emptied).await;
            });
        }
    }
}

/// What the way out does; `None` if it leads nowhere.
fn way_out(state: &State) -> Option<Flow> {
    (!state.leads_nowhere(Direction::Out)).then_some(state.weather.out)
}

fn reset(state: &State) -> Option<io::Error> {
    match &state.blow {
        Some((Blow::Reset, fault)) => {
            Some(io::Error::new(io::ErrorKind::ConnectionReset, format!("fault `{fault}` reset it")))
        }
        _ => None,
    }
}
