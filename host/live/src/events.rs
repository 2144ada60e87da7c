//! Who is told what happens to devices.
//!
//! What a busy fleet does most is to send and to receive messages. Telling takes longer than sending does: it is
//! allocated, locked for, and read by another thread. So watchers say whether they want to hear of [`All`]
//! or only of what is [`Notable`], and nothing is told that nobody wants to hear.
//!
//! [`All`]: EventFilter::All
//! [`Notable`]: EventFilter::Notable

use std::sync::Arc;

use futures::Stream;
use futures::stream::unfold;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{self, Receiver, Sender};
use wasmote_sim::context::LogLevel;
use wasmote_sim::notice::DeviceNotice;

use crate::status::DeviceEvent;

/// Happenings that a slow watcher may be behind.
const CAPACITY: usize = 16 << 10;

/// What a watcher wants to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventFilter {
    /// All that happens.
    All,
    /// All but messages that were sent, received or dropped, and lines at the levels `debug` and `trace`.
    Notable,
}

/// Hears what happens, from the moment it was made. A slow one loses the oldest and is told how many.
#[derive(Debug)]
pub struct EventReceiver {
    events: Receiver<Arc<DeviceEvent>>,
    /// One of the listeners, as long as it is there.
    _token: Arc<()>,
}

impl EventReceiver {
    /// The next that happens; or how many were lost before it, or that the fleet has ended.
    pub async fn recv(&mut self) -> Result<Arc<DeviceEvent>, RecvError> {
        self.events.recv().await
    }

    /// The same, if it has happened already.
    pub fn try_recv(&mut self) -> Result<Arc<DeviceEvent>, TryRecvError> {
        self.events.try_recv()
    }

    /// The same one after another until the fleet ends; or how many were lost.
    pub fn into_stream(self) -> impl Stream<Item = Result<Arc<DeviceEvent>, u64>> {
        unfold(self, |mut receiver| async {
            let next = match receiver.recv().await {
                Ok(event) => Ok(event),
                Err(RecvError::Lagged(missed)) => Err(missed),
                Err(RecvError::Closed) => return None,
            };
            Some((next, receiver))
        })
    }
}

/// All watchers of a fleet. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct EventBus(Arc<Channels>);

#[derive(Debug)]
struct Channels {
    all: Channel,
    notable: Channel,
}

/// Watchers with the same interest.
#[derive(Debug)]
struct Channel {
    sender: Sender<Arc<DeviceEvent>>,
    /// Shared with each of them, and so a count of them. The sender's own is behind a lock.
    receiver_token: Arc<()>,
}

impl EventBus {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Channels { all: Channel::new(), notable: Channel::new() }))
    }

    pub(crate) fn subscribe(&self, filter: EventFilter) -> EventReceiver {
        match filter {
            EventFilter::All => self.0.all.subscribe(),
            EventFilter::Notable => self.0.notable.subscribe(),
        }
    }

    /// Tell those who want to hear of it. What happened is made only if somebody does.
    pub(crate) fn emit(&self, notice: DeviceNotice, event: impl FnOnce(DeviceNotice) -> DeviceEvent) {
        let Channels { all, notable } = &*self.0;
        let wants_all = all.has_receivers();
        let wants_notable = notable.has_receivers() && is_notable(&notice);
        if wants_all || wants_notable {
            let event = Arc::new(event(notice));
            if wants_all {
                all.send(&event);
            }
            if wants_notable {
                notable.send(&event);
            }
        }
    }
}

impl Channel {
    fn new() -> Self {
        Self { sender: broadcast::channel(CAPACITY).0, receiver_token: Arc::new(()) }
    }

    fn subscribe(&self) -> EventReceiver {
        EventReceiver { events: self.sender.subscribe(), _token: Arc::clone(&self.receiver_token) }
    }

    fn has_receivers(&self) -> bool {
        Arc::strong_count(&self.receiver_token) > 1
    }

    fn send(&self, event: &Arc<DeviceEvent>) {
        // They may just have left.
        let _ = self.sender.send(Arc::clone(event));
    }
}

fn is_notable(notice: &DeviceNotice) -> bool {
    match notice {
        DeviceNotice::Sent(..) | DeviceNotice::Received(..) | DeviceNotice::Dropped(..) => false,
        DeviceNotice::Log(level, _) | DeviceNotice::FaultLog(_, level, _) => {
            !matches!(level, LogLevel::Trace | LogLevel::Debug)
        }
        _ => true,
    }
}
