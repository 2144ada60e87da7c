//! Queue of messages for one client.

use std::collections::VecDeque;

use super::stored::StoredMessage;
use crate::budget::Lease;
use crate::message::Message;
use crate::time::Time;

/// A message with its bytes in the budget of its client.
#[derive(Debug)]
pub(crate) struct QueuedMessage {
    pub(crate) stored: StoredMessage,
    pub(crate) _share: Lease,
}

/// FIFO queue of messages with a limit.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: VecDeque<QueuedMessage>,
    limit: usize,
    /// No message in the queue expires before this.
    next_expiry: Option<Time>,
}

/// The queue is full.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Queue {
    /// Creates a queue with at least one slot, because every message passes through it.
    pub(crate) fn new(limit: usize) -> Self {
        Self { waiting: VecDeque::new(), limit: limit.max(1), next_expiry: None }
    }

    /// Changes the limit. Messages beyond it stay.
    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit.max(1);
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= self.limit
    }

    pub(crate) fn push(&mut self, queued: QueuedMessage) -> Result<(), Full> {
        if self.is_full() {
            return Err(Full);
        }
        self.next_expiry = [self.next_expiry, queued.stored.expires_at].into_iter().flatten().min();
        self.waiting.push_back(queued);
        Ok(())
    }

    pub(crate) fn pop(&mut self) -> Option<QueuedMessage> {
        self.waiting.pop_front()
    }

    /// Removes expired messages, and passes each of them. Returns their number.
    pub(crate) fn purge(&mut self, now: Time, mut expire: impl FnMut(&Message)) -> u64 {
        if self.next_expiry.is_none_or(|soonest| soonest > now) {
            return 0;
        }
        let before = self.waiting.len();
        self.waiting.retain(|queued| {
            let is_expired = queued.stored.is_expired(now);
            if is_expired {
                expire(&queued.stored.message);
            }
            !is_expired
        });
        self.next_expiry = self.waiting.iter().filter_map(|queued| queued.stored.expires_at).min();
        (before - self.waiting.len()) as u64
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &QueuedMessage> {
        self.waiting.iter()
    }

    /// Removes and returns all messages in order.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = QueuedMessage> + use<> {
        self.next_expiry = None;
        std::mem::take(&mut self.waiting).into_iter()
    }

    /// Removes all messages. Returns their number.
    pub(crate) fn clear(&mut self) -> u64 {
        self.next_expiry = None;
        let before = self.waiting.len();
        self.waiting.clear();
        before as u64
    }
}
