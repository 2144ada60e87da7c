//! Who is told what happens to devices.
//!
//! What a busy fleet does most is to send and to receive messages. Telling takes longer than sending does: it is
//! allocated, locked for, and read by another thread. So watchers say whether they want to hear of [`Everything`]
//! or only of what is [`Notable`], and nothing is told that nobody wants to hear.
//!
//! [`Everything`]: Interest::Everything
//! [`Notable`]: Interest::Notable

use std::sync::Arc;

use futures::Stream;
use futures::stream::unfold;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{self, Receiver, Sender};
use wasmote_sim::action::Notice;
use wasmote_sim::context::LogLevel;

use crate::status::Happening;

/// Happenings that a slow watcher may be behind.
const BEHIND: usize = 16 << 10;

/// What a watcher wants to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// All that happens.
    Everything,
    /// All but messages that were sent, received or dropped, and lines at the levels `debug` and `trace`.
    Notable,
}

/// Hears what happens, from the moment it was made. A slow one loses the oldest and is told how many.
#[derive(Debug)]
pub struct Watch {
    happenings: Receiver<Arc<Happening>>,
    /// One of the listeners, as long as it is there.
    _listens: Arc<()>,
}

impl Watch {
    /// The next that happens; or how many were lost before it, or that the fleet has ended.
    pub async fn recv(&mut self) -> Result<Arc<Happening>, RecvError> {
        self.happenings.recv().await
    }

    /// The same, if it has happened already.
    pub fn try_recv(&mut self) -> Result<Arc<Happening>, TryRecvError> {
        self.happenings.try_recv()
    }

    /// The same one after another until the fleet ends; or how many were lost.
    pub fn into_stream(self) -> impl Stream<Item = Result<Arc<Happening>, u64>> {
        unfold(self, |mut watch| async {
            let next = match watch.recv().await {
                Ok(happening) => Ok(happening),
                Err(RecvError::Lagged(missed)) => Err(missed),
                Err(RecvError::Closed) => return None,
            };
            Some((next, watch))
        })
    }
}

/// All watchers of a fleet. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Watchers(Arc<Audiences>);

#[derive(Debug)]
struct Audiences {
    of_everything: Audience,
    of_notable: Audience,
}

/// Watchers with the same interest.
#[derive(Debug)]
struct Audience {
    sender: Sender<Arc<Happening>>,
    /// Shared with each of them, and so a count of them. The sender's own is behind a lock.
    listens: Arc<()>,
}

impl Watchers {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Audiences { of_everything: Audience::new(), of_notable: Audience::new() }))
    }

    pub(crate) fn watch(&self, interest: Interest) -> Watch {
        match interest {
            Interest::Everything => self.0.of_everything.watch(),
            Interest::Notable => self.0.of_notable.watch(),
        }
    }

    /// Tell those who want to hear of it. What happened is made only if somebody does.
    pub(crate) fn tell(&self, notice: Notice, happening: impl FnOnce(Notice) -> Happening) {
        let Audiences { of_everything, of_notable } = &*self.0;
        let everything = of_everything.is_there();
        let notable = of_notable.is_there() && is_notable(&notice);
        if everything || notable {
            let happening = Arc::new(happening(notice));
            if everything {
                of_everything.tell(&happening);
            }
            if notable {
                of_notable.tell(&happening);
            }
        }
    }
}

impl Audience {
    fn new() -> Self {
        Self { sender: broadcast::channel(BEHIND).0, listens: Arc::new(()) }
    }

    fn watch(&self) -> Watch {
        Watch { happenings: self.sender.subscribe(), _listens: Arc::clone(&self.listens) }
    }

    fn is_there(&self) -> bool {
        Arc::strong_count(&self.listens) > 1
    }

    fn tell(&self, happening: &Arc<Happening>) {
        // They may just have left.
        let _ = self.sender.send(Arc::clone(happening));
    }
}

fn is_notable(notice: &Notice) -> bool {
    match notice {
        Notice::Sent(..) | Notice::Received(..) | Notice::Dropped(..) => false,
        Notice::Log(level, _) | Notice::FaultLog(_, level, _) => {
            !matches!(level, LogLevel::Trace | LogLevel::Debug)
        }
        _ => true,
    }
}
