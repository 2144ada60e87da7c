//! The process of the broker ends, and another goes on.

use super::Broker;
use super::counters::DropReason;
use super::retained::Retained;
use super::sessions::Sessions;
use super::subscriptions::Subscriptions;
use crate::time::Time;

impl<C: Copy + Ord> Broker<C> {
    /// The process ends without a word: all connections are gone, and are returned. What it has written down
    /// is there for the next one, which is to be woken first: it then publishes the wills of these connections,
    /// as a broker may put that off until it is back (section 3.1.2.5), and ends the sessions that were over
    /// with them.
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

    /// What it has not written down is gone as well: sessions with their wills, subscriptions, and what
    /// was retained or waited. The account goes on.
    pub fn clear_state(&mut self) {
        let waited = self.stats().waiting;
        self.counters.drop(DropReason::BrokerLost, waited);
        self.sessions = Sessions::default();
        self.subscriptions = Subscriptions::default();
        self.retained = Retained::default();
    }
}
