//! Readiness set of a shard's sockets.
//!
//! The runtime calls the waker of a socket when it can be read or written. The waker adds the socket to the
//! shard's set, so that thousands of sockets need no task or channel each.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Wake, Waker};

use futures::task::AtomicWaker;

/// Indices of the ready sockets of a shard.
#[derive(Debug, Default)]
pub(crate) struct ReadySet {
    ready: Mutex<Vec<u32>>,
    /// Waker of the shard's task.
    shard_waker: AtomicWaker,
}

/// Waker of one socket.
#[derive(Debug)]
pub(super) struct SocketWaker {
    /// Index of the device in its shard.
    index: u32,
    is_ready: AtomicBool,
    ready_set: Arc<ReadySet>,
}

impl ReadySet {
    pub(super) fn register(self: &Arc<Self>, index: u32) -> Arc<SocketWaker> {
        Arc::new(SocketWaker { index, is_ready: AtomicBool::new(false), ready_set: Arc::clone(self) })
    }

    fn ready(&self) -> MutexGuard<'_, Vec<u32>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the ready indices to `into`.
    pub(super) fn take(&self, into: &mut VecDeque<u32>) {
        into.extend(self.ready().drain(..));
    }

    /// Waits until a socket is ready. Cancel-safe.
    pub(crate) async fn wait(&self) {
        poll_fn(|cx| {
            self.shard_waker.register(cx.waker());
            if self.ready().is_empty() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }
}

impl SocketWaker {
    /// Clears the ready flag before reading, so that later readiness is not lost.
    pub(super) fn clear(&self) {
        self.is_ready.swap(false, Ordering::AcqRel);
    }

    pub(super) fn set_ready(&self) {
        if self.is_ready.swap(true, Ordering::AcqRel) {
            return;
        }
        self.ready_set.ready().push(self.index);
        self.ready_set.shard_waker.wake();
    }

    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }
}

impl Wake for SocketWaker {
    fn wake(self: Arc<Self>) {
        self.set_ready();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.set_ready();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn readiness_is_reported_once_until_it_is_cleared() {
        let ready_set = Arc::new(ReadySet::default());
        let (first, second) = (ready_set.register(1), ready_set.register(2));
        assert_eq!(ready_set.wait().now_or_never(), None);
        first.waker().wake();
        first.waker().wake_by_ref();
        second.set_ready();
        assert_eq!(ready_set.wait().now_or_never(), Some(()));
        let mut ready = VecDeque::new();
        ready_set.take(&mut ready);
        assert_eq!(ready, [1, 2]);
        assert_eq!(ready_set.wait().now_or_never(), None);
        first.clear();
        first.set_ready();
        second.set_ready();
        ready_set.take(&mut ready);
        assert_eq!(ready, [1, 2, 1], "the second is still in the set");
    }
}
