//! Crash of the broker process.

use std::sync::Arc;

use super::Broker;
use super::counters::DropReason;
use super::sessions::Sessions;
use super::steps::BrokerStepKind;
use super::subscriptions::Subscriptions;
use crate::time::Time;

impl<C: Copy + Ord> Broker<C> {
    /// Crashes the broker and returns its connections, all of which are closed. Persistent state stays for
    /// the next process. Its first call must be [`wake`](Self::wake): it publishes the wills of these
    /// connections, which a broker may delay until its restart (section 3.1.2.5), and ends the sessions that
    /// expired with them.
    pub fn fail(&mut self, now: Time) -> Vec<C> {
        let connections = std::mem::take(&mut self.connections);
        for &key in connections.values() {
            if let Some(session) = self.sessions.get_mut(key) {
                session.detach(now);
            }
            self.sessions.schedule_wakeup(key);
        }
        connections.into_keys().collect()
    }

    /// Discards persistent state: sessions with their wills, subscriptions, retained messages and waiting
    /// copies. The counters continue.
    pub fn clear_state(&mut self) {
        let waited = self.stats().waiting;
        if self.steps.is_followed {
            for session in self.sessions.iter() {
                let dropped =
                    || BrokerStepKind::Dropped(Arc::clone(&session.client_id), DropReason::BrokerLost);
                session.outgoing.messages().for_each(|message| self.steps.add(message, dropped));
            }
        }
        self.counters.drop(DropReason::BrokerLost, waited);
        self.sessions = Sessions::default();
        self.subscriptions = Subscriptions::default();
        self.retained.clear();
    }
}
