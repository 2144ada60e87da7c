//! Which of a shard's sockets want attention.
//!
//! Each has a bell, which the runtime rings when it can be read or written again. The shard hears which bells
//! have rung, so that thousands of sockets need no task and no channel of their own.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Wake, Waker};

use futures::task::AtomicWaker;

/// The bells of a shard.
#[derive(Debug, Default)]
pub(crate) struct Bells {
    rung: Mutex<Vec<u32>>,
    /// The shard, while it waits.
    waits: AtomicWaker,
}

/// The bell of one connection.
#[derive(Debug)]
pub(super) struct Bell {
    /// Of the device within its shard.
    index: u32,
    has_rung: AtomicBool,
    bells: Arc<Bells>,
}

impl Bells {
    pub(super) fn hang(self: &Arc<Self>, index: u32) -> Arc<Bell> {
        Arc::new(Bell { index, has_rung: AtomicBool::new(false), bells: Arc::clone(self) })
    }

    fn rung(&self) -> MutexGuard<'_, Vec<u32>> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that have rung since the last question.
    pub(super) fn take(&self, into: &mut VecDeque<u32>) {
        into.extend(self.rung().drain(..));
    }

    /// Until one has rung. May be abandoned and tried again.
    pub(crate) async fn wait(&self) {
        poll_fn(|cx| {
            self.waits.register(cx.waker());
            if self.rung().is_empty() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }
}

impl Bell {
    /// What it rings for is being looked at from now on; what comes later rings again.
    pub(super) fn hush(&self) {
        self.has_rung.swap(false, Ordering::AcqRel);
    }

    pub(super) fn ring(&self) {
        if self.has_rung.swap(true, Ordering::AcqRel) {
            return;
        }
        self.bells.rung().push(self.index);
        self.bells.waits.wake();
    }

    pub(super) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_bell_is_heard_once_for_all_that_it_rings_for_until_it_is_looked_at() {
        let bells = Arc::new(Bells::default());
        let (first, second) = (bells.hang(1), bells.hang(2));
        assert_eq!(bells.wait().now_or_never(), None);
        first.waker().wake();
        first.waker().wake_by_ref();
        second.ring();
        assert_eq!(bells.wait().now_or_never(), Some(()));
        let mut rung = VecDeque::new();
        bells.take(&mut rung);
        assert_eq!(rung, [1, 2]);
        assert_eq!(bells.wait().now_or_never(), None);
        first.hush();
        first.ring();
        second.ring();
        bells.take(&mut rung);
        assert_eq!(rung, [1, 2, 1], "the second was not looked at yet");
    }
}
