//! Sessions by key, by client identifier and by next wakeup.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::session::{Session, SessionKey};
use crate::time::Time;

/// Slab of sessions. A session keeps its key until it ends; the key is then reused.
#[derive(Debug)]
pub(super) struct Sessions<C> {
    slots: Vec<Option<Session<C>>>,
    free: Vec<SessionKey>,
    by_client: BTreeMap<Arc<str>, SessionKey>,
    /// One entry for each session with a deadline, never later than the deadline. Every packet of a client
    /// moves its deadline; the entry stays, and is scheduled again when it comes due.
    wakeups: BTreeSet<(Time, SessionKey)>,
}

impl<C> Default for Sessions<C> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), by_client: BTreeMap::new(), wakeups: BTreeSet::new() }
    }
}

impl<C: Copy> Sessions<C> {
    pub(super) fn find(&self, client_id: &str) -> Option<SessionKey> {
        self.by_client.get(client_id).copied()
    }

    pub(super) fn get(&self, key: SessionKey) -> Option<&Session<C>> {
        self.slots.get(key.position())?.as_ref()
    }

    pub(super) fn get_mut(&mut self, key: SessionKey) -> Option<&mut Session<C>> {
        self.slots.get_mut(key.position())?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Session<C>> {
        self.slots.iter().flatten()
    }

    pub(super) fn insert(&mut self, session: Session<C>) -> SessionKey {
        let key = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            SessionKey::new(u32::try_from(self.slots.len() - 1).expect("fewer than four billion sessions"))
        });
        self.by_client.insert(Arc::clone(&session.client_id), key);
        self.slots[key.position()] = Some(session);
        key
    }

    pub(super) fn remove(&mut self, key: SessionKey) -> Option<Session<C>> {
        let session = self.slots.get_mut(key.position())?.take()?;
        self.by_client.remove(&session.client_id);
        if let Some(wake_at) = session.wake_at {
            self.wakeups.remove(&(wake_at, key));
        }
        self.free.push(key);
        Some(session)
    }

    /// Schedules a wakeup no later than the session's next deadline.
    pub(super) fn schedule_wakeup(&mut self, key: SessionKey) {
        let Some(session) = self.slots.get_mut(key.position()).and_then(Option::as_mut) else { return };
        let Some(due) = session.next_deadline() else { return };
        if session.wake_at.is_none_or(|wake_at| due < wake_at) {
            if let Some(wake_at) = session.wake_at.replace(due) {
                self.wakeups.remove(&(wake_at, key));
            }
            self.wakeups.insert((due, key));
        }
    }

    pub(super) fn next_wakeup(&self) -> Option<Time> {
        self.wakeups.first().map(|&(due, _)| due)
    }

    /// Removes and returns the next session whose wakeup is due.
    pub(super) fn take_due(&mut self, now: Time) -> Option<SessionKey> {
        let &(due, key) = self.wakeups.first()?;
        if due > now {
            return None;
        }
        self.wakeups.pop_first();
        if let Some(session) = self.get_mut(key) {
            session.wake_at = None;
        }
        Some(key)
    }
}
