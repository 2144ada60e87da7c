//! Broadcast of device events to subscribers.
//!
//! Most events of a busy fleet are sent and received messages, and publishing an event costs more than
//! sending a message: it needs an allocation and a lock, and another thread reads it. So a subscriber chooses
//! between [`All`] events and only [`Notable`] ones, and events without subscribers are not created.
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

/// Events that a slow subscriber may be behind before it loses the oldest. Texts and payloads of an event are clipped, so
/// that these take at most 80 MiB.
const CAPACITY: usize = 16 << 10;

/// Selection of events for a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventFilter {
    /// All events.
    All,
    /// All except sent, received and dropped messages, and log lines at the levels `debug` and `trace`. Messages that
    /// the broker does not take are notable.
    Notable,
}

/// Receiver of events from the moment of its creation. A slow receiver loses the oldest events and gets their
/// number.
#[derive(Debug)]
pub struct EventReceiver {
    events: Receiver<Arc<DeviceEvent>>,
    /// Counts this receiver in [`Channel::receiver_token`].
    _token: Arc<()>,
}

impl EventReceiver {
    /// The next event; the error gives the number of lost events, or says that the fleet has ended.
    pub async fn recv(&mut self) -> Result<Arc<DeviceEvent>, RecvError> {
        self.events.recv().await
    }

    /// The next event like [`Self::recv`], without waiting.
    pub fn try_recv(&mut self) -> Result<Arc<DeviceEvent>, TryRecvError> {
        self.events.try_recv()
    }

    /// Stream of events until the fleet ends; an error is a number of lost events.
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

/// Event channels of a fleet. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct EventBus(Arc<Channels>);

#[derive(Debug)]
struct Channels {
    all: Channel,
    notable: Channel,
}

/// Channel for the subscribers with one filter.
#[derive(Debug)]
struct Channel {
    sender: Sender<Arc<DeviceEvent>>,
    /// Token that is shared with each receiver, so that its reference count is the number of receivers. The
    /// receiver count of `Sender` is behind a lock.
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

    /// The subscribers that select an event with this notice.
    pub(crate) fn wants(&self, notice: &DeviceNotice) -> Wanted {
        let Channels { all, notable } = &*self.0;
        Wanted { all: all.has_receivers(), notable: notable.has_receivers() && is_notable(notice) }
    }

    /// Sends an event to subscribers.
    pub(crate) fn send(&self, wanted: Wanted, event: DeviceEvent) {
        let event = Arc::new(event);
        if wanted.all {
            self.0.all.send(&event);
        }
        if wanted.notable {
            self.0.notable.send(&event);
        }
    }
}

/// Subscribers that select an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    all: bool,
    notable: bool,
}

impl Wanted {
    /// Whether there are no such subscribers.
    pub(crate) fn is_none(self) -> bool {
        !self.all && !self.notable
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
        // Sending fails only if the last receiver was dropped meanwhile.
        let _ = self.sender.send(Arc::clone(event));
    }
}

fn is_notable(notice: &DeviceNotice) -> bool {
    match notice {
        DeviceNotice::Dropped(_, cause, _) => cause.is_refusal_of_broker(),
        DeviceNotice::Sent(..) | DeviceNotice::Received(..) => false,
        DeviceNotice::Log(level, _) | DeviceNotice::FaultLog(_, level, _) => {
            !matches!(level, LogLevel::Trace | LogLevel::Debug)
        }
        _ => true,
    }
}
